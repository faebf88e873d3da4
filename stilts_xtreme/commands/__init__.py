"""The commands of the package: ``python -m stilts_xtreme.NAME`` runs the module NAME of this room."""

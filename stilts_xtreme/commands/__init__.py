"""What a user types and reads; ``python -m stilts_xtreme.NAME`` runs a module of this room."""

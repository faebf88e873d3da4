"""One file per layout in which rows are published or kept."""

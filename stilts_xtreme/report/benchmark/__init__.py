"""The averages of XTREME and XTREME-R, published figures, and submissions."""

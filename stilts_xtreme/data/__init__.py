"""Rows of every data set in one set of canonical columns per format, wherever they come from."""

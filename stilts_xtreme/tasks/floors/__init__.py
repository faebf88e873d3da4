"""Scores without knowledge of the languages."""

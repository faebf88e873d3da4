"""Rows of the Hugging Face hub, and of a folder laid out like it."""

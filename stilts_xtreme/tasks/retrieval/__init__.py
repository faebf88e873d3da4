"""The translation of a sentence among those of another language."""

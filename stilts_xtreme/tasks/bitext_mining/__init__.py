"""Translated pairs of sentences in two corpora."""

"""Rows in files of the user's own: jsonl, json, csv, tsv, parquet, and what ``datasets`` saves."""

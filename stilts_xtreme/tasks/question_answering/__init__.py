"""A span of a passage as the answer to a question."""

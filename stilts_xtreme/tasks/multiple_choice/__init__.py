"""One of several endings or answers."""

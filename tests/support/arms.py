"""Simulated answers of two arms with a known gain."""

from benchmarks.coverage import arms, items_of, no_gain

__all__ = ["arms", "items_of", "no_gain"]

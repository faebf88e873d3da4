"""Official metrics: pure functions over predictions and gold, and their streaming forms in :mod:`.modules`.

This package imports no torch, so that scoring prediction files starts at once.
"""

from stilts_xtreme.metrics.scores import METRICS, Metric, headline

__all__ = ["METRICS", "Metric", "headline"]

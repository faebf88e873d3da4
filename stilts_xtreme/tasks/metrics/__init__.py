"""Official metrics: pure functions over predictions and gold.

Every score is computed from whole prediction files, in training too, so nothing accumulates over batches. This package
imports no torch: scoring starts at once.
"""

from stilts_xtreme.tasks.metrics.metric import METRICS, Metric

__all__ = ["METRICS", "Metric"]

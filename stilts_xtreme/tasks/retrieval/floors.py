"""Floors of retrieval: neighbours by the pieces of their words, and chance."""

from __future__ import annotations

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.floors.overlap import nearest
from stilts_xtreme.tasks.format import Scorer
from stilts_xtreme.tasks.metrics.metric import Metric


def floors(metric: Metric) -> Scorer:
    """The nearest sentence by the pieces that both have, and chance."""

    def score(test: Columns, language: str) -> dict[str, float]:
        n = len(test["text_a"])
        found = nearest(test["text_b"], test["text_a"])
        return {"tfidf": metric.main_score(found, list(range(n)), language), "chance": 100.0 / n}

    return score

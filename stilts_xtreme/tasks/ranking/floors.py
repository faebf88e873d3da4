"""Floors of ranking: neighbours by the pieces of their words, and chance."""

from __future__ import annotations

from statistics import fmean

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.floors.common import PAIRS_CAP
from stilts_xtreme.tasks.floors.overlap import TfIdf
from stilts_xtreme.tasks.format import Scorer
from stilts_xtreme.tasks.metrics.metric import Metric
from stilts_xtreme.tasks.metrics.ranking import TOP, chance_precision


def floors(metric: Metric, candidates: Columns) -> Scorer:
    """The candidates nearest by the pieces that both have, where they are not too many, and chance."""
    ids = candidates["id"]
    index: TfIdf | None = None

    def score(test: Columns, language: str) -> dict[str, float]:
        nonlocal index
        gold = dict(zip(test["id"], test["gold"], strict=True))
        scores = {"chance": 100.0 * fmean(chance_precision(len(set(right)), len(ids), TOP) for right in gold.values())}
        if len(gold) * len(ids) > PAIRS_CAP:
            return scores
        index = index or TfIdf(candidates["text"])
        found = {
            key: [ids[at] for at in index.first(query, TOP)]
            for key, query in zip(test["id"], test["query"], strict=True)
        }
        return {"tfidf": metric.main_score(found, gold, language), **scores}

    return score

"""Floors of bitext mining: neighbours by the pieces of their words."""

from __future__ import annotations

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.bitext_mining.rows import ENGLISH, FOREIGN
from stilts_xtreme.tasks.floors.common import PAIRS_CAP
from stilts_xtreme.tasks.floors.overlap import nearest
from stilts_xtreme.tasks.format import Scorer
from stilts_xtreme.tasks.metrics.metric import Metric


def floors(metric: Metric) -> Scorer:
    """Sentences that are each other's nearest by the pieces that both have; none where the corpora are too large."""

    def score(test: Columns, language: str) -> dict[str, float]:
        sides: dict[str, list[int]] = {FOREIGN: [], ENGLISH: []}
        for at, side in enumerate(test["side"]):
            sides[side].append(at)
        if len(sides[FOREIGN]) * len(sides[ENGLISH]) > PAIRS_CAP:
            return {}
        texts = {side: [test["text"][at] for at in rows] for side, rows in sides.items()}
        forward = nearest(texts[FOREIGN], texts[ENGLISH])
        back = nearest(texts[ENGLISH], texts[FOREIGN])
        found = [
            (test["id"][sides[FOREIGN][one]], test["id"][sides[ENGLISH][other]])
            for one, other in enumerate(forward)
            if back[other] == one
        ]
        gold = [(key, other) for key, others in zip(test["id"], test["gold"], strict=True) for other in others]
        return {"tfidf": metric.main_score(found, gold, language)}

    return score

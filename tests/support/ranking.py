"""Ranking by hand, and a tiny head of it."""

from __future__ import annotations

import numpy as np

from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.tasks.ranking.module import RankingModule
from support.encoders import TEXTS, bare_encoder


def by_hand(sims: np.ndarray) -> list[list[int]]:
    """All candidates of each query, the nearest first, ties by position."""
    return [sorted(range(len(row)), key=lambda at, row=row: (-row[at], at)) for row in sims]


ROWS = {
    "id": [*"abcdef"],
    "query": ["What is the capital of Kenya?", "首都?", "", "ภาษาไทย", "the fox", "why 😀"],
    "text": ["Nairobi is the capital.", "北京是首都。", "x", "ไม่เว้นวรรค", "fox", "القاهرة"],
    "context": [TEXTS[1], TEXTS[5], "", TEXTS[2] * 3, "", TEXTS[3]],
    "gold": [["1"], ["2"], ["3"], ["2", "4"], ["1"], ["6"]],
}


def module(family: str = "xlm-roberta", dropout: float = 0.0, **changes) -> RankingModule:
    options = HeadOptions(**{"max_length": 32, "max_query_length": 12, **changes})
    return RankingModule(bare_encoder(family, dropout), (), options)

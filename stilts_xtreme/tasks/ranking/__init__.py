"""Ranking: the candidates that answer a query, found among many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.format import Scorer, TaskFormat
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.metrics.ranking import TOP, rank_c
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.tasks.outcome import alike
from stilts_xtreme.tasks.ranking.files import read_rankings, write_rankings
from stilts_xtreme.tasks.ranking.rows import CANDIDATES, ROWS

if TYPE_CHECKING:
    from stilts_xtreme.models.batch import Features


class Ranking(TaskFormat):
    """A list of candidates per row, the best first."""

    name = "ranking"
    rows = ROWS
    candidates = CANDIDATES
    metrics = (METRICS["map_at_20"],)
    module_path = "stilts_xtreme.tasks.ranking.module:RankingModule"
    hub_tag = "sentence-similarity"
    extensions = ("json", "jsonl")
    tokens_per_row = 120
    wording = "its answers are texts in all languages, and translations have other texts"
    answers = ("text", "context", "gold")
    pairs = True
    alone = "its loss is one of a whole step"

    def head_options(self, cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
        """Also how long a query may be."""
        return HeadOptions(max_length=recipe.max_length, max_query_length=recipe.max_query_length)

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Also how long a query may be."""
        return {**super().evaluation_settings(cell, recipe), "max_query_length": recipe.max_query_length}

    def guess_loss(self, features: Features, batch_size: int) -> float:
        """That of guessing among the candidates of a step."""
        return math.log(min(batch_size, len(features)))

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Whether one candidate is the first one of every query."""
        firsts = [found[0] if found else "" for found in answers.values()]
        rights = [firsts[0] if firsts[0] in gold.get(key, ()) else "" for key in answers] if firsts else []
        one = alike(firsts, rights)
        return None if one is None else f"every query is given the candidate {one} first" if one else "nothing is found"

    def constants(self, rows: Columns, gold: Any) -> list[Any]:
        """The candidates in the order in which they come, for every query."""
        ids = list(dict.fromkeys(key for found in gold.values() for key in found))
        return [dict.fromkeys(gold, ids[:TOP])]

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """Neighbours by pieces of words, and chance."""
        from stilts_xtreme.tasks.ranking.floors import floors

        return floors(metric, candidates)

    def paired(self, first: Columns, second: Columns) -> Columns:
        """The queries; what answers them is not known."""
        return {
            **first,
            "text": [""] * len(first["id"]),
            "context": [""] * len(first["id"]),
            "gold": [[""]] * len(first["id"]),
        }

    def gold(self, rows: Columns, labels: Sequence[str]) -> dict[str, list[str]]:
        """Query id -> ids of the right candidates."""
        return dict(zip(rows["id"], rows["gold"], strict=True))

    def item_texts(self, rows: Columns, at: int) -> list[tuple[str, ...]]:
        """The query."""
        return [("query", rows["query"][at])]

    def found_texts(self, rows: Columns) -> dict[str, str]:
        """Id -> text of the candidates that are right for some query."""
        pairs = zip(rows["gold"], rows["text"], strict=True)
        return {key: text for right, text in pairs for key in right[:1] if text}

    def rank_consistency(self, one: Sequence[str], other: Sequence[str]) -> float:
        """RankC."""
        return rank_c(one, other)

    def write(self, path: Path, answers: Any) -> Path:
        """``{query id: [candidate ids]}``."""
        return write_rankings(path, answers)

    def read(self, path: Path, like: Any = None) -> dict[str, list[str]]:
        """Rankings by query, as many as there are."""
        return read_rankings(path)


FORMAT = Ranking()

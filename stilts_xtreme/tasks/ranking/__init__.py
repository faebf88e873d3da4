"""Ranking: the candidates that answer a query, found among many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.format import Scorer, TaskFormat
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.tasks.ranking.files import read_rankings, write_rankings
from stilts_xtreme.tasks.ranking.rows import CANDIDATES, ROWS


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
    answers = ("text", "context", "gold")
    pairs = True
    alone = "its loss is one of a whole step"

    def head_options(self, cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
        """Also how long a query may be."""
        return HeadOptions(max_length=recipe.max_length, max_query_length=recipe.max_query_length)

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Also how long a query may be."""
        return {**super().evaluation_settings(cell, recipe), "max_query_length": recipe.max_query_length}

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

    def write(self, path: Path, answers: Any) -> Path:
        """``{query id: [candidate ids]}``."""
        return write_rankings(path, answers)

    def read(self, path: Path, like: Any = None) -> dict[str, list[str]]:
        """Rankings by query, as many as there are."""
        return read_rankings(path)


FORMAT = Ranking()

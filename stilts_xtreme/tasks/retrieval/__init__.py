"""Retrieval: which sentence of another language is the translation of an English one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.tasks.format import Rows, Scorer
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.outcome import alike
from stilts_xtreme.tasks.pooled import PooledFormat
from stilts_xtreme.tasks.retrieval.files import read_indices, write_indices
from stilts_xtreme.tasks.retrieval.rows import ROWS


class Retrieval(PooledFormat):
    """One position per row."""

    name = "retrieval"
    rows = ROWS
    wording = "it asks which sentence is the translation of another one"
    metrics = (METRICS["retrieval_accuracy"], METRICS["accuracy"])
    answers = ()
    pairs = True
    module_path = "stilts_xtreme.tasks.retrieval.module:RetrievalModule"

    def finish(self, cell: Cell, rows: Rows, answers: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
        """Positions as numbers."""
        found, facts = super().finish(cell, rows, answers)
        return {language: [int(position) for position in own] for language, own in found.items()}, facts

    def paired(self, first: Columns, second: Columns) -> Columns:
        """Each of the first finds the nearest of the second, whose ids are ``other``."""
        return {"id": first["id"], "text_a": second["text"], "text_b": first["text"], "other": second["id"]}

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Whether all queries find the same sentence."""
        one = alike(answers, gold)
        return None if one is None else f"every query finds sentence {one}, counted from 0"

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """Neighbours by pieces of words, and chance."""
        from stilts_xtreme.tasks.retrieval.floors import floors

        return floors(metric)

    def gold(self, rows: Columns, labels: Sequence[str]) -> list[int]:
        """Each row's own position."""
        return list(range(len(rows["text_a"])))

    def item_texts(self, rows: Columns, at: int) -> list[tuple[str, ...]]:
        """The English sentence, whose translation is looked for."""
        return [("sentence", rows["text_b"][at])]

    def found_texts(self, rows: Columns) -> dict[str, str]:
        """Position -> sentence of the other language."""
        return {str(at): text for at, text in enumerate(rows["text_a"])}

    def write(self, path: Path, answers: Any) -> Path:
        """One position per line."""
        return write_indices(path, answers)

    def read(self, path: Path, like: Any = None) -> list[int]:
        """Positions."""
        return read_indices(path, None if like is None else len(like))


FORMAT = Retrieval()

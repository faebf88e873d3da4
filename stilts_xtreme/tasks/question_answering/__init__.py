"""Question answering: the answer to a question is a span of a context, or there is none."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.format import TaskFormat


class QuestionAnswering(TaskFormat):
    """One answer per row, filed by the row's id."""

    name = "qa"

    def selection_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """How answers are picked decides which weights score best."""
        return {"evaluation": _answer_settings(cell)}

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """How contexts are cut into windows, and how answers are picked."""
        windows = {"stride": recipe.stride, "max_query_length": recipe.max_query_length}
        return {**super().evaluation_settings(cell, recipe), **windows, **_answer_settings(cell)}

    def floor_settings(self) -> dict[str, Any]:
        """How the floor ``right_type`` is counted; it was F1 alone."""
        return {"right_type": "mean of exact match and F1"}


def _answer_settings(cell: Cell) -> dict[str, Any]:
    """What turns the scores of spans into answers."""
    return {name: cell.evaluation[name] for name in ("n_best", "max_answer_length", "null_threshold")}


FORMAT = QuestionAnswering()

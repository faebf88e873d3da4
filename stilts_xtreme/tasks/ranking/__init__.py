"""Ranking: the candidates that answer a query, found among many."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.format import TaskFormat


class Ranking(TaskFormat):
    """A list of candidates per row, the best first."""

    name = "ranking"

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """How long a query may be."""
        return {**super().evaluation_settings(cell, recipe), "max_query_length": recipe.max_query_length}


FORMAT = Ranking()

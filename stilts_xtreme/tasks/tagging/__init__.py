"""Tagging: a tag for every word of a sentence."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.format import TaskFormat


class Tagging(TaskFormat):
    """One tag per word."""

    name = "tagging"

    def training_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Which sub-token of a word is tagged."""
        return {"first_token": cell.tagging["first_token"]}

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Which sub-token of a word is tagged."""
        return {**super().evaluation_settings(cell, recipe), "first_token": cell.tagging["first_token"]}


FORMAT = Tagging()

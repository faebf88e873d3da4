"""Bitext mining: which sentences of two corpora are translations of each other."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.pooled import PooledFormat


class BitextMining(PooledFormat):
    """Any number of pairs of ids."""

    name = "bitext"
    dev_advice = (
        "to choose the threshold on; bring BUCC's sample corpora "
        "(FOLDER/local/bucc2018/<l>-en/<l>-en.sample.{<l>,en,gold}) and give data.root=FOLDER, or give "
        "bitext.threshold=NUMBER, or bitext.threshold=test, which flatters"
    )

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Where the threshold of the margins comes from."""
        return {**super().evaluation_settings(cell, recipe), "threshold": cell.bitext["threshold"]}

    def reads_dev(self, cell: Cell) -> bool:
        """The threshold may be chosen on dev rows."""
        return bool(cell.bitext["threshold"] == "dev")


FORMAT = BitextMining()

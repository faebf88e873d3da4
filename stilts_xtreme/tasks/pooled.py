"""What the formats have in common that compare pooled hidden states and are not trained. Free of torch."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.format import TaskFormat


class PooledFormat(TaskFormat):
    """Sentences are compared as they leave a layer of the encoder."""

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Which layer is pooled and how."""
        settings = {**super().evaluation_settings(cell, recipe), "pooling": cell.retrieval["pooling"]}
        layer = cell.retrieval["layer"]
        settings["layer"] = layer if layer is not None else cell.model.retrieval_layer
        if cell.retrieval["sweep"]:
            settings["sweep"] = cell.retrieval["sweep"]
        return settings

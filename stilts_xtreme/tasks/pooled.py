"""What the formats have in common that compare pooled hidden states and are not trained. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stilts_xtreme.core.checks import choice, refused, whole
from stilts_xtreme.core.errors import unknown
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.format import TaskFormat
from stilts_xtreme.tasks.options import HeadOptions, OptionGroup


def _checked(values: Mapping[str, Any], synthetic: bool) -> dict[str, Any]:
    choice("retrieval.pooling", values["pooling"], ("mean", "cls"))
    whole("retrieval.layer", values["layer"], 0, optional=True)
    if values["sweep"] not in (None, "layers"):
        raise unknown("retrieval.sweep", values["sweep"], ("null", "layers"))
    return dict(values)


POOLING = OptionGroup("retrieval", {"layer": None, "pooling": "mean", "sweep": None}, _checked)
"""Which layer is pooled, how, and whether every layer is scored."""


class PooledFormat(TaskFormat):
    """Sentences are compared as they leave a layer of the encoder."""

    options: tuple[OptionGroup, ...] = (POOLING,)
    trained = False

    def head_options(self, cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
        """Also which layer is pooled and how."""
        chosen = cell.options["retrieval"]
        return HeadOptions(
            max_length=recipe.max_length,
            layer=self._layer(cell),
            pooling=chosen["pooling"],
            sweep=chosen["sweep"] == "layers",
        )

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Which layer is pooled and how."""
        chosen = cell.options["retrieval"]
        settings = {**super().evaluation_settings(cell, recipe), "layer": self._layer(cell)}
        settings["pooling"] = chosen["pooling"]
        if chosen["sweep"]:
            settings["sweep"] = chosen["sweep"]
        return settings

    def constants(self, rows: Columns, gold: Any) -> list[Any]:
        """There are none: nothing is trained that could come to them."""
        return []

    def _layer(self, cell: Cell) -> int | None:
        """The layer that is asked for, else the model's own; None: a share of its depth."""
        layer, kept = cell.options["retrieval"]["layer"], cell.model.layers
        if layer is not None and kept is not None and layer > kept:
            raise refused("retrieval.layer", layer, f"model.layers={kept} keeps the layers up to {kept}")
        return layer if layer is not None else cell.model.retrieval_layer

"""The options of a cell as its user writes them; they tell two cells of one name apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stilts_xtreme.core.specs import Cell

LEAVE_SCORES = ("evaluation.floors", "evaluation.random_init", "data.root")
"""Options that add something beside the scores, or say where rows are."""


def settings(cell: Cell) -> dict[str, Any]:
    """The options of a cell that may change its scores and are not part of its name.

    Args:
        cell: The cell. Of several intermediate tasks the first one's recipe is taken; they share an optimiser.

    Returns:
        Option, such as ``recipe.target.learning_rate``, -> value; nested groups are flat.
    """
    groups: dict[str, Any] = {
        "recipe.intermediate": asdict(cell.intermediate_tasks[0].recipe) if cell.intermediate_tasks else {},
        "recipe.target": asdict(cell.target.recipe) if cell.target and cell.target.train else {},
        "data": asdict(cell.data),
        "model": {"architecture": cell.model.architecture, "pretraining": cell.model.pretraining},
        "sampling": asdict(cell.sampling) if len(cell.intermediate_tasks) > 1 else {},
        "trainer": {"precision": cell.trainer.precision},
        "languages": cell.languages,
        "evaluation": cell.evaluation,
        **cell.options,
    }
    return {option: value for option, value in _flat("", groups) if option not in LEAVE_SCORES}


def _flat(above: str, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        option = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            found += _flat(option, value)
        else:
            found.append((option, list(value) if isinstance(value, tuple) else value))
    return found

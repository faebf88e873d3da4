"""The options of a cell as its user writes them; they tell two cells of one name apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stilts_xtreme.core.specs import OPTIMISER_FIELDS, Cell, TrainTask

LEAVE_SCORES = (
    *("evaluation.floors", "evaluation.random_init", "evaluation.rules"),
    *("data.root", "evaluation.translate_test"),
)
"""Options that add something beside the scores, or say where rows are; a result names translations itself."""


def settings(cell: Cell) -> dict[str, Any]:
    """The options of a cell that may change its scores and are not part of its name.

    Args:
        cell: The cell. Of several tasks of a phase the first one's recipe is taken, and of the others what they do not
            share with it, below ``recipe.<phase>.tasks.<task>``.

    Returns:
        Option, such as ``recipe.target.learning_rate``, -> value; nested groups are flat.
    """
    model = cell.model
    read = model.languages if model.architecture is not None else None  # of one from outside they change nothing
    groups: dict[str, Any] = {
        "recipe.intermediate": _recipes(cell.intermediate_tasks),
        "recipe.target": _recipes(cell.target.train[::-1]) if cell.target else {},
        "data": asdict(cell.data),
        "model": {"architecture": model.architecture, "pretraining": model.pretraining, "languages": read},
        "sampling": asdict(cell.sampling) if len(cell.intermediate_tasks) > 1 and not cell.merge else {},
        "merge": asdict(cell.merge) if cell.merge else {},
        "mlm": asdict(cell.mlm) if cell.intermediate_tasks and cell.mlm.weight else {},
        "translation": asdict(cell.translation) if cell.intermediate_tasks and cell.translation.source else {},
        "shots": asdict(cell.shots) if cell.shots else {},
        "callbacks": cell.changes(),
        "trainer": {"precision": cell.trainer.precision},
        "languages": cell.languages,
        "evaluation": cell.evaluation,
        **cell.options,
    }
    return {option: value for option, value in _flat("", groups) if option not in LEAVE_SCORES}


def _recipes(tasks: Sequence[TrainTask]) -> dict[str, Any]:
    """The recipe of the first task, and what the others have of their own."""
    if not tasks:
        return {}
    others = {task.name: task.recipe for task in tasks[1:]}
    own = {
        name: {field: value for field, value in asdict(recipe).items() if field not in OPTIMISER_FIELDS}
        for name, recipe in others.items()
    }
    return {**asdict(tasks[0].recipe), "tasks": own}


def _flat(above: str, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        option = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            found += _flat(option, value)
        else:
            found.append((option, list(value) if isinstance(value, tuple) else value))
    return found

"""What is known of an intermediate task for a target before the target is trained: likeness of texts, and LogME."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.manifest import removed
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Training
from stilts_xtreme.core.terminal import say

CellOf = Callable[[str | None], Cell]
"""The checked cell of an intermediate task; of None, the cell without one."""


def by_texts(cell_of: CellOf, tasks: Sequence[str]) -> list[str]:
    """Intermediate tasks in the order of the likeness of their texts to those of the target, the most alike first.

    The likeness is the cosine of two mean vectors that the pretrained encoder gives (TextEmb, see
    :func:`stilts_xtreme.training.likeness.mean_vector`). Tasks whose rows are not there are left out, and said.

    Args:
        cell_of: The cells of one target.
        tasks: The intermediate tasks.

    Raises:
        StiltsError: The target is not trained, so that it has no texts to compare, or its rows are not there.
    """
    from stilts_xtreme.training.likeness import mean_vector

    cell = cell_of(None)
    wanted = mean_vector(cell, _of_target(cell), Store(cell.output, cell.on_damage).open)
    found: dict[str, float] = {}
    for task in tasks:
        try:
            own = cell_of(task)
            vector = mean_vector(own, _intermediate(own), Store(own.output, own.on_damage).open)
        except StiltsError as error:
            say(f"{task} is left out of the likeness of texts: {error}")
            continue
        found[task] = float(vector @ wanted / (np.linalg.norm(vector) * np.linalg.norm(wanted)))
    return sorted(found, key=lambda task: -found[task])


def by_evidence(cell_of: CellOf, tasks: Sequence[str]) -> list[str]:
    """Intermediate tasks in the order of LogME, the best first: how well their encoders tell the target's labels apart.

    Only trainings that the store holds are looked at; the others are said.

    Args:
        cell_of: The cells of one target.
        tasks: The intermediate tasks.

    Raises:
        StiltsError: The target has no labels that mean the same in every row, or none of the trainings is there.
    """
    from stilts_xtreme.report.logme import logme
    from stilts_xtreme.training.likeness import labelled

    _of_target(cell_of(None))
    found: dict[str, float] = {}
    missing, output = [], ""
    for task in tasks:
        try:
            cell = cell_of(task)
            training, store = _intermediate(cell), Store(cell.output, cell.on_damage)
        except StiltsError as error:
            say(f"{task} is left out of LogME: {error}")
            continue
        output = cell.output
        if not store.done(training.key) or removed(store.path(training.key)):
            missing.append(task)
            continue
        given = labelled(cell, _of_target(cell), store.open)
        if given is None:
            assert cell.target is not None
            raise StiltsError(
                f"LogME needs a target with labels, and {cell.target.name} is of the format {cell.target.head}; leave "
                "out --logme."
            )
        if len(np.unique(given[1])) < 2:
            assert cell.target is not None
            raise StiltsError(
                f"LogME needs rows of at least two labels, and the training rows of {cell.target.name} that it looks "
                "at have fewer; take more rows, or leave out --logme."
            )
        found[task] = logme(*given)
    if not found:
        raise StiltsError(
            f"LogME looks at encoders after an intermediate training, and {output or 'the store'} holds none of them "
            "with these options; train them first, or leave out --logme."
        )
    if missing:
        say(f"LogME leaves out what {output} does not hold: {', '.join(missing)}")
    return sorted(found, key=lambda task: -found[task])


def _intermediate(cell: Cell) -> Training:
    return next(stage for stage in _trainings(cell) if stage.phase == "intermediate")


def _of_target(cell: Cell) -> Training:
    found = next((stage for stage in _trainings(cell) if stage.phase == "target"), None)
    if found is None:
        assert cell.target is not None
        raise StiltsError(
            f"{cell.target.name} is not trained, so it has no rows in the source language to compare with; leave out "
            "--texts and --logme."
        )
    return found


def _trainings(cell: Cell) -> list[Training]:
    return [stage for stage in plan(cell).final.chain() if isinstance(stage, Training)]

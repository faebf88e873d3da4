"""Runs of stages and cells to a logger: CSV, TensorBoard, MLflow, W&B, or one of the user's own.

The files of stages and cells are the truth; a logger mirrors them. What it is told, and under which names, is in
:mod:`stilts_xtreme.report.runs`. A logger that fails is said once, and stops nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.cell import lightning_run, mlflow_run, wandb_run, wandb_settings
from stilts_xtreme.core.checks import choice
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.terminal import say
from stilts_xtreme.core.text import without_password
from stilts_xtreme.report.runs import CELL, Keys, Run, group_of, point

KINDS = ("csv", "mlflow", "none", "tensorboard", "wandb")
LOCAL = ("csv", "tensorboard")
"""Kinds that write a folder of their own for each run."""


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The group ``logger`` of a logger that is no class of the user's.

    Raises:
        StiltsError: For an unknown kind, or an option that W&B would refuse.
    """
    choice("logger.kind", values.get("kind"), KINDS)
    return wandb_settings.checked_options(values)


@dataclass(frozen=True)
class Goal:
    """Where runs go.

    Attributes:
        settings: The checked group ``logger``.
        output: The output folder.
        group: What runs are grouped by.
    """

    settings: Mapping[str, Any]
    output: Path
    group: str

    @property
    def kind(self) -> str:
        """The kind of the logger; ``own`` for one of the user's."""
        return "own" if "_target_" in self.settings else str(self.settings["kind"])

    def folder(self, run: Run) -> Path:
        """The folder of a run: that of the cell, or one among the curves."""
        if run.gives is None:
            return self.output / "cells" / str(run.config["cell"])
        # the name ends with digits of the stage's key
        return self.output / "curves" / re.sub(r"[^\w.+-]+", "-", run.name, flags=re.ASCII).strip("-.")

    def curves(self, run: Run) -> Path:
        """Where a logger that writes files writes those of a run; in the folder of a cell there are others."""
        folder = self.folder(run)
        return folder / "curves" if run.gives is None else folder


def goal(cell: Cell, config: Mapping[str, Any], sweep: str, alone: str | None = None) -> Goal:
    """Where the runs of a cell and of its stages go.

    Args:
        cell: The cell.
        config: Its composed configuration, plain.
        sweep: The name of the sweep that it is part of; empty without one.
        alone: What it is grouped by where there is neither a sweep nor a study; None for its target's name.
    """
    study = (config.get("study") or {}).get("name")
    given = cell.logger.get("group") if "_target_" not in cell.logger else None
    own = alone or (cell.target.name if cell.target else None)
    return Goal(cell.logger, Path(cell.output), group_of(given, study, sweep or None, own))


def check(goals: Iterable[Goal]) -> None:
    """Refuses, before anything is trained, what a logger would refuse, and says where runs of W&B and MLflow are.

    Args:
        goals: Of each cell.

    Raises:
        StiltsError: A package is missing, or W&B refuses one of its own settings.
    """
    every = list(goals)
    distinct = list({str((found.settings, found.group)): found for found in every}.values())
    kinds = {found.kind for found in distinct}
    if "tensorboard" in kinds and importlib.util.find_spec("tensorboard") is None:
        raise StiltsError("logger=tensorboard needs the package tensorboard: pip install 'stilts-xtreme[tensorboard]'.")
    for found in distinct:
        if found.kind == "wandb":
            wandb_settings.check_settings(found.settings, sum(one.kind == "wandb" for one in every))
            wandb_settings.announce(found.settings, found.group, found.output, say)
        elif found.kind == "mlflow":
            mlflow_run.check(found.settings)
            say(f"MLflow: the runs are in {without_password(mlflow_run.uri_of(found.settings, found.output))}.")


class Tracker:
    """Sends one run, and never stops what it follows.

    Args:
        goal: Where the run goes.
        run: The run.
    """

    def __init__(self, goal: Goal, run: Run):
        self.goal, self.run = goal, run
        self.backend: Any = None
        self.keys = Keys()

    def begin(self) -> None:
        """Begins the run, or takes it up again.

        Raises:
            StiltsError: A logger of the user's own cannot be made.
        """
        goal, run = self.goal, self.run
        if goal.kind == "none":
            return
        if goal.kind == "wandb" and run.job_type != CELL and wandb_settings.one_run_only():
            return
        if goal.kind == "own":
            self.backend = lightning_run.own(goal.settings, goal.folder(run), run, goal.group)
            return
        with self._going_on():
            if goal.kind == "wandb":
                self.backend = wandb_run.WandbRun(goal.settings, goal.output, run, goal.group, say)
            elif goal.kind == "mlflow":
                self.backend = mlflow_run.MlflowRun(goal.settings, goal.output, run, goal.group)
            else:
                self.backend = lightning_run.local(goal.kind, goal.curves(run))

    def point(self, values: Mapping[str, Any]) -> None:
        """Sends a point of the stage's curve."""
        step, numbers = point(values, self.keys)
        with self._going_on():
            if self.backend is not None and numbers:
                self.backend.point(step, numbers)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Sends a table."""
        with self._going_on():
            if self.backend is not None:
                self.backend.table(name, columns, rows)

    def picture(self, path: Path) -> None:
        """Sends the picture of the matrix."""
        with self._going_on():
            if self.backend is not None:
                self.backend.picture(path)

    def end(self, run: Run | None, folder_of: Callable[[str], Path] | None = None) -> None:
        """Ends the run.

        Args:
            run: What is known of it in the end; None where what it follows has failed.
            folder_of: The folders of finished stages, for the lineage.
        """
        if self.backend is not None and run is not None and folder_of is not None:
            try:
                self.backend.lineage(run, folder_of)
            except Exception as error:  # the run has its curve and its scores without it
                self._say(f"the run {self.run.name} has no lineage", error)
        with self._going_on():
            if self.backend is not None:
                self.backend.end(run, run is None)
        self.backend = None

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        """Ends the run where its logger fails, and says so; whatever it follows goes on."""
        try:
            yield
        except Exception as error:  # whatever somebody else's package raises
            self.backend = None
            self._say(f"the run {self.run.name} is not followed any more", error)

    def _say(self, what: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {wandb_run.short(error)}"
        say(f"logger={self.goal.kind}: {what} ({reason}); nothing else is stopped by this.")

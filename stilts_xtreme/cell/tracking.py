"""Training curves and results to a logger: CSV, TensorBoard or W&B. The cell's files are the truth; loggers mirror."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.cell import wandb_run
from stilts_xtreme.core.checks import choice
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.instantiate import instantiate
from stilts_xtreme.core.terminal import say
from stilts_xtreme.core.text import csv_text

KINDS = ("csv", "none", "tensorboard", "wandb")


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The group ``logger`` of a logger that is no class of the user's.

    Raises:
        StiltsError: For an unknown kind, or an option that W&B would refuse.
    """
    choice("logger.kind", values.get("kind"), KINDS)
    return wandb_run.checked_options(values)


def check(loggers: Iterable[Mapping[str, Any]]) -> None:
    """Refuses, before anything is trained, what a logger would refuse when a cell begins.

    Args:
        loggers: The group ``logger`` of each cell.

    Raises:
        StiltsError: A package is missing, or W&B refuses one of its own settings.
    """
    found = list(loggers)
    kinds = {settings.get("kind") for settings in found if "_target_" not in settings}
    if "tensorboard" in kinds and importlib.util.find_spec("tensorboard") is None:
        raise StiltsError("logger=tensorboard needs the package tensorboard: pip install 'stilts-xtreme[tensorboard]'.")
    own = [settings for settings in found if settings.get("kind") == "wandb" and "_target_" not in settings]
    for settings in {str(settings): settings for settings in own}.values():
        wandb_run.check_settings(settings, len(own))
        if len(own) > 1:
            wandb_run.announce(settings, say)


class Tracker:
    """Sends one cell's curves and results; as a context manager it always finishes, also when the cell fails.

    Args:
        settings: The ``logger`` group.
        folder: The cell's folder.
        name: The cell's name.
        group: What cells are compared by (the target).
        job_type: ``baseline``, ``intermediate`` or ``cell``.
        tags: Words to find the run by.
        config: The composed configuration, plain.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        folder: Path,
        name: str,
        group: str,
        job_type: str,
        tags: list[str],
        config: Mapping[str, Any],
    ):
        self.kind = "own" if "_target_" in settings else settings["kind"]
        self.run: Any = None
        self.logger: Any = None
        self.logged: dict[str, int] = {}
        if self.kind == "own":
            from pytorch_lightning.loggers import Logger

            self.logger = instantiate("logger", _placed(settings, folder), Logger)
        elif self.kind == "wandb":
            self.run = wandb_run.start(settings, folder, name, group, job_type, tags, config, say)
        elif self.kind == "csv":
            from pytorch_lightning.loggers import CSVLogger

            _clear(folder / "curves")
            self.logger = CSVLogger(folder, name="", version="curves")
        elif self.kind == "tensorboard":
            from pytorch_lightning.loggers import TensorBoardLogger

            self.logger = TensorBoardLogger(folder, name="", version="curves")
            _clear(folder / "curves")

    def point(self, stage: str, values: Mapping[str, Any]) -> None:
        """Logs one point of a stage's training curve."""
        step = int(values["step"])
        if self.kind == "csv":
            stage = str(csv_text(stage))
        elif self.kind == "wandb":
            stage = stage.replace("*", "_")  # which would be a pattern
        metrics = {f"{stage}/{name}": value for name, value in values.items() if name not in ("step", "task")}
        if self.run is not None:
            if stage not in self.logged:
                # a run that is taken up again has the curve as far as its last point says
                last = self.run.summary.get(f"{stage}/step") if self.run.resumed else None
                self.logged[stage] = -1 if last is None else int(last)
                self.run.define_metric(f"{stage}/step")
                self.run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
            if step > self.logged[stage]:
                self.run.log({**metrics, f"{stage}/step": step})
        elif self.logger is not None:
            self.logger.log_metrics(metrics, step)

    def result(self, rows: list[dict[str, Any]], summary: Mapping[str, Any]) -> None:
        """Logs the cell's scores: a table of tidy rows and the averages."""
        if self.run is not None:
            import wandb

            if rows:
                columns: list[str | int] = list(rows[0])
                self.run.log({"results": wandb.Table(columns=columns, data=[list(row.values()) for row in rows])})
            self.run.summary.update(dict(summary))
        elif self.logger is not None:
            numbers = {name: value for name, value in summary.items() if isinstance(value, int | float)}
            if numbers:
                self.logger.log_metrics(numbers, 0)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self.run is not None:
            wandb_run.finish(self.run, kind is not None, say)
        if self.logger is not None:
            self.logger.finalize("success" if kind is None else "failed")


def _placed(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The options of a logger that is named by its class: ``{cell}`` in a text is the cell's folder."""
    return {
        name: value.replace("{cell}", str(folder)) if isinstance(value, str) else value
        for name, value in settings.items()
        if name != "kind"
    }


def _clear(folder: Path) -> None:
    """Curves are written anew from the stages' own files each time."""
    for pattern in ("*.csv", "events.out.tfevents.*"):
        for file in folder.glob(pattern):
            file.unlink()

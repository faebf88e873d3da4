"""A run of a logger of Lightning's kind: CSV, TensorBoard, or one of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.instantiate import instantiate
from stilts_xtreme.report.runs import AXES, Run

FILES = {"csv": "*.csv", "tensorboard": "events.out.tfevents.*"}
"""Kind -> the files that it writes."""
FLUSH_SECONDS = 5


class LightningRun:
    """A run.

    Args:
        logger: The logger.
    """

    def __init__(self, logger: Any):
        self.logger = logger

    def point(self, step: int, values: Mapping[str, float]) -> None:
        """Logs numbers of a step."""
        self.logger.log_metrics(dict(values), step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Such loggers know no tables."""

    def picture(self, path: Path) -> None:
        """Such loggers know no pictures."""

    def lineage(self, run: Run, folder_of: Callable[[str], Path]) -> None:
        """Such loggers know no lineage; the configuration of a run names its parent."""

    def end(self, run: Run | None, failed: bool) -> None:
        """Logs the numbers of the end, and ends the run."""
        if run is not None and run.summary:
            self.logger.log_metrics(run.summary, int(run.summary.get("steps", 0)))
        self.logger.finalize("failed" if failed else "success")


def local(kind: str, folder: Path) -> LightningRun:
    """A run of CSV or TensorBoard in a folder of its own; what an earlier attempt left there gives way.

    Args:
        kind: ``csv`` or ``tensorboard``.
        folder: The folder.
    """
    from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

    for file in folder.glob(FILES[kind]):
        file.unlink()
    place: dict[str, Any] = {"name": "", "version": folder.name}
    if kind == "csv":
        return LightningRun(CSVLogger(folder.parent, **place, flush_logs_every_n_steps=1))
    return LightningRun(TensorBoardLogger(folder.parent, **place, default_hp_metric=False, flush_secs=FLUSH_SECONDS))


def is_there(kind: str, folder: Path) -> bool:
    """Whether a run of CSV or TensorBoard is there already."""
    return any(folder.glob(FILES[kind]))


def own(settings: Mapping[str, Any], folder: Path, run: Run, group: str) -> LightningRun:
    """A run of a logger that is named by its class.

    Args:
        settings: ``_target_`` and its options. In a text ``{run}`` is the folder of the run, ``{cell}`` the same,
            ``{name}`` its name and ``{group}`` its group.
        folder: The folder.
        run: The run.
        group: What runs are grouped by.

    Raises:
        StiltsError: It cannot be made.
    """
    from pytorch_lightning.loggers import Logger

    words = {"{run}": str(folder), "{cell}": str(folder), "{name}": run.name, "{group}": group}
    placed = {}
    for option, value in settings.items():
        if isinstance(value, str):
            for word, stands_for in words.items():
                value = value.replace(word, stands_for)
        if option != "kind":
            placed[option] = value
    logger = instantiate("logger", placed, Logger)
    logger.log_hyperparams({name: run.config.get(name) for name in ("kind", "label", "phase", *AXES)})
    return LightningRun(logger)

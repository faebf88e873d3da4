"""Training curves and results to a logger: CSV, TensorBoard or W&B. The cell's files are the truth; loggers mirror."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.instantiate import instantiate
from stilts_xtreme.core.text import csv_text

KINDS = ("csv", "none", "tensorboard", "wandb")


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
        if self.kind != "own" and self.kind not in KINDS:
            raise unknown("logger.kind", self.kind, KINDS)
        self.run: Any = None
        self.logger: Any = None
        self.defined: set[str] = set()
        if self.kind == "own":
            from pytorch_lightning.loggers import Logger

            self.logger = instantiate("logger", _placed(settings, folder), Logger)
        elif self.kind == "wandb":
            self.run = _wandb_run(settings, folder, name, group, job_type, tags, config)
        elif self.kind == "csv":
            from pytorch_lightning.loggers import CSVLogger

            _clear(folder / "curves")
            self.logger = CSVLogger(folder, name="", version="curves")
        elif self.kind == "tensorboard":
            from pytorch_lightning.loggers import TensorBoardLogger

            try:
                self.logger = TensorBoardLogger(folder, name="", version="curves")
                _clear(folder / "curves")
            except ModuleNotFoundError as error:
                raise StiltsError(
                    "logger=tensorboard needs the package tensorboard: pip install 'stilts-xtreme[tensorboard]'."
                ) from error

    def point(self, stage: str, values: Mapping[str, Any]) -> None:
        """Logs one point of a stage's training curve."""
        step = int(values["step"])
        if self.kind == "csv":
            stage = str(csv_text(stage))
        elif self.kind == "wandb":
            stage = stage.replace("*", "_")  # which would be a pattern
        metrics = {f"{stage}/{name}": value for name, value in values.items() if name not in ("step", "task")}
        if self.run is not None:
            if stage not in self.defined:
                self.defined.add(stage)
                self.run.define_metric(f"{stage}/step")
                self.run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
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
            self.run.finish(exit_code=0 if kind is None else 1)
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


def logged_in() -> bool:
    """Whether W&B credentials are at hand: an environment variable, or an entry for the host in the user's netrc."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = os.environ.get("NETRC") or next(
        (str(p) for p in (Path.home() / ".netrc", Path.home() / "_netrc") if p.exists()), None
    )
    try:
        return path is not None and netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _wandb_run(
    settings: Mapping[str, Any],
    folder: Path,
    name: str,
    group: str,
    job_type: str,
    tags: list[str],
    config: Mapping[str, Any],
) -> Any:
    import wandb

    mode = settings.get("mode", "auto")
    if mode not in ("auto", "online", "offline"):
        raise unknown("logger.mode", mode, ("auto", "online", "offline"))
    if mode == "auto":
        mode = "online" if logged_in() else "offline"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return wandb.init(
            project=settings.get("project") or "stilts_xtreme",
            entity=settings.get("entity"),
            dir=str(folder),
            mode=mode,
            name=name,
            group=group,
            job_type=job_type,
            tags=sorted({*tags, *(settings.get("tags") or [])}),
            config=dict(config),
            # one run per cell, whatever else this process has logged or will log
            reinit="finish_previous",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )
    except wandb.errors.Error as error:
        text = " ".join(str(error).split())
        raise StiltsError(
            f"logger.mode={mode}: W&B refuses ({text[:200]}); logger.mode=offline needs no login."
        ) from error

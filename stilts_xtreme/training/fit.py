"""Lightning around a StageModule: the stream of steps, and a fit that goes on from the last checkpoint."""

from __future__ import annotations

import json
import logging
import math
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.loggers.logger import DummyLogger, Logger
from pytorch_lightning.plugins.environments import LightningEnvironment

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.mixing import Sampling
from stilts_xtreme.core.preemption import NOTICE
from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.models.batch import Features, order
from stilts_xtreme.tasks.module import StageModule, Step
from stilts_xtreme.training import checkpoints
from stilts_xtreme.training.callbacks import CURVE_POINTS, Checkpoint, Guard

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # a profiler's report is an ordinary message
warnings.filterwarnings("ignore", module="pytorch_lightning.*")
warnings.filterwarnings("ignore", message="The `srun` command is available")


@dataclass(frozen=True)
class Course:
    """One head's share of a training: its features, its batch size, and its number of steps."""

    task: str
    features: Features
    batch_size: int
    steps: int


def steps_of(units: int, batch_size: int, epochs: float, max_steps: int | None) -> int:
    """Optimiser steps for ``units`` examples: whole batches per epoch, the last one smaller; at least one.

    ``max_steps`` is where training ends at the latest.
    """
    steps = max(1, round(math.ceil(units / batch_size) * epochs))
    return steps if max_steps is None else min(steps, max_steps)


def share_steps(courses: Sequence[Course], sampling: Sampling) -> list[Course]:
    """Shares the steps of a joint training among its heads.

    Proportional leaves every head the steps of its own epochs (with a cap: of as many examples as the cap at the most),
    so that each example comes as often as its task's recipe says. Temperature (jiant's ``TemperatureMultiTaskSampler``)
    takes the same number of steps in all and gives every head a share proportional to its own steps to the power of
    1/temperature; uniform gives all the same.

    Args:
        courses: The heads with their own numbers of steps.
        sampling: How to share.

    Returns:
        The heads with at least one step each; the shares are exact up to whole numbers (largest remainders first).
    """
    sizes = np.array([course.steps for course in courses], np.float64)
    if sampling.cap is not None:
        sizes *= [min(1.0, sampling.cap / len(course.features)) for course in courses]
    total = max(len(courses), round(float(sizes.sum())))
    power = {"proportional": 1.0, "temperature": 1.0 / sampling.temperature, "uniform": 0.0}[sampling.kind]
    shares = sizes**power
    exact = total * shares / shares.sum()
    steps = np.floor(exact).astype(int)
    remainders = np.argsort(-(exact - steps), kind="stable")
    steps[remainders[: total - int(steps.sum())]] += 1
    return [replace(course, steps=max(1, int(count))) for course, count in zip(courses, steps, strict=True)]


class StepStream:
    """The steps of a training as a loader that Lightning can resume in the middle.

    Which units a step holds is a function of (seed, step): each head's units are permuted anew every epoch, and
    the heads of a joint training take turns in a random order that holds each exactly its number of steps (sampling
    without replacement; :func:`share_steps` says how many each has).
    """

    def __init__(self, courses: list[Course], seed: int):
        self.courses = courses
        self.seed = seed
        self.next = 0
        turns = np.repeat(np.arange(len(courses)), [course.steps for course in courses])
        self.turns = turns[order(seed, "turns", 0, len(turns))] if len(courses) > 1 else turns
        self.rank = np.zeros(len(turns), np.int64)  # how many steps of the same head came before
        for position in range(len(courses)):
            mine = self.turns == position
            self.rank[mine] = np.arange(int(mine.sum()))
        self._order = lru_cache(maxsize=2 * len(courses))(self._draw)

    def _draw(self, position: int, epoch: int) -> np.ndarray:
        course = self.courses[position]
        return order(self.seed, course.task, epoch, len(course.features))

    def __len__(self) -> int:
        return len(self.turns)

    def step(self, index: int) -> Step:
        """The units of step ``index``."""
        position = int(self.turns[index])
        course = self.courses[position]
        epoch, batch = divmod(int(self.rank[index]), math.ceil(len(course.features) / course.batch_size))
        drawn = self._order(position, epoch)[batch * course.batch_size : (batch + 1) * course.batch_size]
        return Step(course.task, course.features, drawn, index)

    def tokens(self, steps: int) -> int:
        """Sub-tokens that the first steps read, special ones too and without padding; a unit counts each time."""
        found = (self.step(index) for index in range(steps))
        return sum(int(step.features.unit_tokens[step.units].sum()) for step in found)

    def __iter__(self) -> Iterator[Step]:
        while self.next < len(self):
            self.next += 1
            yield self.step(self.next - 1)

    def state_dict(self) -> dict[str, int]:
        """Where the stream is."""
        return {"next": self.next}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes on from where a stream was."""
        self.next = int(state["next"])


class PointLogger(DummyLogger):
    """Hands what callbacks log to the points of a curve's logger."""

    def __init__(self, on_point: Callable[[dict[str, Any]], None]):
        super().__init__()
        self.on_point = on_point

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """A point of the step that was just done."""
        values = {name: float(value) for name, value in metrics.items() if name != "epoch"}
        if values:
            self.on_point({"step": (step or 0) + 1, **values})


def make_trainer(
    spec: TrainerSpec, callbacks: list[pl.Callback], folder: Path, logger: Logger | None = None, every: int = 50
) -> pl.Trainer:
    """A Lightning trainer for one stage on one device, with nothing of its own written anywhere.

    Args:
        spec: The machine.
        callbacks: All callbacks.
        folder: Where Lightning would write.
        logger: Told what callbacks log.
        every: Steps between two points of the logger, unless ``spec.extra`` has its own ``log_every_n_steps``.

    Raises:
        StiltsError: When torch cannot use the device that was asked for.
    """
    if spec.accelerator == "gpu" and not torch.cuda.is_available():
        raise StiltsError(
            f"trainer.accelerator=gpu, but torch {torch.__version__} finds no CUDA device it can use; take "
            "trainer=cpu, or install a torch build for this GPU."
        )
    if spec.threads:
        torch.set_num_threads(spec.threads)
    bars = any(isinstance(callback, ProgressBar) for callback in callbacks)
    quiet: dict[str, Any] = {"enable_progress_bar": bars, "enable_model_summary": False, "log_every_n_steps": every}
    return pl.Trainer(
        **{**quiet, **(spec.extra or {})},
        accelerator=spec.accelerator,
        devices=1,
        precision=spec.precision,  # type: ignore[arg-type]
        max_epochs=1,
        logger=logger or False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
        callbacks=callbacks,
        default_root_dir=folder,
        # one process on one device, also inside a SLURM or torchrun job that Lightning would otherwise join
        plugins=[LightningEnvironment()],
    )


def fit(
    module: StageModule,
    stream: StepStream,
    spec: TrainerSpec,
    callbacks: list[pl.Callback],
    folder: Path,
    added: Sequence[pl.Callback] = (),
) -> pl.Trainer:
    """Trains to the end of the stream, from the last checkpoint in ``folder`` if there is one.

    Args:
        module: The module, with its ``optimisation`` set.
        stream: The steps.
        spec: The machine.
        callbacks: A :class:`Guard` and others; a :class:`Checkpoint` is added, last.
        folder: Where the checkpoint is.
        added: The user's own callbacks. With them the loss of every step is logged, and what they log becomes points
            of the curve's logger.

    Returns:
        The trainer.

    Raises:
        DamagedCheckpoint: When checkpoints are there and none is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = checkpoints.usable(folder)
    guard = next(callback for callback in callbacks if isinstance(callback, Guard))
    logger = PointLogger(guard.on_point) if added else None
    checkpoint = Checkpoint(folder, spec.checkpoint_seconds, guard)
    trainer = make_trainer(spec, [*callbacks, *added, checkpoint], folder, logger, max(1, len(stream) // CURVE_POINTS))
    module.train()
    module.strict_loading = True
    module.logs_loss = bool(added)  # the guard follows the loss, and reads it from the device now and then only
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        with NOTICE.after_the_step():
            trainer.fit(module, stream, ckpt_path=str(start) if start else None, weights_only=True)
    except SystemExit as error:
        # On Ctrl-C Lightning exits with code 1 and leaves the signal ignored; the checkpoint stays.
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from error
    return trainer


def write_curve(folder: Path, curve: list[dict[str, Any]]) -> None:
    """Writes a training curve as ``curve.jsonl``, one point a line."""
    lines = "".join(json.dumps(point, ensure_ascii=False) + "\n" for point in curve)
    (folder / "curve.jsonl").write_text(lines, encoding="utf-8")

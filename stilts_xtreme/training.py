"""Lightning around a StageModule: the stream of steps, exact resume, selection on dev rows, a guard against NaN."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from safetensors.torch import load_file, save_file

from stilts_xtreme.batch import Features, order
from stilts_xtreme.config import TrainerSpec
from stilts_xtreme.errors import StiltsError
from stilts_xtreme.heads.base import StageModule, Step
from stilts_xtreme.progress import Phase

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning.*")

CURVE_POINTS = 200
"""About as many points as a training curve has."""


@dataclass(frozen=True)
class Course:
    """One head's share of a training: its features, its batch size, and its number of steps."""

    task: str
    features: Features
    batch_size: int
    steps: int


def steps_of(units: int, batch_size: int, epochs: float, max_steps: int | None) -> int:
    """Optimiser steps for ``units`` examples: whole batches per epoch, the last one smaller; at least one."""
    if max_steps is not None:
        return max_steps
    return max(1, round(math.ceil(units / batch_size) * epochs))


class StepStream:
    """The steps of a training as a loader that Lightning can resume in the middle.

    Which units a step holds is a function of (seed, step): each head's units are permuted anew every epoch, and
    the heads of a joint training take turns in a random order that holds each exactly its number of steps (proportional
    sampling without replacement).
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


class Guard(pl.Callback):
    """Follows the loss: a curve, a word on the bar, and a stop when it is no longer a number.

    The check is read from the device only at curve points and before a checkpoint, so that a step never waits for it.
    """

    def __init__(self, bar: Phase, label: str, on_point: Callable[[dict[str, Any]], None]):
        self.bar, self.label, self.on_point = bar, label, on_point
        self.curve: list[dict[str, Any]] = []
        self.sum: torch.Tensor | float = 0.0
        self.count = 0

    def check(self, step: int) -> float:
        """The mean loss since the last point of the curve.

        Raises:
            StiltsError: When a loss since then was not finite.
        """
        mean = float(self.sum) / max(1, self.count)
        if not math.isfinite(mean):
            raise StiltsError(
                f"The loss of {self.label} is {mean} at step {step}: training stopped, the last good checkpoint is "
                "kept; a lower recipe.*.learning_rate or trainer.precision=32-true usually helps."
            )
        return mean

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Step, index: int) -> None:
        """Adds the loss; every so often a point of the curve."""
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        self.sum = self.sum + loss
        self.count += 1
        self.bar.advance()
        every = max(1, module.optimisation.steps // CURVE_POINTS)
        if (batch.index + 1) % every == 0 or batch.index + 1 == module.optimisation.steps:
            mean = self.check(batch.index + 1)
            self.sum, self.count = 0.0, 0
            rate = module.lr_schedulers().get_last_lr()[0]
            self.point({"step": batch.index + 1, "loss": mean, "learning_rate": rate, "task": batch.task})
            self.bar.advance(0, f"loss {mean:.3f}")

    def point(self, values: dict[str, Any]) -> None:
        """Adds a point to the curve."""
        self.curve.append(values)
        self.on_point(values)

    def state_dict(self) -> dict[str, Any]:
        """The curve so far, as text so that a checkpoint stays plain."""
        return {"curve": json.dumps(self.curve), "sum": float(self.sum), "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with a curve."""
        self.curve = json.loads(state_dict["curve"])
        self.sum, self.count = state_dict["sum"], state_dict["count"]
        self.bar.advance(max((point["step"] for point in self.curve if "loss" in point), default=0) + self.count)
        for point in self.curve:  # a logger has seen nothing of what was before the kill
            self.on_point(point)


class Select(pl.Callback):
    """Scores dev rows now and then, keeps the best weights, and ends a training that has stopped improving."""

    def __init__(
        self, guard: Guard, folder: Path, score: Callable[[], dict[str, float]], every: int, patience: int | None
    ):
        self.guard, self.folder, self.score = guard, folder, score
        self.every, self.patience = every, patience
        self.best = -math.inf
        self.best_step = 0
        self.stale = 0

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Step, index: int) -> None:
        """Scores at every ``every``-th and at the last step."""
        done = batch.index + 1
        if done % self.every and done != module.optimisation.steps:
            return
        scores = self.score()
        mean = sum(scores.values()) / len(scores)
        self.guard.point({"step": done, "dev": mean, **{f"dev_{name}": value for name, value in scores.items()}})
        if mean > self.best:
            self.best, self.best_step, self.stale = mean, done, 0
            scratch = self.folder / "best.tmp"
            weights = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
            save_file(_unshared(weights), scratch)
            os.replace(scratch, self.folder / "best.safetensors")
        else:
            self.stale += 1
            if self.patience is not None and self.stale >= self.patience:
                trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The best score so far."""
        return {"best": self.best, "best_step": self.best_step, "stale": self.stale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the best score."""
        self.best, self.best_step, self.stale = state_dict["best"], state_dict["best_step"], state_dict["stale"]

    def load_best(self, module: StageModule) -> None:
        """Puts the best weights back."""
        module.load_state_dict(load_file(self.folder / "best.safetensors"), strict=False)


def _unshared(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each tensor once: safetensors refuses two names for one memory, and loading sets both by either."""
    seen: set[int] = set()
    kept = {}
    for name, value in weights.items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            kept[name] = value
    return kept


class Checkpoint(pl.Callback):
    """Writes everything that a killed run needs, whole or not at all, every few seconds."""

    def __init__(self, path: Path, seconds: float, guard: Guard):
        self.path, self.seconds, self.guard = path, seconds, guard
        self.last = time.monotonic()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Step, index: int) -> None:
        """Writes when it is time, and only after the losses since the last look were numbers.

        Never after the last step, be it the last by patience: a run continued from there would take another one.
        """
        if trainer.should_stop or batch.index + 1 == module.optimisation.steps:
            return
        if time.monotonic() - self.last < self.seconds:
            return
        self.guard.check(batch.index + 1)
        trainer.save_checkpoint(self.path.with_suffix(".tmp"))
        os.replace(self.path.with_suffix(".tmp"), self.path)
        self.last = time.monotonic()


def device_of(spec: TrainerSpec) -> str:
    """The torch device of a trainer."""
    return "cuda" if spec.accelerator == "gpu" else "cpu"


def make_trainer(spec: TrainerSpec, callbacks: list[pl.Callback], folder: Path) -> pl.Trainer:
    """A Lightning trainer for one stage on one device, with nothing of its own written anywhere.

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
    return pl.Trainer(
        accelerator=spec.accelerator,
        devices=1,
        precision=spec.precision,  # type: ignore[arg-type]
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
        callbacks=callbacks,
        default_root_dir=folder,
        # one process on one device, also inside a SLURM or torchrun job that Lightning would otherwise join
        plugins=[LightningEnvironment()],
    )


def fit(
    module: StageModule, stream: StepStream, spec: TrainerSpec, callbacks: list[pl.Callback], folder: Path
) -> pl.Trainer:
    """Trains to the end of the stream, from the last checkpoint in ``folder`` if there is one.

    Args:
        module: The module, with its ``optimisation`` set.
        stream: The steps.
        spec: The machine.
        callbacks: A :class:`Guard` and others; a :class:`Checkpoint` is added, last.
        folder: Where the checkpoint is.

    Returns:
        The trainer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "last.ckpt"
    guard = next(callback for callback in callbacks if isinstance(callback, Guard))
    trainer = make_trainer(spec, [*callbacks, Checkpoint(last, spec.checkpoint_seconds, guard)], folder)
    module.train()
    module.strict_loading = True
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, stream, ckpt_path=str(last) if last.exists() else None, weights_only=True)
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


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """The training curve of a finished stage; empty for an evaluation."""
    path = folder / "curve.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

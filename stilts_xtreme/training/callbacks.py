"""Callbacks of a training: a guard against NaN that keeps the curve, selection on dev rows, checkpoints."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import digest
from stilts_xtreme.core.preemption import NOTICE
from stilts_xtreme.core.progress import Phase
from stilts_xtreme.tasks.joint import JointModule
from stilts_xtreme.tasks.module import StageModule, Step
from stilts_xtreme.training import checkpoints
from stilts_xtreme.training.checkpoints import DamagedCheckpoint

CURVE_POINTS = 200
"""About as many points as a training curve has."""


class Guard(pl.Callback):
    """Follows the loss: a curve, a word on the bar, and a stop when it is no longer a number.

    The check is read from the device only at curve points and before a checkpoint, so that a step never waits for it.
    """

    def __init__(self, bar: Phase, label: str, on_point: Callable[[dict[str, Any]], None]):
        self.bar, self.label, self.on_point = bar, label, on_point
        self.curve: list[dict[str, Any]] = []
        self.sums: dict[str, torch.Tensor | float] = {}
        self.counts: dict[str, int] = {}

    def check(self, step: int) -> float:
        """The mean loss since the last point of the curve.

        Raises:
            StiltsError: When a loss since then was not finite.
        """
        mean = sum(float(value) for value in self.sums.values()) / max(1, sum(self.counts.values()))
        if not math.isfinite(mean):
            raise StiltsError(
                f"The loss of {self.label} is {mean} at step {step}: training stopped, the last good checkpoint is "
                "kept; a lower recipe.*.learning_rate or trainer.precision=32-true usually helps."
            )
        return mean

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Step, index: int) -> None:
        """Adds the loss; every so often a point of the curve."""
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        self.sums[batch.task] = self.sums.get(batch.task, 0.0) + loss
        self.counts[batch.task] = self.counts.get(batch.task, 0) + 1
        self.bar.advance(tokens=int(batch.features.unit_tokens[batch.units].sum()))
        every = max(1, module.steps // CURVE_POINTS)
        if (batch.index + 1) % every == 0 or batch.index + 1 == module.steps:
            mean = self.check(batch.index + 1)
            rate = module.schedules()[0].get_last_lr()[0]
            point = {"step": batch.index + 1, "loss": mean, "learning_rate": rate, "task": batch.task}
            if isinstance(module, JointModule):
                point |= {f"loss_{task}": float(self.sums[task]) / self.counts[task] for task in sorted(self.sums)}
            self.sums, self.counts = {}, {}
            self.point(point)
            self.bar.advance(0, f"loss {mean:.3f}")

    def point(self, values: dict[str, Any]) -> None:
        """Adds a point to the curve."""
        self.curve.append(values)
        self.on_point(values)

    def state_dict(self) -> dict[str, Any]:
        """The curve so far, as text so that a checkpoint stays plain."""
        sums = {task: float(value) for task, value in self.sums.items()}
        return {"curve": json.dumps(self.curve), "sums": json.dumps(sums), "counts": json.dumps(self.counts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with a curve."""
        self.curve = json.loads(state_dict["curve"])
        self.sums, self.counts = (json.loads(state_dict.get(name, "{}")) for name in ("sums", "counts"))
        done = max((point["step"] for point in self.curve if "loss" in point), default=0)
        self.bar.resume(done + sum(self.counts.values()))
        for point in self.curve:  # a logger has seen nothing of what was before the kill
            self.on_point(point)


class AtPoints(pl.Callback):
    """Scores dev rows now and then, and does something with every such point."""

    def __init__(self, guard: Guard, folder: Path, score: Callable[[], dict[str, float]], every: int):
        self.guard, self.folder, self.score, self.every = guard, folder, score, every

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Step, index: int) -> None:
        """Scores at every ``every``-th and at the last step."""
        done = batch.index + 1
        if done % self.every and done != module.steps:
            return
        scores = self.score()
        mean = sum(scores.values()) / len(scores)
        self.guard.point({"step": done, "dev": mean, **{f"dev_{name}": value for name, value in scores.items()}})
        self.at(done, mean, trainer, module)

    def at(self, step: int, mean: float, trainer: Any, module: StageModule) -> None:
        """What is done at a point.

        Args:
            step: The steps so far.
            mean: The mean score on dev rows.
            trainer: Lightning's trainer.
            module: The module that is trained.
        """
        raise NotImplementedError


class Select(AtPoints):
    """Keeps the weights with the best score on dev rows, and ends a training that has stopped improving."""

    def __init__(
        self, guard: Guard, folder: Path, score: Callable[[], dict[str, float]], every: int, patience: int | None
    ):
        super().__init__(guard, folder, score, every)
        self.patience = patience
        self.best = -math.inf
        self.best_step = 0
        self.stale = 0
        self.digest: str | None = None

    @property
    def path(self) -> Path:
        """The file of the best weights so far."""
        return self.folder / "best.safetensors"

    def at(self, step: int, mean: float, trainer: Any, module: StageModule) -> None:
        """Keeps the weights if they are better than all before."""
        if mean > self.best:
            self.best, self.best_step, self.stale = mean, step, 0
            self.digest = keep(module, self.path)
        else:
            self.stale += 1
            if self.patience is not None and self.stale >= self.patience:
                trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The best score so far."""
        return {"best": self.best, "best_step": self.best_step, "stale": self.stale, "digest": self.digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the best score."""
        self.best, self.best_step, self.stale = state_dict["best"], state_dict["best_step"], state_dict["stale"]
        self.digest = state_dict.get("digest")  # an earlier version wrote none

    def load_best(self, module: StageModule) -> None:
        """Puts the best weights back.

        Raises:
            DamagedCheckpoint: When their file is not as it was written.
        """
        try:
            if self.digest is not None and digest(self.path) != self.digest:
                raise DamagedCheckpoint(self.path, "its content has changed")
            module.load_state_dict(load_file(self.path), strict=False)
        except (OSError, SafetensorError) as error:
            raise DamagedCheckpoint(self.path, str(error)) from error


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a module, each tensor once.

    safetensors refuses two names for one memory, and loading sets both by either.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    seen: set[int] = set()
    kept = {}
    for name, value in weights.items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            kept[name] = value
    return kept


def keep(module: torch.nn.Module, path: Path) -> str:
    """Writes the weights of a module into a file, whole or not at all, and gives the digest of the file."""
    scratch = path.with_suffix(".tmp")
    save_file(weights_of(module), scratch)
    found = digest(scratch)
    os.replace(scratch, path)
    return found


class Checkpoint(pl.Callback):
    """Writes everything that a killed run needs, whole or not at all, every few seconds and when notice is given."""

    def __init__(self, folder: Path, seconds: float, guard: Guard):
        self.folder, self.seconds, self.guard = folder, seconds, guard
        self.last = time.monotonic()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Step, index: int) -> None:
        """Writes when it is time, and only after the losses since the last look were numbers.

        Never after the last step, be it the last by patience: a run continued from there would take another one.
        """
        if trainer.should_stop or batch.index + 1 == module.steps:
            return
        if time.monotonic() - self.last < self.seconds and not NOTICE.given:
            return
        self.guard.check(batch.index + 1)
        checkpoints.write(self.folder, trainer.save_checkpoint)
        self.last = time.monotonic()
        if NOTICE.given:
            NOTICE.heed()

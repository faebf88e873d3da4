"""The weights of the evaluation points of a training, and the rules that choose among them.

A training that several rules share keeps its trained weights at every evaluation point. What was not trained, such as
the rows of the embedding that never occur, is in the encoder that it started from.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from stilts_xtreme.core.files import digest, write_atomic
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Selected, Training
from stilts_xtreme.models import sparse_embedding
from stilts_xtreme.tasks.checkpoint import lineage, save
from stilts_xtreme.tasks.module import StageModule
from stilts_xtreme.training import mlm
from stilts_xtreme.training.about import about
from stilts_xtreme.training.callbacks import AtPoints, Guard, keep
from stilts_xtreme.training.checkpoints import DamagedCheckpoint
from stilts_xtreme.training.dev import Dev, tell
from stilts_xtreme.training.parents import FolderOf
from stilts_xtreme.training.setup import Parts, build

FOLDER = "points"
LIST = "points.json"
ROWS = "rows.safetensors"


class KeepPoints(AtPoints):
    """Keeps the trained weights of every evaluation point."""

    def __init__(self, guard: Guard, folder: Path, score: Callable[[], dict[str, float]], every: int):
        super().__init__(guard, folder / FOLDER, score, every)
        self.points: list[dict[str, Any]] = []

    def at(self, step: int, mean: float, trainer: Any, module: StageModule) -> None:
        """Keeps the weights."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sha256 = keep(module, self.folder / f"{step}.safetensors")
        self.points.append({"step": step, "dev": mean, "sha256": sha256})

    def state_dict(self) -> dict[str, Any]:
        """The points so far, as text so that a checkpoint stays plain."""
        return {"points": json.dumps(self.points)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the points so far."""
        self.points = json.loads(state_dict["points"])

    def leave(self, stage: Path, rows: torch.Tensor | None, came_to: Mapping[str, Any]) -> None:
        """Moves the points into a stage's folder.

        Args:
            stage: The folder.
            rows: The rows of the embedding that were trained; None for all.
            came_to: What whoever chooses weights has to know of the training besides; as JSON.

        Raises:
            DamagedCheckpoint: When the file of a point is not as it was written.
        """
        for point in self.points:
            file = self.folder / f"{point['step']}.safetensors"
            if not file.is_file() or digest(file) != point["sha256"]:
                raise DamagedCheckpoint(file, "its content has changed" if file.is_file() else "it is missing")
        shutil.copytree(self.folder, stage / FOLDER, copy_function=_link)
        points = [{name: point[name] for name in ("step", "dev")} for point in self.points]
        write_atomic(stage / FOLDER / LIST, json.dumps({**came_to, "points": points}))
        if rows is not None:
            save_file({"rows": rows}, stage / FOLDER / ROWS)


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, destination)


def points_of(folder: Path) -> list[dict[str, Any]]:
    """The evaluation points of a finished training: ``step`` and ``dev``, in order."""
    found: list[dict[str, Any]] = _left(folder)["points"]
    return found


def _left(folder: Path) -> dict[str, Any]:
    """What :meth:`KeepPoints.leave` wrote down."""
    found: dict[str, Any] = json.loads((folder / FOLDER / LIST).read_text(encoding="utf-8"))
    return found


def chosen(rule: str, points: Sequence[dict[str, Any]]) -> list[int]:
    """The steps whose weights a rule takes; it takes the mean of several.

    Of several points with the best score the first one is taken, as by a training that selects by itself.
    """
    steps = [point["step"] for point in points]
    if rule == "last":
        return steps[-1:]
    if rule == "best":
        return [max(points, key=lambda point: point["dev"])["step"]]
    assert rule == "average", rule
    return steps


def parts_at(cell: Cell, training: Training, folder_of: FolderOf, steps: Sequence[int]) -> Parts:
    """The parts of a training with the mean of its weights at some steps.

    Args:
        cell: A cell that needs it.
        training: The training, finished.
        folder_of: Gives its folder, and that of its parent.
        steps: The steps.
    """
    folder = folder_of(training.key) / FOLDER
    parts = build(cell, training, folder_of)
    if training.mlm is not None:
        parts.heads[mlm.NAME] = mlm.head_of(training.mlm.options, parts.encoder, parts.tokenizer, parts.source)
    if (folder / ROWS).exists():
        sparse_embedding.shrink_to(parts.encoder, load_file(folder / ROWS)["rows"])
    parts.module().load_state_dict(mean_weights([folder / f"{step}.safetensors" for step in steps]), strict=False)
    sparse_embedding.restore(parts.encoder)
    return parts


def mean_weights(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of the weights in files; of one file, what is in it.

    The sums are in 64 bits, so that the mean of equal weights is that weight. Whole numbers, which are no weights, are
    the last file's.
    """
    found = load_file(files[-1])
    if len(files) == 1:
        return found
    sums = {
        name: torch.zeros_like(value, dtype=torch.float64) for name, value in found.items() if value.is_floating_point()
    }
    for file in files:
        for name, value in load_file(file).items():
            if name in sums:
                sums[name] += value.double()
    return {**found, **{name: (total / len(files)).to(found[name].dtype) for name, total in sums.items()}}


def select(cell: Cell, stage: Selected, folder_of: FolderOf, scratch: Path) -> dict[str, Any]:
    """Makes the model of a rule from the points of a training.

    Returns:
        Facts for the manifest: ``rule``; ``chosen``, the steps whose weights were taken; ``tasks``; and as of a
        training that selects by itself ``dev`` and ``outcome``, of these weights.
    """
    training = stage.training
    left = _left(folder_of(training.key))
    steps = chosen(stage.rule, left["points"])
    parts = parts_at(cell, training, folder_of, steps)
    dev = Dev(cell, training, parts.heads, parts.tokenizer, {})  # a training with evaluation points has dev rows
    scores, outcome = dev.outcome(left["losses"], left["guesses"])
    more = about(cell, stage, left["rows"], scores)
    save(scratch, parts.encoder, parts.heads, parts.tokenizer, lineage(cell, stage), more)
    tell(outcome)
    return {"rule": stage.rule, "chosen": steps, "tasks": list(parts.heads), "dev": scores, "outcome": outcome}

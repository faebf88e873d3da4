"""Makes one stage from its parents' folders into a scratch folder; how a training stage goes is here."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from transformers.utils import logging as transformers_logging

from stilts_xtreme.core.files import RESUME
from stilts_xtreme.core.floors import Floors
from stilts_xtreme.core.instantiate import instantiate
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Merged, Pretraining, Selected, Stage, Training
from stilts_xtreme.models import low_rank, sparse_embedding
from stilts_xtreme.tasks.checkpoint import lineage, save
from stilts_xtreme.training import checkpoints, mlm
from stilts_xtreme.training.about import about
from stilts_xtreme.training.callbacks import Guard, Select
from stilts_xtreme.training.checkpoints import DamagedCheckpoint
from stilts_xtreme.training.courses import courses_of, steps_in
from stilts_xtreme.training.dev import Dev, tell
from stilts_xtreme.training.energy import Energy
from stilts_xtreme.training.evaluate import evaluate, make_floors
from stilts_xtreme.training.fit import StepStream, fit, write_curve
from stilts_xtreme.training.merge import merge
from stilts_xtreme.training.parents import FolderOf
from stilts_xtreme.training.points import KeepPoints, select
from stilts_xtreme.training.pretrain import pretrain
from stilts_xtreme.training.setup import build, optimisation_of

log = logging.getLogger(__name__)
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

PointSink = Callable[[dict[str, Any]], None]


def make(cell: Cell, stage: Stage, folder_of: FolderOf, scratch: Path, on_point: PointSink) -> dict[str, Any]:
    """Makes a stage whose parents are finished.

    Args:
        cell: The cell that needs it.
        stage: The stage.
        folder_of: Gives the folder of a finished stage, such as its parent.
        scratch: The folder to fill.
        on_point: Told every point of a training curve.

    Returns:
        Facts for the manifest.

    Raises:
        DamagedCheckpoint: When what a killed attempt left cannot be used and ``store.damaged=retrain`` was not given.
    """
    if cell.trainer.threads:
        torch.set_num_threads(cell.trainer.threads)
    try:
        return _make(cell, stage, folder_of, scratch, on_point)
    except DamagedCheckpoint as error:
        if cell.on_damage == "refuse":
            raise
        log.warning("%s Training begins anew.", str(error).partition(";")[0] + ".")
    checkpoints.clear(scratch)
    return _make(cell, stage, folder_of, scratch, on_point)


def _make(cell: Cell, stage: Stage, folder_of: FolderOf, scratch: Path, on_point: PointSink) -> dict[str, Any]:
    of = stage.training if isinstance(stage, Selected) else stage
    if isinstance(of, Training | Evaluation):
        cell = replace(cell, trainer=replace(cell.trainer, precision=of.precision))
    if isinstance(stage, Pretraining):
        return pretrain(cell, stage, scratch, on_point)
    if isinstance(stage, Training):
        return train(cell, stage, folder_of, scratch, on_point)
    if isinstance(stage, Floors):
        return make_floors(cell, stage, scratch)
    if isinstance(stage, Selected):
        return select(cell, stage, folder_of, scratch)
    if isinstance(stage, Merged):
        return merge(cell, stage, folder_of, scratch)
    assert isinstance(stage, Evaluation)
    return evaluate(cell, stage, folder_of, scratch)


def train(cell: Cell, stage: Training, folder_of: FolderOf, scratch: Path, on_point: PointSink) -> dict[str, Any]:
    """Trains the encoder on the stage's tasks, jointly if there are several, and saves a model per head.

    A training whose weights are chosen afterwards leaves those of its evaluation points instead.
    """
    added = [instantiate(f"callbacks.{spec.name}", spec.options, pl.Callback) for spec in cell.callbacks]
    first = stage.tasks[0].recipe
    longer = steps_in(cell, stage.longer, folder_of) if stage.longer is not None else 0
    parts = build(cell, stage, folder_of)
    encoder, heads, tokenizer, place = parts.encoder, parts.heads, parts.tokenizer, parts.source.place
    courses, rows_of, trained = courses_of(cell, stage, heads, tokenizer, place)
    if longer:  # the training of a target has one course
        courses = [replace(course, steps=course.steps + longer) for course in courses]
    if stage.mlm is not None:
        task_steps = sum(course.steps for course in courses)
        heads[mlm.NAME], course = mlm.mixed_in(
            stage.mlm.options, cell.data, stage.seed, encoder, tokenizer, parts.source, task_steps
        )
        courses.append(course)
    elif cell.trainer.compact_embedding:  # masked language modelling moves every row, as output and at random
        sparse_embedding.shrink(encoder, [course.features.ids for course in courses])
    steps_stream = StepStream(courses, stage.seed)
    total = len(steps_stream)
    module = parts.module()
    module.optimisation = optimisation_of(cell, first, total, stage.seed)
    dev = Dev(cell, stage, heads, tokenizer, trained)  # before training, which a refusal would be the end of
    with phase(f"training {stage.label}", total, cell.trainer.progress) as bar:
        guard = Guard(bar, stage.label, on_point)
        callbacks: list[Any] = [guard]
        if first.selects:
            every = first.eval_every or math.ceil(total / max(1.0, first.epochs))
            if stage.keeps_points:
                callbacks.append(KeepPoints(guard, scratch / RESUME, dev.scores, every))
            else:
                callbacks.append(Select(guard, scratch / RESUME, dev.scores, every, first.patience))
        energy = Energy.of_device(cell.trainer.accelerator == "gpu")
        callbacks.append(energy)
        trainer = fit(module, steps_stream, cell.trainer, callbacks, scratch / RESUME, added)
    chosen = None
    if first.selection == "best":
        callbacks[1].load_best(module)
        chosen = {"step": callbacks[1].best_step, "dev": callbacks[1].best}
    loss = _last_tenth([point["loss"] for point in guard.curve if "loss" in point])
    losses, guesses = _losses(guard.curve, list(heads), loss), dev.guesses({course.task: course for course in courses})
    write_curve(scratch, guard.curve)
    found: dict[str, Any] = {
        "tasks": list(heads),
        "rows": rows_of,
        "features": {course.task: len(course.features) for course in courses},
        "steps": trainer.global_step,
        "steps_of": {course.task: course.steps for course in courses},
        "tokens": steps_stream.tokens(trainer.global_step),
        "loss": loss,
        **energy.found(),
    }
    if longer:
        found["steps_of_control"] = longer
    if stage.keeps_points:
        trained_to = {"rows": rows_of, "losses": losses, "guesses": guesses}
        callbacks[1].leave(scratch, sparse_embedding.rows_of(encoder), trained_to)
        return found
    sparse_embedding.restore(encoder)
    low_rank.merge(encoder)
    scores, outcome = dev.outcome(losses, guesses)
    save(scratch, encoder, heads, tokenizer, lineage(cell, stage), about(cell, stage, rows_of, scores))
    tell(outcome)
    return {**found, "selected": chosen, "dev": scores, "outcome": outcome}


def _last_tenth(losses: list[float]) -> float:
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


def _losses(curve: Sequence[Mapping[str, Any]], names: Sequence[str], loss: float) -> dict[str, float]:
    """The loss of each head at the end; one that had no step there is not known."""
    if len(names) == 1:
        return {names[0]: loss}
    own = {name: [point[f"loss_{name}"] for point in curve if f"loss_{name}" in point] for name in names}
    return {name: _last_tenth(losses) for name, losses in own.items() if losses}

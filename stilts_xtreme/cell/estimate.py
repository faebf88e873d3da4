"""The estimate of a plan: time of each stage, printed before anything runs. Free of torch, as planning is.

``python -m stilts_xtreme.plan [the options of a run]`` prints the stages that the run needs, which are done, and how
long the others will take; with ``-m``, those of a whole sweep, and the chain of stages that takes longest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.measured import Measured
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.thinning import unfinished
from stilts_xtreme.core.floors import Floors
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Pretraining, Stage, Training
from stilts_xtreme.models.flops import step_flops
from stilts_xtreme.tasks import format_of, formats

DEFAULT_RATE = {"cpu": 4e10, "gpu": 1.5e14}
"""Floating-point operations a second assumed while the store holds no measured training, for estimates only."""

START_SECONDS = 2.0
"""What a training or an evaluation takes besides: loading the encoder, reading rows, writing; for estimates only."""

TELLING_SECONDS = 30.0
"""A shorter training is mostly its start. It says that the machine is at least so fast, and no more."""

ROW_SECONDS = 3e-4
"""Of an evaluation on one core: a test row's features, its answer written, read and scored; for estimates only."""

FLOOR_SECONDS = 5e-4
"""Of floors on one core: a test row scored, and its share of what is learnt before; for estimates only."""


def body_parameters(cell: Cell) -> float:
    """Parameters of the Transformer layers without the embedding: 12 * layers * hidden^2 (4 h^2 attention, 8 MLP)."""
    shape = dict(cell.model.architecture or {})
    if cell.model.path:
        shape = json.loads(Path(cell.model.path, "config.json").read_text(encoding="utf-8"))
    known = {"xlmr_large": (24, 1024), "roberta_large": (24, 1024), "xlmr_xl": (36, 2560), "xlmr_xxl": (48, 4096)}
    known |= {"mmbert_base": (22, 768), "mmbert_small": (22, 384), "me5_small": (12, 384), "minilm_en": (6, 384)}
    layers, hidden = known.get(cell.model.name, (12, 768))
    layers, hidden = shape.get("num_hidden_layers", layers), shape.get("hidden_size", hidden)
    layers = layers if cell.model.layers is None else min(layers, cell.model.layers)
    return 12.0 * layers * hidden**2


def flops(cell: Cell, stage: Stage) -> float:
    """Estimated operations of a stage: 6 per parameter and token in training, 2 in evaluation (Kaplan et al. 2020)."""
    body = body_parameters(cell)
    if isinstance(stage, Pretraining):
        return step_flops(stage.architecture, stage.settings) * float(stage.settings["steps"])
    if isinstance(stage, Evaluation):
        tokens = min(format_of(stage.target.head).tokens_per_row, 2 * stage.target.recipe.max_length)
        return 2 * body * sum(stage.rows.values()) * tokens + (_few_shot(cell, stage) if stage.shots else 0.0)
    if not isinstance(stage, Training):
        return 0.0  # floors need no encoder, and to choose weights takes a pass over dev rows alone
    total = 0.0
    for task in stage.tasks:
        rows = stage.rows[task.name] * task.recipe.epochs
        if stage.volume_steps == "whole" and isinstance(stage.volume, float):
            rows /= stage.volume  # of a number of rows it is not known here what share they are
        total += 6 * body * _tokens(task.head, rows, task.recipe.max_steps, task.recipe.batch_size)
    if stage.longer is not None:
        total += flops(cell, stage.longer)  # as many steps, of about as many tokens
    return total * (1 + stage.mlm.options.weight) if stage.mlm else total


def _tokens(head: str, rows: float, max_steps: int | None, batch_size: int) -> float:
    """Rough sub-tokens of a training on one task; ``rows`` has those of all epochs, 0 where they are not known."""
    if max_steps:
        most = float(max_steps * batch_size)
        rows = min(rows, most) if rows else most
    return rows * format_of(head).tokens_per_row


def _few_shot(cell: Cell, stage: Evaluation) -> float:
    """The trainings of an evaluation on shots, one for each language."""
    shots = stage.shots
    assert shots is not None
    task, of = shots.task.task, len(shots.rows.languages)
    if shots.options.arm == "joint":  # as the training in English, with up to as many rows again
        training = next(one for one in reversed(stage.chain()) if isinstance(one, Training))
        return 2 * flops(cell, training) * of
    rows = shots.options.k * task.recipe.epochs * (2 if shots.english else 1)
    return 6 * body_parameters(cell) * rows * format_of(task.head).tokens_per_row * of


def besides(stage: Stage) -> float:
    """Estimated seconds of a stage that no encoder works in."""
    rows = sum(stage.rows.values())
    if isinstance(stage, Floors):
        return rows * FLOOR_SECONDS
    return START_SECONDS + (rows * ROW_SECONDS if isinstance(stage, Evaluation) else 0.0)


def estimate(needs: Iterable[tuple[Cell, Stage]], store: Store) -> list[tuple[str, float]]:
    """Seconds of each stage: measured for a finished one, and estimated for the others.

    What differs from a finished stage in nothing but seeds takes as long as that. Else operations are counted, and
    divided by the rate of the encoder's finished trainings, of other encoders' ones in the plan, or an assumed one.

    Args:
        needs: Stages, parents before children, each with a cell that needs it.
        store: Where finished ones are.

    Returns:
        For each stage ``("measured" | "estimated", seconds)``.
    """
    needs, others = list(needs), Measured(store)
    todo = unfinished([stage for _, stage in needs], store)
    found: list[tuple[Cell, Stage, float, float | None]] = []
    rates: dict[str, list[tuple[float, float]]] = {}
    for cell, stage in needs:
        manifest = None if stage.key in todo else store.manifest(stage.key)
        operations = flops(cell, stage)  # 0 where the number of rows is not known
        measured = manifest["made"]["seconds"] if manifest else None
        if measured and not isinstance(stage, Evaluation):
            rates.setdefault(cell.model.label, []).extend(_rate(operations, measured, besides(stage)))
        found.append((cell, stage, operations, measured))
    planned = {stage.key for _, stage in needs}

    @cache
    def rate_of(label: str) -> float:
        cell = next(cell for cell, _ in needs if cell.model.label == label)
        own = list(rates.get(label, ()))
        for manifest in others.trainings(label, cell.trainer.precision, cell.trainer.accelerator):
            if manifest["key"] not in planned:
                own += _rate(_operations(cell, manifest), manifest["made"]["seconds"], START_SECONDS)
        known = own or [rate for of_model in rates.values() for rate in of_model]
        telling = [rate for rate, seconds in known if seconds >= TELLING_SECONDS]
        mean = _geometric_mean(telling or [rate for rate, _ in known])
        return mean if telling else max(mean, DEFAULT_RATE[cell.trainer.accelerator])

    def time_of(cell: Cell, stage: Stage, operations: float) -> float:
        alike = others.alike(stage, cell.trainer.accelerator)
        return besides(stage) + operations / rate_of(cell.model.label) if alike is None else alike

    return [
        ("estimated", time_of(cell, stage, operations)) if measured is None else ("measured", measured)
        for cell, stage, operations, measured in found
    ]


def _rate(operations: float, seconds: float, besides: float) -> list[tuple[float, float]]:
    """Operations a second of a training, and how many seconds it took; nothing where the first is not known."""
    return [(operations / max(seconds - besides, seconds / 2), seconds)] if operations > 0 and seconds > 0 else []


def _operations(cell: Cell, manifest: Mapping[str, Any]) -> float:
    """Estimated operations of a training in the store, as :func:`flops` has them; 0 where they are not known."""
    identity, info = manifest["identity"], manifest["info"]
    if {"mlm", "longer", "volume_steps"} & set(identity) or not isinstance(info.get("rows"), Mapping):
        return 0.0
    total = 0.0
    for name, task in zip(info.get("tasks") or (), identity["tasks"], strict=False):
        recipe, rows = task["recipe"], info["rows"].get(name, 0)
        if task["head"] not in formats():
            return 0.0
        total += _tokens(task["head"], rows * recipe["epochs"], recipe["max_steps"], recipe["batch_size"])
    return 6 * body_parameters(cell) * total


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else 0.0

"""The estimate of a plan: time of each stage, printed before anything runs. Free of torch, as planning is.

``python -m stilts_xtreme.plan [the options of a run]`` prints the stages that the run needs, which are done, and how
long the others will take; with ``-m``, those of a whole sweep, and the chain of stages that takes longest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.thinning import unfinished
from stilts_xtreme.core.floors import Floors
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Pretraining, Stage, Training
from stilts_xtreme.models.flops import step_flops
from stilts_xtreme.tasks import format_of

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
        tokens = format_of(task.head).tokens_per_row
        rows = stage.rows[task.name] * task.recipe.epochs
        if stage.volume_steps == "whole" and isinstance(stage.volume, float):
            rows /= stage.volume  # of a number of rows it is not known here what share they are
        if task.recipe.max_steps:
            most = float(task.recipe.max_steps * task.recipe.batch_size)
            rows = min(rows, most) if rows else most  # 0 rows: their number is not known
        total += 6 * body * rows * tokens
    if stage.longer is not None:
        total += flops(cell, stage.longer)  # as many steps, of about as many tokens
    return total * (1 + stage.mlm.options.weight) if stage.mlm else total


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
    """Seconds of each stage: measured for a finished one, else from its operations and the rate of finished ones.

    Args:
        needs: Stages, parents before children, each with a cell that needs it.
        store: Where finished ones are.

    Returns:
        For each stage ``("measured" | "estimated", seconds)``.
    """
    found: list[tuple[Cell, Stage, float, float | None]] = []
    rates: list[float] = []
    short: list[float] = []
    needs = list(needs)
    todo = unfinished([stage for _, stage in needs], store)
    for cell, stage in needs:
        manifest = None if stage.key in todo else store.manifest(stage.key)
        operations = flops(cell, stage)  # 0 where the number of rows is not known
        measured = manifest["made"]["seconds"] if manifest else None
        if measured and measured > 0 and not isinstance(stage, Evaluation) and operations > 0:
            rate = operations / max(measured - besides(stage), measured / 2)
            (rates if measured >= TELLING_SECONDS else short).append(rate)
        found.append((cell, stage, operations, measured))

    measured_rates = rates or short
    mean = math.exp(sum(map(math.log, measured_rates)) / len(measured_rates)) if measured_rates else 0.0

    def rate_of(cell: Cell) -> float:
        return mean if rates else max(mean, DEFAULT_RATE[cell.trainer.accelerator])

    return [
        ("estimated", besides(stage) + operations / rate_of(cell)) if measured is None else ("measured", measured)
        for cell, stage, operations, measured in found
    ]

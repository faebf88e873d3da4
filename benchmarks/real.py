"""Real rows and a real encoder for :mod:`benchmarks.training`: those that a training of this project has."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from transformers import (
    AutoConfig,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from benchmarks.jobs import Job, grouped
from benchmarks.rounds import Clock, Way
from stilts_xtreme.cell.python import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.stage import Training
from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.dropout import dropouts
from stilts_xtreme.training.courses import courses_of
from stilts_xtreme.training.setup import build

TASKS = {
    "pairs": ("+intermediate=qqp", "+target=tatoeba"),
    "tagging": ("+target=udpos",),
    "qa": ("+target=xquad",),
    "choice": ("+intermediate=commonsenseqa", "+target=tatoeba"),
}
"""What is trained for each head: the first training of such a cell."""
MODELS = {
    "pairs": AutoModelForSequenceClassification,
    "tagging": AutoModelForTokenClassification,
    "qa": AutoModelForQuestionAnswering,
    "choice": AutoModelForMultipleChoice,
}


def prepare(name: str, job: Job, words: Sequence[str], steps: int, folder: Path) -> tuple[Job, Features]:
    """Reads the rows of a training, and saves its encoder with a fresh head, without dropout, for both sides.

    Args:
        name: A key of :data:`TASKS`.
        job: The same training of drawn rows, of which collator and batch are taken.
        words: Options of a run that choose encoder, recipe and rows.
        steps: Steps of the training; of its batches as many are taken, from the shortest rows to the longest.
        folder: Where to save.

    Returns:
        The training, and its rows in the batches that ``Trainer`` groups them into.

    Raises:
        StiltsError: For words that are refused, or too few rows.
    """
    planned = plan(*TASKS[name], *words)
    stage = next(stage for stage in planned.final.chain() if isinstance(stage, Training))
    parts = build(planned.cell, stage, _no_parent)
    (course,), _, _ = courses_of(planned.cell, stage, parts.heads, parts.tokenizer, parts.source.place)
    labels = tuple(next(iter(parts.heads.values())).labels)
    job = replace(job, model=MODELS[name], labels=labels, longest=stage.tasks[0].recipe.max_length)
    config = AutoConfig.from_pretrained(parts.source.place, revision=parts.source.revision)
    config.update({**dict.fromkeys(dropouts(config), 0.0), "id2label": dict(enumerate(labels or ("start", "end")))})
    config.num_hidden_layers = parts.source.layers or config.num_hidden_layers
    torch.manual_seed(0)
    MODELS[name].from_pretrained(parts.source.place, config=config).save_pretrained(folder)
    return job, grouped(course.features, job.batch, steps)


def _no_parent(key: str) -> Path:
    raise StiltsError("A benchmark trains a pretrained encoder; leave out what needs a training before it.")


def apart(way: Way) -> Way:
    """The same way in a process of its own, so that its peak memory is its own."""
    return partial(_apart, way)


def _apart(way: Way, clock: Clock) -> Mapping[str, Any]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        (clock.cpu, clock.wall, clock.foreign), facts = pool.submit(_alone, way).result()
    return facts


def _alone(way: Way) -> tuple[tuple[float, float, float], dict[str, Any]]:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    clock = Clock()
    with threadpool_limits(1):
        facts = dict(way(clock))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return (clock.cpu, clock.wall, clock.foreign), {**facts, "process MiB": used}

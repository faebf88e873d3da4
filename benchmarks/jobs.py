"""The trainings of the benchmarks: a head for each format, and rows of drawn lengths, for both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.nn.functional import cross_entropy
from transformers import (
    DataCollatorForMultipleChoice,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    XLMRobertaForMultipleChoice,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
)
from transformers.trainer_pt_utils import get_length_grouped_indices

from benchmarks.models import SPECIALS
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.batch import Features, spans

GROUP = 50
"""Batches among which Trainer groups rows by length, where there are enough: so many steps see every length."""
CHOICES = 4
ENDING = 0.25
"""The part of a choice's tokens that is its own; the others are the context and the question."""
PIECES = 30_000
"""Pieces of the vocabulary that a training set in English is taken to have."""


def masked(kind: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """A model for questions of Hugging Face's with a loss over real tokens alone."""

    class Masked(kind):  # type: ignore[misc,valid-type]
        def forward(
            self,
            input_ids: torch.Tensor | None = None,
            attention_mask: torch.Tensor | None = None,
            start_positions: torch.Tensor | None = None,
            end_positions: torch.Tensor | None = None,
            **more: Any,
        ) -> Any:
            output = super().forward(input_ids=input_ids, attention_mask=attention_mask)
            if start_positions is not None:
                padding = attention_mask == 0
                sides = ((output.start_logits, start_positions), (output.end_logits, end_positions))
                output.loss = sum(cross_entropy(one.masked_fill(padding, -torch.inf), gold) for one, gold in sides) / 2
            return output

    return Masked


@dataclass(frozen=True)
class Job:
    """A head to be trained; lengths are tokens of a sequence, specials included."""

    head: str
    model: type[PreTrainedModel]
    collator: Any
    labels: tuple[str, ...]
    batch: int
    mean: float
    spread: float
    longest: int


JOBS = {
    "pairs": Job(
        "classification",
        XLMRobertaForSequenceClassification,
        DataCollatorWithPadding,
        ("entailment", "neutral", "contradiction"),
        batch=32,
        mean=39,
        spread=0.5,
        longest=128,
    ),
    "tagging": Job(
        "tagging",
        XLMRobertaForTokenClassification,
        DataCollatorForTokenClassification,
        ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
        batch=32,
        mean=25,
        spread=0.6,
        longest=128,
    ),
    "qa": Job(
        "qa",
        XLMRobertaForQuestionAnswering,
        DataCollatorWithPadding,
        (),
        batch=16,
        mean=180,
        spread=0.4,
        longest=384,
    ),
    "choice": Job(
        "choice",
        XLMRobertaForMultipleChoice,
        DataCollatorForMultipleChoice,
        tuple(map(str, range(CHOICES))),
        batch=8,
        mean=90,
        spread=0.35,
        longest=128,
    ),
}


def log_normal(generator: np.random.Generator, mean: float, spread: float, count: int) -> np.ndarray:
    """Whole numbers with about the given mean."""
    return np.exp(generator.normal(np.log(mean) - spread**2 / 2, spread, count)).round().astype(int)


def sequences(generator: np.random.Generator, lengths: np.ndarray, pieces: int) -> np.ndarray:
    """Random token ids, each sequence between special tokens, end to end."""
    ids = generator.integers(SPECIALS, pieces, int(lengths.sum())).astype(np.int32)
    offsets = spans(lengths)
    ids[offsets[:-1]], ids[offsets[1:] - 1] = 0, 2
    return ids


def draw(job: Job, steps: int, pieces: int, longest: int) -> Features:
    """The rows of a training, in the batches that Trainer groups them into."""
    generator = np.random.default_rng(0)
    count = -(-steps // GROUP) * GROUP * job.batch
    if job.head == "choice":
        shared = log_normal(generator, (1 - ENDING) * job.mean, job.spread, count)
        own = log_normal(generator, ENDING * job.mean, job.spread, CHOICES * count)
        lengths = np.repeat(shared, CHOICES) + own
    else:
        lengths = log_normal(generator, job.mean, job.spread, count)
    lengths = lengths.clip(8, longest)
    size = len(lengths) // count
    widest = lengths.reshape(count, size).max(1)
    units = grouping(widest, job.batch, steps)
    lengths = lengths.reshape(count, size)[units].ravel()
    count = len(units)
    labels: dict[str, tuple[str, np.ndarray]] = {}
    if job.head == "tagging":
        tags = generator.integers(0, len(job.labels), int(lengths.sum()))
        tags[generator.random(len(tags)) < 0.5] = -100
        offsets = spans(lengths)
        tags[offsets[:-1]] = tags[offsets[1:] - 1] = -100
        tags[offsets[:-1] + 1] = 0  # at least one word
        labels["tag"] = ("token", tags)
    elif job.head == "qa":
        first = (generator.random(count) * (lengths - 1)).astype(int)
        labels = {"start": ("unit", first), "end": ("unit", np.minimum(first + 2, lengths - 1))}
    else:
        labels["label"] = ("unit", generator.integers(0, len(job.labels), count))
    return Features(
        sequences(generator, lengths, pieces), lengths, np.full(count, size), labels=labels, rows=np.arange(count)
    )


def grouping(widest: np.ndarray, batch: int, steps: int) -> np.ndarray:
    """The rows [steps * batch] of batches that Trainer groups, spread evenly over all of them.

    Args:
        widest: Tokens of the longest sequence of each row.
        batch: Rows of a batch.
        steps: Batches to take.
    """
    groups = get_length_grouped_indices(widest.tolist(), batch, GROUP, torch.Generator().manual_seed(0))
    batches = np.asarray(groups[: len(groups) // batch * batch]).reshape(-1, batch)
    return batches[((np.arange(steps) + 0.5) * len(batches) / steps).astype(int)].ravel()


def grouped(features: Features, batch: int, steps: int) -> Features:
    """Rows of a real training in such batches.

    Raises:
        StiltsError: They do not fill so many batches.
    """
    if len(features) < steps * batch:
        most = len(features) // batch
        raise StiltsError(f"--steps {steps} is refused: {len(features):,} rows fill {most} batches of {batch}.")
    units = grouping(features.unit_widest, batch, steps)
    found = features.take(units)
    over = {name: kind for name, (kind, _) in features.labels.items()}
    return Features(
        found.ids.numpy(),
        found.lengths.numpy(),
        found.units.numpy(),
        labels={name: (over[name], values.numpy()) for name, values in found.labels.items()},
        rows=np.arange(len(units)),
    )


NAMES = {"tag": "labels", "label": "labels", "start": "start_positions", "end": "end_positions"}
"""What Trainer's models call our labels."""


def rows_of(features: Features, turns: np.ndarray) -> Dataset:
    """The same rows as Trainer takes them, in the given order."""
    tokens, parts = spans(features.lengths), spans(features.units)
    rows = []
    for unit in turns:
        own = [features.ids[tokens[at] : tokens[at + 1]].tolist() for at in range(parts[unit], parts[unit + 1])]
        row: dict[str, Any] = {"input_ids": own if len(own) > 1 else own[0]}
        for name, (over, values) in features.labels.items():
            whole = over == "token"  # of which each unit has one sequence here
            row[NAMES[name]] = values[tokens[unit] : tokens[unit + 1]].tolist() if whole else int(values[unit])
        rows.append(row)
    return Dataset.from_list(rows)

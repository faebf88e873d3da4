"""What an encoder makes of rows before it is trained on them: vectors, with labels where there are any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Training
from stilts_xtreme.models.batch import Batch, Features, order, stream
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.tasks.head import HeadModule, quiet
from stilts_xtreme.training.parents import FolderOf, load_rows
from stilts_xtreme.training.predict import device_of, precision_context
from stilts_xtreme.training.setup import build

ROWS = 500
"""Training rows of a task that are looked at: the first of a permutation that never changes."""
WORDS = 2_000
"""Words of these rows that are looked at, where each word has a label."""


def mean_vector(cell: Cell, stage: Training, folder_of: FolderOf) -> np.ndarray:
    """The mean vector [H] of the texts of a training, by the encoder that it starts from.

    It is the mean over rows of the mean over tokens in the last layer (TextEmb of Vu et al. 2020, arXiv 2005.00770).

    Args:
        cell: A cell that has the training.
        stage: The training.
        folder_of: Gives the folder of a finished stage.
    """
    found = []
    with quiet():
        parts = build(cell, stage, folder_of)
    for task, head in zip(stage.tasks, parts.heads.values(), strict=True):
        features = head.features(_first(load_rows(cell, task, "train"), task.name), parts.tokenizer)
        found.append(_units(cell, parts.encoder, features, f"reading {task.name}"))
    return np.concatenate(found).mean(axis=0)


def labelled(cell: Cell, stage: Training, folder_of: FolderOf) -> tuple[np.ndarray, np.ndarray] | None:
    """Vectors [N, H] of the rows of a training or of their words, by the encoder that it starts from, and labels [N].

    Args:
        cell: A cell that has the training.
        stage: The training, of one task.
        folder_of: Gives the folder of a finished stage, such as its parent.

    Returns:
        None where the rows have no label that means the same in each: questions, and choices.
    """
    with quiet():
        parts, (task, *_) = build(cell, stage, folder_of), stage.tasks
    head: HeadModule = parts.heads[task.name]
    rows = _first(load_rows(cell, task, "train"), task.name)
    if not head.needs_labels:
        return None
    features = head.features(rows, parts.tokenizer)
    ((over, labels),) = features.labels.values()
    say = f"reading {task.name} after {stage.parent.label if stage.parent else 'no task'}"
    if over == "unit":
        return _known(_units(cell, parts.encoder, features, say), labels)
    places = np.flatnonzero(labels >= 0)
    chosen = np.sort(places[order(0, task.name, 1, len(places))[:WORDS]])
    return _tokens(cell, parts.encoder, features, say)[chosen], labels[chosen]


def _known(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return vectors[labels >= 0], labels[labels >= 0]


def _first(rows: Columns, name: str) -> Columns:
    count = len(next(iter(rows.values())))
    chosen = np.sort(order(0, name, 0, count)[:ROWS]).tolist()
    return {column: [values[at] for at in chosen] for column, values in rows.items()}


def _units(cell: Cell, encoder: Encoder, features: Features, say: str) -> np.ndarray:
    """The mean over tokens, for each unit [U, H]."""

    def pooled(batch: Batch, hidden: torch.Tensor) -> torch.Tensor:
        tokens = torch.repeat_interleave(torch.arange(len(batch.lengths)), batch.lengths)
        owner = torch.repeat_interleave(torch.arange(len(batch.units)), batch.units)[tokens].to(hidden.device)
        sums = torch.zeros(len(batch.units), hidden.shape[-1], device=hidden.device).index_add(0, owner, hidden)
        return sums / torch.bincount(owner, minlength=len(batch.units))[:, None]

    return _vectors(cell, encoder, features, "unit", pooled, say)


def _tokens(cell: Cell, encoder: Encoder, features: Features, say: str) -> np.ndarray:
    """The vector of each token [T, H]."""
    return _vectors(cell, encoder, features, "token", lambda _, hidden: hidden, say)


def _vectors(
    cell: Cell,
    encoder: Encoder,
    features: Features,
    over: str,
    pooled: Callable[[Batch, torch.Tensor], torch.Tensor],
    say: str,
) -> np.ndarray:
    device = device_of(cell.trainer)
    encoder.to(device).eval()
    found = np.zeros((features.count(over), encoder.config.hidden_size), np.float32)
    with (
        phase(say, len(features), cell.trainer.progress) as bar,
        torch.inference_mode(),
        precision_context(cell.trainer),
    ):
        for units, batch in stream(features, 2 * cell.trainer.micro_batch_tokens):
            batch = batch.to(device)
            found[features.positions(units, over)] = pooled(batch, encoder(batch).float()).cpu().numpy()
            bar.advance(len(units))
    return found

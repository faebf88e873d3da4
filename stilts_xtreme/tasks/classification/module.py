"""Classification of a text or a pair of texts, from the first token's hidden state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features
from stilts_xtreme.tasks.head import HeadModule, encode, probabilities


class ClassificationModule(HeadModule):
    """One label per pair; the loss is the mean cross-entropy over examples."""

    format = "classification"
    metric = "accuracy"
    needs_labels = True

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit of one sequence per row."""
        parts = encode(tokenizer, self.encoder.config, rows["text_a"], rows["text_b"], self.options.max_length)
        count = len(rows["text_a"])
        labels = {"label": ("unit", np.asarray(rows["label"], np.int64))} if "label" in rows else {}
        return Features(**parts, units=np.ones(count, np.int64), labels=labels, rows=np.arange(count))

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Logits [U, labels]."""
        return (self.sequence_logits(batch),)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy."""
        return cross_entropy(self.outputs(batch)[0].float(), batch.labels["label"], reduction="sum")

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[str]:
        """The label names with the highest logits."""
        return [self.labels[position] for position in outputs[0].argmax(-1)]

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """With the probability of each label."""
        found = super().records(rows, features, outputs)
        for record, row in zip(found, probabilities(outputs[0]).tolist(), strict=True):
            record |= {"probability": max(row), "probabilities": dict(zip(self.labels, row, strict=True))}
        return found

"""Multiple choice: one sequence per choice, scored from its first token, the best one chosen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features, spans
from stilts_xtreme.tasks.head import HeadModule, encode, grouped_cross_entropy, probabilities


class MultipleChoiceModule(HeadModule):
    """One of any number of choices; the loss is the mean over examples of the cross-entropy over an example's choices.

    A sequence is (context, question + choice); without a context it is (question, choice), as the field's scripts have
    it. The weights do not depend on the number of choices, so a head trained on three continues on two (Social IQa to
    COPA).
    """

    format = "choice"
    metric = "accuracy"
    over = "sequence"

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per row, with one sequence per choice."""
        first, second = [], []
        for context, question, choices in zip(rows["context"], rows["question"], rows["choices"], strict=True):
            for choice in choices:
                first.append(context or question)
                second.append(f"{question} {choice}".strip() if context else choice)
        parts = encode(tokenizer, self.encoder.config, first, second, self.options.max_length)
        units = np.asarray([len(choices) for choices in rows["choices"]], np.int64)
        labels = {"label": ("unit", np.asarray(rows["label"], np.int64))} if "label" in rows else {}
        return Features(**parts, units=units, labels=labels, rows=np.arange(len(units)))

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """One logit per sequence [S]."""
        return (self.sequence_logits(batch)[:, 0],)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy over each example's choices."""
        return grouped_cross_entropy(self.outputs(batch)[0], batch.units, batch.labels["label"])

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[str]:
        """The position of the best choice of every row, as text."""
        ends = spans(features.units)
        return [str(int(outputs[0][a:b].argmax())) for a, b in pairwise(ends)]

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """With the text of the choice, and the probability of each."""
        found = super().records(rows, features, outputs)
        for at, (record, (a, b)) in enumerate(zip(found, pairwise(spans(features.units)), strict=True)):
            row = probabilities(outputs[0][a:b]).tolist()
            choice = rows["choices"][at][int(record["prediction"])]
            record |= {"choice": choice, "probability": max(row), "probabilities": row}
        return found

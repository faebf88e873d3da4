"""The metrics as ``torchmetrics`` modules: whole-number sums that add over batches and over processes.

All sums are integers, so that the result depends neither on how rows were split into batches nor on the order of
adding, and works on devices without double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from stilts_xtreme.errors import StiltsError, unknown
from stilts_xtreme.metrics.answers import QA_METRICS, answer_scores, check_mlqa
from stilts_xtreme.metrics.chunks import Sentences, count_chunks

F1_UNIT = 2**40
"""An F1 of 1 in the integer sum: the rounding of a row is 5e-13, and 8 million rows fit into 63 bits."""


class ChunkF1(Metric):
    """:func:`~stilts_xtreme.metrics.scores.chunk_f1` as a sum over batches.

    Equal to the pure function on all sentences in the order of the updates. Over several processes each one reads its
    own stream: for tags of one character (``X``), whose chunks seqeval may start in an earlier sentence, the count then
    follows the order within each process. Tags with a prefix and longer bare tags do not depend on any order.

    Attributes:
        tp: Chunks found in both.
        n_pred: Chunks predicted.
        n_gold: Chunks in the gold tags.
        carry: Where the latest predicted and gold chunks started; see :func:`~stilts_xtreme.metrics.chunks.chunks`.
    """

    is_differentiable = False
    higher_is_better = True
    # The carry makes an update depend on the one before, so forward() may not count on fresh states and merge.
    full_state_update = True

    tp: Tensor
    n_pred: Tensor
    n_gold: Tensor
    carry: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("tp", "n_pred", "n_gold"):
            self.add_state(name, torch.tensor(0, dtype=torch.long), dist_reduce_fx="sum")
        # Not read while synchronised, and put back afterwards; the reduction only keeps its shape.
        self.add_state("carry", torch.zeros(2, dtype=torch.long), dist_reduce_fx="max")

    def update(self, predictions: Sentences, gold: Sentences) -> None:
        """Adds sentences.

        Args:
            predictions: Predicted tag names by sentence.
            gold: Gold tag names of the same sentences.

        Raises:
            StiltsError: The sequences cannot be compared.
        """
        before = self.carry.tolist()
        tp, n_pred, n_gold, carry = count_chunks(predictions, gold, (before[0], before[1]))
        self.tp = self.tp + tp
        self.n_pred = self.n_pred + n_pred
        self.n_gold = self.n_gold + n_gold
        self.carry = torch.tensor(carry, dtype=torch.long, device=self.carry.device)

    def compute(self) -> dict[str, Tensor]:
        """Returns ``f1``, ``precision`` and ``recall`` in percent; 0 where there is nothing to divide by."""
        return {
            "f1": 200.0 * self.tp / (self.n_pred + self.n_gold).clamp(min=1),
            "precision": 100.0 * self.tp / self.n_pred.clamp(min=1),
            "recall": 100.0 * self.tp / self.n_gold.clamp(min=1),
        }


class ExactMatchF1(Metric):
    """Exact match and F1 of answer texts as sums over batches.

    Args:
        metric: ``squad``, ``squad_v2`` or ``mlqa``.
        language: Language of the texts; ``mlqa`` needs it.
        **kwargs: Options of ``torchmetrics.Metric``.

    Attributes:
        exact_sum: Answers that match exactly.
        f1_sum: Sum of F1 in units of 1 / :data:`F1_UNIT`.
        total: Questions.

    Raises:
        StiltsError: Unknown metric or language.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    exact_sum: Tensor
    f1_sum: Tensor
    total: Tensor

    def __init__(self, metric: str = "squad", language: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if metric not in QA_METRICS:
            raise unknown("metric", metric, QA_METRICS)
        if metric == "mlqa":
            check_mlqa(language)
        self.metric, self.language = metric, language
        for name in ("exact_sum", "f1_sum", "total"):
            self.add_state(name, torch.tensor(0, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> None:
        """Adds answers.

        Args:
            predictions: One answer text per question.
            golds: The accepted answers of each question; empty for an unanswerable one.

        Raises:
            StiltsError: Other lengths, or something other than text.
        """
        if len(predictions) != len(golds):
            raise StiltsError(f"{len(predictions)} answers are predicted for {len(golds)} questions.")
        pairs = [answer_scores(self.metric, p, g, self.language) for p, g in zip(predictions, golds, strict=True)]
        self.exact_sum = self.exact_sum + sum(int(exact) for exact, _ in pairs)
        self.f1_sum = self.f1_sum + sum(round(f1 * F1_UNIT) for _, f1 in pairs)
        self.total = self.total + len(pairs)

    def compute(self) -> dict[str, Tensor]:
        """Returns ``exact_match`` and ``f1`` in percent; NaN where no question was added."""
        return {
            "exact_match": 100.0 * self.exact_sum / self.total,
            "f1": 100.0 * (self.f1_sum / F1_UNIT) / self.total,
        }


class PercentAccuracy(MulticlassAccuracy):
    """``torchmetrics``' own micro accuracy, in percent like every other score of the project."""

    def compute(self) -> Tensor:
        """Returns the accuracy in percent."""
        return 100.0 * super().compute()


def accuracy_metric(num_classes: int, **kwargs: Any) -> PercentAccuracy:
    """Accuracy over rows.

    Args:
        num_classes: Number of labels, at least 2.
        **kwargs: Options of ``torchmetrics.classification.MulticlassAccuracy``.

    Returns:
        A metric whose update takes (class scores or labels, gold labels) and whose compute is in percent.

    Raises:
        StiltsError: Fewer than two classes.
    """
    if num_classes < 2:
        raise StiltsError(f"num_classes={num_classes}; accuracy needs at least 2 classes.")
    return PercentAccuracy(num_classes=num_classes, average="micro", **kwargs)

"""The head of the format: one output, the squared error its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import mse_loss

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features
from stilts_xtreme.tasks.head import HeadModule, encode
from stilts_xtreme.tasks.options import HeadOptions


@dataclass(frozen=True)
class Options(HeadOptions):
    """With the number that scores are divided by."""

    scale: float = 1.0


class SimilarityModule(HeadModule):
    """How alike two texts are."""

    format = "similarity"
    metric = "pearson"
    options: Options

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        parts = encode(tokenizer, self.encoder.config, rows["text_a"], rows["text_b"], self.options.max_length)
        count = len(rows["text_a"])
        scores = np.asarray(rows["score"], np.float32) / self.options.scale
        labels = {"score": ("unit", scores)}
        return Features(**parts, units=np.ones(count, np.int64), labels=labels, rows=np.arange(count))

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (self.sequence_logits(batch)[:, 0],)

    def loss(self, batch: Batch) -> torch.Tensor:
        return mse_loss(self.outputs(batch)[0].float(), batch.labels["score"].float(), reduction="sum")

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[float]:
        return [float(score) * self.options.scale for score in outputs[0]]

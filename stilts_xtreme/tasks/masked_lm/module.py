"""Masked language modelling: ``mini`` is pretrained with it, and it may go on beside intermediate tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features
from stilts_xtreme.models.encoder import Encoder, Source
from stilts_xtreme.tasks.head import HeadModule, encode
from stilts_xtreme.tasks.module import Step
from stilts_xtreme.tasks.options import HeadOptions


class MLMModule(HeadModule):
    """Predicts masked tokens: some are chosen, of them 80 % masked, 10 % random, 10 % kept (Devlin et al. 2019)."""

    format = "mlm"

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Any,
        options: HeadOptions,
        probability: float,
        continues: Source | None = None,
    ):
        super().__init__(encoder, (), options, continues)
        self.probability = probability
        self.mask_id = tokenizer.mask_token_id
        special = torch.zeros(len(tokenizer), dtype=torch.bool)
        special[tokenizer.all_special_ids] = True
        self.register_buffer("special", special, persistent=False)

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit of one sequence per text."""
        parts = encode(tokenizer, self.encoder.config, rows["text"], None, self.options.max_length)
        return Features(**parts, units=np.ones(len(rows["text"]), np.int64), rows=np.arange(len(rows["text"])))

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy over the masked tokens of the batch, times the batch's units."""
        draw = torch.rand(batch.ids.shape, device=batch.ids.device)
        draw = draw.masked_fill(self.special[batch.ids], 1.0)  # type: ignore[index]
        chosen = draw < self.probability
        chosen[draw.argmin()] = True  # a batch always has a term
        how = torch.rand(batch.ids.shape, device=batch.ids.device)
        random = torch.randint(len(self.special), batch.ids.shape, device=batch.ids.device)  # type: ignore[arg-type]
        ids = torch.where(chosen & (how < 0.8), self.mask_id, batch.ids)
        ids = torch.where(chosen & (how >= 0.9), random, ids)
        masked = Batch(ids, batch.lengths, batch.units, batch.types)
        logits = self.token_outputs(masked, chosen.nonzero()[:, 0])["logits"]
        return cross_entropy(logits.float(), batch.ids[chosen]) * len(batch.units)

    def terms(self, step: Step) -> float:
        """Units of the step."""
        return len(step.units)

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> None:
        """Nothing: the pretraining head is not evaluated."""

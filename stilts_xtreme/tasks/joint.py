"""Several heads on one encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from stilts_xtreme.models.batch import Batch
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.tasks.module import Optimisation, StageModule, Step


class JointModule(StageModule):
    """Several heads on one encoder, each step of one of them."""

    def __init__(self, encoder: Encoder, heads: dict[str, HeadModule], optimisation: Optimisation | None = None):
        super().__init__(encoder, optimisation)
        self.names = tuple(heads)
        # a LightningModule inside a ModuleDict must not be taken for the trained one: names carry no dots
        self.heads = nn.ModuleDict({f"head{position}": heads[name] for position, name in enumerate(heads)})

    def head(self, name: str) -> HeadModule:
        """The head of a task."""
        return self.heads[f"head{self.names.index(name)}"]  # type: ignore[return-value]

    def head_of(self, name: str) -> HeadModule:
        """The head of a task."""
        return self.head(name)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the encoder."""
        return self.head(self.names[0]).tokenizer

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of the head that the batch belongs to."""
        return self.head(batch.task).loss(batch)

    def terms(self, step: Step) -> float:
        """Loss terms as the step's head counts them."""
        return self.head(step.task).terms(step)

"""An input embedding of which only the rows that a training meets are trained.

Of the 250,002 rows of XLM-R's embedding a training in one language meets a part. The others get no gradient; all that
AdamW does to them is decay, which has a closed form. So they need no gradient, no moments and no update: exact, and
much of a step's fixed cost and of the optimiser's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn.functional import embedding

from stilts_xtreme.models.encoder import Encoder


class _Rows(torch.autograd.Function):
    """Rows of a compact embedding, whose gradient goes to where :meth:`CompactEmbedding.add_gradient` keeps it."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, place: torch.Tensor, owner: CompactEmbedding) -> torch.Tensor:
        ctx.place, ctx.owner = place, owner
        return embedding(place, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, None]:
        ctx.owner.add_gradient(ctx.place, gradients[0])
        return None, None, None


class CompactEmbedding(nn.Module):
    """An embedding with some rows as a parameter, and the others held as they were.

    Args:
        whole: The embedding it stands for.
        rows: Which rows are trained [R], each once.

    Attributes:
        weight: The trained rows [R, H].
        shrink: What decay has left of the others, from 1 downwards.
    """

    shrink: torch.Tensor
    frozen: torch.Tensor
    place: torch.Tensor

    def __init__(self, whole: nn.Embedding, rows: torch.Tensor):
        super().__init__()
        self.whole = [whole]  # in a list: not a part of this module, nor of its state
        self.rows = rows
        self.weight = nn.Parameter(whole.weight.detach()[rows])
        place = torch.full((whole.num_embeddings,), -1)
        place[rows] = torch.arange(len(rows))
        self.padding = None if whole.padding_idx is None else int(place[whole.padding_idx])
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("frozen", whole.weight.detach(), persistent=False)
        self.register_buffer("shrink", torch.ones((), dtype=torch.float64))
        self._room: torch.Tensor | None = None
        self._written: list[torch.Tensor] = []

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embeds ids of any shape; while training, those of trained rows alone."""
        place = self.place[ids]
        if self.training:
            if self.weight.is_cuda or not self.weight.requires_grad or not torch.is_grad_enabled():
                return embedding(place, self.weight, self.padding)
            return _Rows.apply(self.weight, place, self)
        trained = embedding(place.clamp(min=0), self.weight)
        others = embedding(ids, self.frozen) * self.shrink.to(self.frozen.dtype)
        return torch.where((place >= 0)[..., None], trained, others)

    def add_gradient(self, place: torch.Tensor, gradient: torch.Tensor) -> None:
        """Adds to the rows at ``place`` [...] of the weight's gradient; ``gradient`` is [..., H].

        Its memory stays from step to step, and of it only what the last step wrote to is set to zero: a step's tokens
        are a small part of the rows, and fresh memory for all of them costs more than all that is done with it.
        """
        if self.weight.grad is None:
            if self._room is None:
                self._room = torch.zeros_like(self.weight)
            for written in self._written:
                self._room.index_fill_(0, written, 0)
            self._written = []
            self.weight.grad = self._room
        rows = place.reshape(-1)
        values = gradient.reshape(len(rows), -1)
        if self.padding is not None:
            values = values.masked_fill((rows == self.padding)[:, None], 0)
        self.weight.grad.index_add_(0, rows, values.to(self.weight.dtype))
        self._written.append(rows)

    def decay(self, factor: float) -> None:
        """Multiplies the rows that are not trained, as AdamW's decay does in a step."""
        self.shrink *= factor

    def restore(self) -> nn.Embedding:
        """The whole embedding, with the trained rows and the others as decay has left them."""
        whole = self.whole[0].to(self.weight.device)
        with torch.no_grad():
            if float(self.shrink) != 1:  # it is, without decay
                whole.weight.mul_(self.shrink.to(whole.weight.dtype))
            whole.weight[self.rows.to(self.weight.device)] = self.weight.detach()
        return whole


def rows_of(encoder: Encoder) -> torch.Tensor | None:
    """The rows that are trained, of an encoder that trains some; None of one that trains all."""
    compact = encoder.base.get_input_embeddings()
    return compact.rows if isinstance(compact, CompactEmbedding) else None


def shrink_to(encoder: Encoder, rows: torch.Tensor) -> None:
    """Makes an encoder train some rows of its embedding alone."""
    whole = cast(nn.Embedding, encoder.base.get_input_embeddings())
    encoder.base.set_input_embeddings(CompactEmbedding(whole, rows))


def shrink(encoder: Encoder, ids: Sequence[np.ndarray]) -> bool:
    """Makes an encoder train only the rows of its embedding that occur.

    Args:
        encoder: The encoder; its embedding must belong to nothing else, such as a tied head.
        ids: All token ids of the training.

    Returns:
        Whether there is anything to leave out.
    """
    whole = cast(nn.Embedding, encoder.base.get_input_embeddings())
    if getattr(type(whole), "forward", None) is not nn.Embedding.forward:
        return False  # such as I-BERT's, which computes something else of its weights: it stays as it is
    occur = np.zeros(whole.num_embeddings, bool)
    for some in ids:
        occur[some] = True
    if whole.padding_idx is not None:
        occur[whole.padding_idx] = True
    if occur.all() or not whole.weight.requires_grad:
        return False
    shrink_to(encoder, torch.from_numpy(np.flatnonzero(occur)))
    return True


def restore(encoder: Encoder) -> None:
    """Gives an encoder its whole embedding back, if it has been taken."""
    compact = encoder.base.get_input_embeddings()
    if isinstance(compact, CompactEmbedding):
        encoder.base.set_input_embeddings(compact.restore())

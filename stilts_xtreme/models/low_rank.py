"""Low-rank adaptation: a training moves each matrix of the layers by the product of two thin ones.

``W + 2 B A`` takes the place of a matrix ``W`` [out, in], with ``A`` [rank, in] and ``B`` [out, rank] (LoRA: Hu et al.
2021, arXiv 2106.09685). Only ``A``, ``B`` and the head are trained, so what the optimiser keeps is a few percent of
what it keeps for all weights. At the end of the training the product is added to ``W``. So what is saved is an encoder
like any other one, and the next training may take another rank or none.

The layers' own code stays as it is: the sum stands where a layer looks its matrix up, by a parametrization of torch. So
it also holds where code reads the matrix itself. The price is that the sum and its gradient are as large as the matrix
while a step lasts. The factor 2 is the usual alpha of twice the rank. All linear maps of the layers are adapted, as
Dettmers et al. 2023 (arXiv 2305.14314) advise, and not attention alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import parametrize

from stilts_xtreme.core.checks import refused, shared
from stilts_xtreme.models.depth import layers_of
from stilts_xtreme.models.encoder import Encoder

SCALE = 2.0
"""What the product is multiplied with: alpha divided by the rank."""


class LowRank(nn.Module):
    """A matrix with a product of two thin ones added to it.

    Args:
        weight: The matrix [out, in].
        rank: The smaller side of the thin ones.
        generator: Draws ``A``, as ``torch.nn.Linear`` draws its weights. ``B`` is zero, so nothing is added at first.
    """

    def __init__(self, weight: torch.Tensor, rank: int, generator: torch.Generator):
        super().__init__()
        rows, columns = weight.shape
        drawn = torch.empty(rank, columns).uniform_(-1, 1, generator=generator) / math.sqrt(columns)
        self.a = nn.Parameter(drawn.to(weight))
        self.b = nn.Parameter(weight.new_zeros(rows, rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The matrix that the layer works with."""
        return weight + SCALE * (self.b @ self.a)


def adapt(encoder: Encoder, rank: int | None, seed: int, option: str) -> None:
    """Freezes an encoder, and adds matrices of low rank to those of its layers that would be trained.

    Args:
        encoder: The encoder; layers that are frozen already stay as they are.
        rank: The rank; None: nothing is done.
        seed: Decides the first weights.
        option: What the user calls the rank.

    Raises:
        StiltsError: Its layers share their weights, as ALBERT's do, or have no linear maps.
    """
    if rank is None:
        return
    layers = layers_of(encoder.base)
    if not layers:
        raise shared(option, rank, encoder.base.config.model_type, "null")
    found = [
        part
        for parts in layers
        for part in parts.modules()
        if isinstance(part, nn.Linear) and part.weight.requires_grad
    ]
    if not found:
        kind = encoder.base.config.model_type
        raise refused(
            option, rank, f"the layers of {kind} have no linear maps (torch.nn.Linear) to be trained; take null"
        )
    encoder.base.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for linear in found:
        parametrize.register_parametrization(linear, "weight", LowRank(linear.weight, rank, generator))


def merge(encoder: Encoder) -> None:
    """Adds what was learnt to the matrices of an encoder; one that is not adapted stays as it is."""
    for linear in list(_adapted(encoder)):
        parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)


def _adapted(encoder: Encoder) -> Iterator[nn.Module]:
    for module in encoder.base.modules():
        if isinstance(module, nn.Linear) and parametrize.is_parametrized(module, "weight"):
            yield module

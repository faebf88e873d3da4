"""Where the tokens of a packed batch go while they attend: groups of sequences of about one length, padded within."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from stilts_xtreme.models.batch import send

NARROWEST = 0.85
"""Sequences shorter than this part of a group's longest begin a group of their own ..."""
SHORT = 32
"""... unless the group is this short: another group would cost more than the padding."""


@dataclass(frozen=True)
class Group:
    """Sequences that attend side by side.

    Attributes:
        members: The sequences [S].
        shape: S sequences, W places.
        allowed: Which places of a sequence are tokens [S, 1, 1, W]; None when all are.
    """

    members: torch.Tensor
    shape: tuple[int, int]
    allowed: torch.Tensor | None


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a batch go.

    Attributes:
        groups: The groups, longest sequences first.
        places: The place of each token in the groups laid end to end [T].
        padding: The places that no token has.
        take: The token at each place; any one where there is padding.
        positions: Each token's position in its sequence [T], from 0.
        firsts: Each sequence's first token [S].
        offsets: Where sequences begin, and the last one's end [S + 1], as flash attention wants them.
        longest: Tokens of the longest sequence.
    """

    groups: tuple[Group, ...]
    places: torch.Tensor
    padding: torch.Tensor
    take: torch.Tensor
    positions: torch.Tensor
    firsts: torch.Tensor
    offsets: torch.Tensor
    longest: int


def layout(lengths: torch.Tensor, device: torch.device | str = "cpu") -> Layout:
    """Plans the groups for sequences of the given lengths [S], which are on the host, for tokens on a device."""
    starts = torch.cumsum(lengths, 0) - lengths
    total = int(lengths.sum())
    positions = torch.arange(total) - torch.repeat_interleave(starts, lengths)
    order = torch.argsort(lengths, descending=True, stable=True)
    cuts, width = [0], 0
    for at, length in enumerate(lengths[order].tolist()):
        if at == 0:
            width = length
        elif width > SHORT and length < NARROWEST * width:
            cuts.append(at)
            width = length
    groups, places, padding, takes, offset = [], torch.empty(total, dtype=torch.long), [], [], 0
    for begin, end in zip(cuts, [*cuts[1:], len(order)], strict=True):
        members = order[begin:end]
        width = int(lengths[members[0]])
        column = torch.arange(width)
        real = column[None] < lengths[members][:, None]
        take = torch.where(real, starts[members][:, None] + column[None], 0).reshape(-1)
        flat = real.reshape(-1)
        here = torch.arange(len(take)) + offset
        places[take[flat]] = here[flat]
        padding.append(here[~flat])
        allowed = None if bool(flat.all()) else send(real[:, None, None, :], device)
        groups.append(Group(send(members, device), (len(members), width), allowed))
        takes.append(take)
        offset += len(take)
    return Layout(
        groups=tuple(groups),
        places=send(places, device),
        padding=send(torch.cat(padding), device),
        take=send(torch.cat(takes), device),
        positions=send(positions, device),
        firsts=send(starts, device),
        offsets=send(torch.cat((starts, torch.tensor([total]))).int(), device),
        longest=int(lengths.max()),
    )


class _Spread(torch.autograd.Function):
    """Rows of tokens [T, F] to their places [P, F], as gathers in both directions, which are faster than scatters."""

    @staticmethod
    def forward(ctx: Any, tokens: torch.Tensor, take: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        return tokens.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        # what stands at padding has weight 0 in attention, so its gradient is 0 and may be left out
        (places,) = ctx.saved_tensors
        return gradients[0].index_select(0, places), None, None


class _Collect(torch.autograd.Function):
    """Places [P, F] back to tokens [T, F]; the gradient of padding is 0."""

    @staticmethod
    def forward(
        ctx: Any, places_: torch.Tensor, take: torch.Tensor, places: torch.Tensor, padding: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(take, padding)
        return places_.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        take, padding = ctx.saved_tensors
        return gradients[0].index_select(0, take).index_fill_(0, padding, 0), None, None, None


def spread(tokens: torch.Tensor, plan: Layout) -> torch.Tensor:
    """Rows of tokens [T, F] at their places [P, F]; at padding stands any one, whose gradient is taken for 0."""
    return _Spread.apply(tokens, plan.take, plan.places)


def collect(rows: torch.Tensor, plan: Layout) -> torch.Tensor:
    """Rows at places [P, F] as those of tokens [T, F]; padding has the gradient 0."""
    return _Collect.apply(rows, plan.take, plan.places, plan.padding)

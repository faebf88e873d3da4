"""Dropout: with fewer random numbers on a processor, and the same in every layer of an encoder.

torch draws a number of 64 bits for every element, which was an eighth of a training step of a small encoder. Sixteen
bits decide as well: the rate is met to 1 / 65536. They come from torch's own generator, so a seed means what it always
does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from stilts_xtreme.core.errors import StiltsError

DRAWS = 2**16

OF_HEADS = ("classifier", "pooler", "qa", "seq_classif", "summary")
"""What the names of dropouts begin with that belong to a head, not to the encoder."""


def dropout(values: torch.Tensor, rate: float) -> torch.Tensor:
    """Sets elements to 0 with a probability and scales the others so that means stay.

    Args:
        values: Anything of floating point, [...].
        rate: The probability, rounded to a multiple of 1 / 65536.

    Returns:
        The same shape, in the same precision.
    """
    if not _draws(values, rate):
        return nn.functional.dropout(values, rate)
    kept, scale = _drawn(values, rate)
    return values * kept.to(values.dtype).mul_(scale)


def _draws(values: torch.Tensor, rate: float) -> bool:
    """Whether sixteen bits are drawn for an element: on a processor, for a rate that they can tell from 0 and 1."""
    return 0 < round((1 - rate) * DRAWS) < DRAWS and values.device.type == "cpu"


def _drawn(values: torch.Tensor, rate: float) -> tuple[torch.Tensor, float]:
    """Which elements are kept, and the factor of those."""
    keep, count = round((1 - rate) * DRAWS), values.numel()
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)  # type: ignore[arg-type]
    return words.view(torch.int16)[:count].view(values.shape) < keep - DRAWS // 2, DRAWS / keep


def weighted(weights: torch.Tensor, value: torch.Tensor, rate: float) -> torch.Tensor:
    """Dropout of attention weights [..., Q, K], and what they make of values [..., K, D].

    Attention weights are the largest tensors of a step. Of the three that autograd would hold for each layer (weights,
    factors, and their product) one is held, and which elements were kept; the others are computed again, bit by bit.

    Returns:
        Outcome [..., Q, D].
    """
    if not _draws(weights, rate) or torch.is_autocast_enabled("cpu"):
        return torch.matmul(dropout(weights, rate), value)
    kept, scale = _drawn(weights, rate)
    return _Weighted.apply(weights, value, kept, scale)  # type: ignore[no-any-return,no-untyped-call]


class _Weighted(torch.autograd.Function):
    """The product of dropped weights and values, which holds neither the dropped weights nor their factors."""

    @staticmethod
    def forward(ctx: Any, weights: torch.Tensor, value: torch.Tensor, kept: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.save_for_backward(weights, value, kept)
        ctx.scale = scale
        return torch.matmul(kept.to(weights.dtype).mul_(scale).mul_(weights), value)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weights, value, kept = ctx.saved_tensors
        factor = kept.to(weights.dtype).mul_(ctx.scale)
        of_weights = torch.matmul(gradients[0], value.transpose(-1, -2)).mul_(factor)
        return of_weights, torch.matmul(factor.mul_(weights).transpose(-1, -2), gradients[0]), None, None


class Dropout(nn.Dropout):
    """torch's module with these draws."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Drops in training; hands on otherwise."""
        return dropout(input, self.p) if self.training else input


def replace(module: nn.Module) -> None:
    """Puts :class:`Dropout` in the place of torch's, in a module and all below it."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p))


def dropouts(config: Any) -> dict[str, float]:
    """The encoder's own dropouts in a configuration, whatever its architecture calls them; not those of heads."""
    found = {
        name: value
        for name, value in config.to_dict().items()
        if "dropout" in name and not name.startswith(OF_HEADS) and isinstance(value, int | float)
    }
    return {name: value for name, value in found.items() if not isinstance(value, bool)}


def refuse_other(base: Any, dropout: float) -> None:
    """Refuses an encoder whose layers have kept another dropout than the one that was set in its configuration."""
    for module in base.modules():
        kept = {name: value for name, value in vars(module).items() if "dropout" in name and type(value) is float}
        kept |= {"p": module.p} if isinstance(module, nn.Dropout) else {}
        for value in kept.values():
            if value != dropout:
                raise StiltsError(
                    f"recipe.*.dropout={dropout:g} does not reach all of {base.config.model_type}: a "
                    f"{type(module).__name__} in it keeps {value:g}; leave recipe.*.dropout at null for this encoder."
                )

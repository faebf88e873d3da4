"""Dropout on a processor with fewer random numbers.

torch draws a number of 64 bits for every element, which was an eighth of a training step of a small encoder. Sixteen
bits decide as well: the rate is met to 1 / 65536. They come from torch's own generator, so a seed means what it always
does.
"""

from __future__ import annotations

import torch
from torch import nn

DRAWS = 2**16


def dropout(values: torch.Tensor, rate: float) -> torch.Tensor:
    """Sets elements to 0 with a probability and scales the others so that means stay.

    Args:
        values: Anything of floating point, [...].
        rate: The probability, rounded to a multiple of 1 / 65536.

    Returns:
        The same shape, in the same precision.
    """
    keep = round((1 - rate) * DRAWS)
    if not 0 < keep < DRAWS or values.device.type != "cpu":
        return nn.functional.dropout(values, rate)
    count = values.numel()
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)  # type: ignore[arg-type]
    kept = words.view(torch.int16)[:count].view(values.shape) < keep - DRAWS // 2
    return values * kept.to(values.dtype).mul_(DRAWS / keep)


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

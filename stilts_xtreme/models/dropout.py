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

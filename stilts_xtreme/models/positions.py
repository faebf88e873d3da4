"""How long a sequence an encoder takes."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from stilts_xtreme.models.encoder import Encoder

PROBE = 5
"""Tokens of the sequence that is tried."""


def position_limit(encoder: Encoder) -> int | None:
    """The longest sequence that an encoder takes, in tokens; None where nothing bounds it.

    It is what the configuration says, or less: of its table of positions, RoBERTa's family leaves the rows up to the
    padding id unused. A table of positions is what is asked for consecutive rows, whatever an architecture calls it.
    """
    said = getattr(encoder.config, "max_position_embeddings", None)
    limits = [said] if isinstance(said, int) and said > 0 else []
    limits += _tables(encoder.base)
    return min(limits, default=None)


def _tables(base: Any) -> list[int]:
    """The usable rows of each table of positions."""
    found: list[int] = []

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        asked = next((value for value in inputs if torch.is_tensor(value) and not value.is_floating_point()), None)
        if asked is None or asked.dim() not in (1, 2) or asked.shape[-1] < PROBE:
            return
        rows = asked.reshape(-1, asked.shape[-1])[:, :PROBE]
        first = int(rows[0, 0])
        if bool((rows == torch.arange(first, first + PROBE, device=rows.device)).all()):
            found.append(len(cast(torch.Tensor, module.weight)) - first)

    tables = [module for module in base.modules() if getattr(getattr(module, "weight", None), "dim", int)() == 2]
    hooks = [module.register_forward_pre_hook(note) for module in tables if not isinstance(module, nn.Linear)]
    token = int(base.config.vocab_size) - 1
    ids = torch.full((1, PROBE), token, device=base.device)
    modes = [(module, module.training) for module in base.modules()]
    try:
        base.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            base(input_ids=ids, attention_mask=torch.ones_like(ids), return_dict=True)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
    return found

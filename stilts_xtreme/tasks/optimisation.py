"""How a training optimises: AdamW with a linear schedule, or Muon for the matrices between layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from stilts_xtreme.core.checks import check, number, whole


@dataclass(frozen=True)
class Optimisation:
    """AdamW with a linear schedule, as every recipe has it.

    With ``muon_learning_rate`` the matrices between layers are left to Muon (Jordan et al. 2024,
    https://kellerjordan.github.io/posts/muon/), its updates scaled to the size of AdamW's (Liu et al. 2025, arXiv
    2502.16982).

    Attributes:
        learning_rate: Peak of the schedule; fine-tuning XLM-R takes 1e-5 to 3e-5, the small ``mini`` about 5e-4.
        steps: Optimiser steps after which the rate is zero; None: those that the trainer will take, by its
            ``max_epochs`` or ``max_steps``.
        warmup: Steps in which the rate rises from zero; None: the share ``warmup_ratio`` of all steps.
        warmup_ratio: See ``warmup``.
        weight_decay: Of every weight but biases and norms.
        epsilon: AdamW's.
        max_grad_norm: Longer gradients are cut to this norm.
        seed: Decides, with the number of a step, all random draws of that step.
        budget: Tokens of a micro-batch at the most, padding included; it changes speed and memory, not the result.
        accumulation: Micro-batches of a step in the place of ``budget``.
        muon_learning_rate: Learning rate of Muon; None leaves all weights to AdamW.

    Raises:
        StiltsError: For a number that is out of range.
    """

    learning_rate: float
    steps: int | None = None
    warmup: int | None = None
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    seed: int = 0
    budget: int = 8192
    accumulation: int | None = None
    muon_learning_rate: float | None = None
    warmup_ratio: float = 0.1

    def __post_init__(self) -> None:
        option = "Optimisation.{}".format
        for name in ("epsilon", "max_grad_norm"):
            number(option(name), getattr(self, name), 0, strict=True)
        for name in ("learning_rate", "weight_decay", "warmup_ratio"):
            number(option(name), getattr(self, name), 0)
        check(self.warmup_ratio <= 1, option("warmup_ratio"), self.warmup_ratio, "it is a share, at most 1")
        number(option("muon_learning_rate"), self.muon_learning_rate, 0, optional=True)
        for name, least in (("steps", 1), ("warmup", 0), ("accumulation", 1)):
            whole(option(name), getattr(self, name), least, optional=True)
        whole(option("budget"), self.budget, 1)
        whole(option("seed"), self.seed, 0)


def optimizers(module: nn.Module, setting: Optimisation, steps: int) -> list[dict[str, Any]]:
    """AdamW without decay on biases and norms; the rate rises linearly, then falls linearly to zero.

    Args:
        module: What is trained: its weights that need gradients.
        setting: How.
        steps: The step at which the rate is zero.

    Returns:
        What Lightning's ``configure_optimizers`` returns: AdamW, and Muon where it is asked for.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    seen: set[int] = set()
    if setting.muon_learning_rate:
        embeddings = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
        for part in module.modules():
            if isinstance(part, nn.Linear) and part.weight.requires_grad and id(part.weight) not in embeddings:
                matrices.append(cast(nn.Parameter, part.weight))
        seen = {id(weight) for weight in matrices}
    for part in module.modules():
        for name, weight in part.named_parameters(recurse=False):
            if id(weight) in seen or not weight.requires_grad:
                continue
            seen.add(id(weight))
            exempt = name == "bias" or "norm" in type(part).__name__.lower()
            (plain if exempt else decayed).append(weight)
    groups = [{"params": decayed, "weight_decay": setting.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    found: list[Any] = [torch.optim.AdamW(groups, lr=setting.learning_rate, eps=setting.epsilon, fused=True)]
    if matrices:
        rate_of_muon = setting.muon_learning_rate
        assert rate_of_muon is not None
        decay = setting.weight_decay
        found.append(torch.optim.Muon(matrices, lr=rate_of_muon, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    warmup = setting.warmup if setting.warmup is not None else int(setting.warmup_ratio * steps)

    def rate(step: int) -> float:
        if step < warmup:
            return step / max(1, warmup)
        return max(0.0, (steps - step) / max(1, steps - warmup))

    return [
        {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, rate)}
        for optimizer in found
    ]

"""Encoders that were trained apart, as one: the mean of their weights, task arithmetic, and TIES.

All of them began with the same weights. What a training changed of these is called its *change* here, and a task vector
by Ilharco et al.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open

from stilts_xtreme.core.mixing import Merge

Weights = Callable[[str], torch.Tensor]
"""Gives the weights of a name."""


def saved(folder: Path, prefix: str) -> Weights:
    """The encoder of a saved model, one tensor at a time.

    Args:
        folder: The model's folder.
        prefix: What stands before the names of the encoder's weights in its files.
    """
    index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))["weight_map"]

    def weights(name: str) -> torch.Tensor:
        with safe_open(folder / index[prefix + name], framework="pt") as file:
            found: torch.Tensor = file.get_tensor(prefix + name)
        return found

    return weights


def merge(start: Mapping[str, torch.Tensor], encoders: Sequence[Weights], how: Merge) -> dict[str, torch.Tensor]:
    """The weights of one encoder of several.

    Sums are in 64 bits and in the order of the encoders. With W the weights that all began with, and D_i the change of
    encoder i of n:

    - ``mean``: W + (D_1 + ... + D_n) / n, which is the mean of their weights (Wortsman et al. 2022, arXiv 2203.05482).
    - ``task_arithmetic``: W + scale * (D_1 + ... + D_n) (Ilharco et al. 2023, arXiv 2212.04089).
    - ``ties``: of each D_i only the largest values stay, by their absolute value, the share ``density`` of those that
      are not zero; the sign of each weight is that of the sum of what stayed; and the mean of the values with this sign
      times ``scale`` is added to W (Yadav et al. 2023, arXiv 2306.01708). The share is of all weights there; here those
      that the training left alone do not count, such as a frozen embedding, as otherwise nothing would be left out.

    Args:
        start: Name -> weights that all trainings began with. What is not a floating-point number is kept.
        encoders: The trained ones.
        how: The method and its numbers.

    Returns:
        Name -> merged weights, in the types of ``start``.
    """
    least = [_threshold(start, encoder, how.density) if how.density is not None else 0.0 for encoder in encoders]
    found = dict(start)
    for name, before in start.items():
        if not before.is_floating_point():
            continue
        changes = [encoder(name).double() - before.double() for encoder in encoders]
        if how.method == "ties":
            kept = [
                torch.where(change.abs() >= limit, change, 0.0) for change, limit in zip(changes, least, strict=True)
            ]
            change = _agreed(kept)
        else:
            change = torch.stack(changes).sum(0)
        scale = how.scale if how.scale is not None else 1 / len(encoders)
        found[name] = (before.double() + scale * change).to(before.dtype)
    return found


def _agreed(changes: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean of the values that have the sign of the sum, place by place; zero where there is none."""
    stacked = torch.stack(list(changes))
    same = (torch.sign(stacked) == torch.sign(stacked.sum(0))) & (stacked != 0)
    return torch.where(same, stacked, 0.0).sum(0) / same.sum(0).clamp(min=1)


def _threshold(start: Mapping[str, torch.Tensor], encoder: Weights, density: float) -> float:
    """The smallest absolute value among the share ``density`` of an encoder's changes, the largest ones."""
    sizes = torch.cat(list(_sizes(start, encoder)))
    if not len(sizes):
        return 0.0
    left_out = len(sizes) - math.ceil(density * len(sizes))
    return float(torch.kthvalue(sizes, left_out + 1).values)


def _sizes(start: Mapping[str, torch.Tensor], encoder: Weights) -> Iterator[torch.Tensor]:
    for name, before in start.items():
        if before.is_floating_point():
            change = (encoder(name).double() - before.double()).abs().ravel()
            yield change[change > 0]

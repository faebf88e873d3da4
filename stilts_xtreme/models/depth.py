"""The layers of an encoder, and the lowest of them taken as an encoder of its own."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from transformers import AutoModel

from stilts_xtreme.core.checks import cuttable, refused

OPTION = "model.layers"
DEPENDENT = ("esmc",)
"""Model types whose layers compute something else where there are fewer of them: ESMC scales each by their number."""


def layers_of(base: Any) -> list[nn.ModuleList]:
    """The layers of a base model, the lowest first, wherever its architecture keeps them.

    Returns:
        One list of layers; several where an architecture keeps the parts of its layers apart, as XLM does with
        attention, norms and feed-forward parts; none where layers share their weights, as ALBERT's do.
    """
    count = base.config.num_hidden_layers
    for module in base.modules():
        lists = [child for child in module.children() if isinstance(child, nn.ModuleList) and len(child) == count]
        if lists:
            return lists
    return []


def cut(config: Any, kept: int, place: str) -> Any:
    """Makes a configuration one of the lowest layers alone.

    Args:
        config: Of the whole encoder; changed.
        kept: How many layers are kept.
        place: Where the encoder is, for the sentence.

    Returns:
        The configuration. What it lists layer by layer, such as ``layer_types``, is as long as there are layers.

    Raises:
        StiltsError: The encoder has fewer layers, or no layers that can be left out.
    """
    depth, kind = getattr(config, "num_hidden_layers", None), config.model_type
    if not isinstance(depth, int):
        raise refused(OPTION, kept, f"the config.json of {place} ({kind}) does not say how many layers there are")
    cuttable(OPTION, kept, depth, place)
    if not _has_layers(config) or kind in DEPENDENT or getattr(config, "num_hidden_groups", depth) != depth:
        why = f"the layers of {kind} share weights or depend on how many there are; take null for all of them"
        raise refused(OPTION, kept, why)
    for name, value in list(vars(config).items()):
        of_layers = "layer" in name or name == "attention_window"
        if of_layers and isinstance(value, list | tuple) and len(value) == depth:
            setattr(config, name, value[:kept])
    try:
        config.num_hidden_layers = kept
        fits = _has_layers(config)
    except (NotImplementedError, IndexError):  # Funnel counts the layers of its blocks, NeoMME wants one of each kind
        fits = False
    if not fits:
        raise refused(OPTION, kept, f"{kind} cannot be made with so many of its layers; take null for all of them")
    return config


def _has_layers(config: Any) -> bool:
    """Whether an encoder has a list of as many layers as its configuration says; no memory is taken for it."""
    with torch.device("meta"):
        return bool(layers_of(AutoModel.from_config(copy.deepcopy(config))))


def above(names: Iterable[str], kept: int | None) -> set[str]:
    """The names of weights that belong to layers which are not kept; none where all are."""
    if kept is None:
        return set()
    return {name for name in names if any(int(at) >= kept for at in re.findall(r"\.(\d+)\.", name)[:1])}

"""Features of odd text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import HealthCheck, settings

from stilts_xtreme.tasks.options import HeadOptions

TAGS = ("O", "B-X", "I-X", "B-Y")


CLASSES = ("yes", "no", "maybe")


LABELS = {
    "classification": CLASSES,
    "tagging": TAGS,
    "choice": ("0", "1", "2"),
    **dict.fromkeys(("qa", "retrieval", "bitext", "ranking"), ()),
}


def tries(number: int) -> Any:
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def options(**changes: Any) -> HeadOptions:
    return HeadOptions(**{"max_length": 32, "stride": 8, "max_query_length": 12, **changes})


def feature_maker(cls: Any, family: str = "xlm-roberta", **changes: Any) -> Any:
    """A module that can make features and decode, without a network."""
    module = object.__new__(cls)
    torch.nn.Module.__init__(module)
    config = SimpleNamespace(type_vocab_size=2 if family == "bert" else 1)
    module.encoder = SimpleNamespace(config=config)
    module.options = options(**changes)
    module.labels = LABELS[cls.format]
    return module

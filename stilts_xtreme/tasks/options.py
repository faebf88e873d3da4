"""What a user sets of a format, and what of it a module is told. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HeadOptions:
    """What features and decoding depend on beside the rows; see ``conf/config.yaml`` and :class:`specs.Recipe`."""

    max_length: int = 128
    stride: int = 32
    max_query_length: int = 64
    first_token: str = "any"
    n_best: int = 20
    max_answer_length: int = 30
    null_threshold: float | None = None
    layer: int | None = None
    pooling: str = "mean"
    sweep: bool = False
    threshold: float | None = None
    """The least score of a mined pair; None: what validation chose."""


@dataclass(frozen=True)
class OptionGroup:
    """Options of a format that stand together in the configuration, as ``tagging.first_token``.

    Attributes:
        name: The group; several formats may read the same one, and ``evaluation`` has options of its own beside them.
        defaults: Option -> its value where the configuration has none.
        checked: Takes the group's values and whether the data are synthetic, refuses what is out of range, and returns
            the values with ``auto`` resolved.
    """

    name: str
    defaults: Mapping[str, Any]
    checked: Callable[[Mapping[str, Any], bool], dict[str, Any]]

"""Means over seeds, and their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable

T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t at 0.975 for 1 to 10 degrees of freedom (any statistical table); beyond that the normal's 1.96."""


def mean_interval(values: Iterable[float]) -> tuple[float, float | None]:
    """The mean, and half the width of its 95 % interval (Student's t over seeds); None for a single value."""
    found = list(values)
    mean = sum(found) / len(found)
    if len(found) < 2:
        return mean, None
    deviation = math.sqrt(sum((value - mean) ** 2 for value in found) / (len(found) - 1))
    t = T_975[len(found) - 2] if len(found) - 2 < len(T_975) else 1.96
    return mean, t * deviation / math.sqrt(len(found))


def probability(value: float) -> str:
    """A p as it stands in tables and sentences: a small one is no zero."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"

"""What a budget of intermediate training buys: a bigger encoder with fewer rows, or a smaller one with more.

The cost of a training is the number of parameters without the embedding times the examples that it saw, which is in
proportion to its FLOPs. Each encoder has a curve of scores over the cost, with a point for each volume. At a budget
between two volumes, the score lies on the line between their points, over the logarithm of the cost. So the difference
of two encoders at one budget is a weighted sum of the scores of cells, with the interval of such a sum.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stilts_xtreme.core.text import picture
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies.compared import Arm, size_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Key = tuple[str, str]
ALIKE = 0.05
"""Logarithms of costs that are no further apart count as one: rows and steps are whole numbers."""


@dataclass(frozen=True)
class Budget:
    """Two encoders, the smaller one first, at one cost.

    Attributes:
        cost: Parameters without the embedding times examples seen.
        encoders: Their names.
        rows: Distinct rows that the budget pays for.
        weights: Arm -> weight in the score of the bigger encoder less that of the smaller one.
    """

    cost: float
    encoders: tuple[str, str]
    rows: tuple[float, float]
    weights: Mapping[Key, float]

    @property
    def name(self) -> str:
        """What it is, for a contrast."""
        return f"{self.encoders[1]} less {self.encoders[0]}, budget {self.cost:.3g}"


def cost_of(arm: Arm) -> float:
    """Parameters without the embedding times examples that were seen: in proportion to the FLOPs of the training."""
    trained = arm.first["scale"]["intermediate"]
    passes = trained["steps"] / trained["batches"] if trained.get("batches") else 1.0
    return float(size_of([arm]) * trained["examples"] * passes)


def budgets(arms: Mapping[tuple[int, int], tuple[Key, Arm]]) -> list[Budget]:
    """The least, the middle and the largest budget that neighbouring sizes have in common.

    Args:
        arms: (size, examples) -> the arm. Sizes of which the cost does not grow with the volume are passed over.
    """
    curves: dict[int, list[tuple[float, int, Key]]] = {}
    for (size, volume), (key, arm) in sorted(arms.items(), key=lambda item: item[0]):
        curves.setdefault(size, []).append((math.log(cost_of(arm)), volume, key))
    rising = [curve for curve in curves.values() if all(a[0] < b[0] for a, b in itertools.pairwise(curve))]
    found = []
    for small, big in itertools.pairwise(rising):
        low, high = max(small[0][0], big[0][0]), min(small[-1][0], big[-1][0])
        if low > high + ALIKE:
            continue
        for at in ((low + high) / 2,) if high - low < ALIKE else (low, (low + high) / 2, high):
            (rows, own), (fewer, other) = _at(small, at), _at(big, at)
            weights = {**other, **{key: -weight for key, weight in own.items()}}
            found.append(Budget(math.exp(at), (small[0][2][0], big[0][2][0]), (rows, fewer), weights))
    return found


def _at(curve: Sequence[tuple[float, int, Key]], cost: float) -> tuple[float, dict[Key, float]]:
    """Rows and weights of the arms at a place between two of them."""
    for (left, fewer, first), (right, more, second) in itertools.pairwise(curve):
        if cost <= right or second == curve[-1][2]:
            share = min(1.0, max(0.0, (cost - left) / (right - left)))
            rows = math.exp((1 - share) * math.log(fewer) + share * math.log(more))
            return rows, {key: weight for key, weight in ((first, 1 - share), (second, share)) if weight}
    raise AssertionError("a curve has two points at the least")


@dataclass(frozen=True)
class Panel:
    """The curves of one target.

    Attributes:
        title: The target, and what came before it.
        curves: Encoder -> cost -> score.
        none: Encoder -> score without an intermediate task.
    """

    title: str
    curves: Mapping[str, Mapping[float, Gain]]
    none: Mapping[str, Gain]


def draw(panels: Sequence[Panel], synthetic: bool) -> Figure:
    """A panel for each target: scores over the cost of the intermediate training, a curve for each encoder.

    Args:
        panels: The panels.
        synthetic: Whether to say so above them.
    """
    from stilts_xtreme.report.studies.panels import panels as empty  # matplotlib takes half a second

    drawn, places = empty(len(panels), synthetic)
    for place, panel in zip(places, panels, strict=True):
        for number, (encoder, points) in enumerate(panel.curves.items()):
            values = [gain.value for gain in points.values()]
            half = [gain.interval()[1] - gain.value for gain in points.values()]
            color = f"C{number % 10}"
            place.errorbar(list(points), values, half, marker="o", capsize=3, color=color, label=picture(encoder))
            if encoder in panel.none:
                place.axhline(panel.none[encoder].value, color=color, linestyle="dotted", linewidth=1)
        place.set_xscale("log")
        place.set_title(picture(panel.title), fontsize=10)
        place.set_xlabel("parameters x examples seen (dotted: no task)")
        place.set_ylabel("zero-shot score")
        place.legend(fontsize=8)
    return drawn

"""The picture of the study of efficiency: scores by what they cost, and the front of what nothing dominates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure  # without pyplot: no display is asked for

from stilts_xtreme.core.text import picture
from stilts_xtreme.report.studies.prices import DOMINATED, front

Place = tuple[float, float, Sequence[float], Sequence[float]]
"""Cost, score, the quartiles of the cost, and the interval of the score."""


@dataclass(frozen=True)
class Panel:
    """Encoders of one target by one cost.

    Attributes:
        title: The target, and what came before it.
        cost: The name of the cost, with its unit.
        places: Encoder -> where it is.
        standings: Encoder -> whether it is dominated.
    """

    title: str
    cost: str
    places: Mapping[str, Place]
    standings: Mapping[str, str]


def draw(panels: Sequence[Panel], synthetic: bool) -> Figure:
    """A panel for each target and cost: what is shown to be dominated is grey, and a line goes along the front.

    The line is the front of the values themselves; that one of them is off it need not be shown.

    Args:
        panels: The panels.
        synthetic: Whether to say so above them.
    """
    columns = len({panel.cost for panel in panels})
    rows = -(-len(panels) // columns)
    drawn = Figure(figsize=(4.2 * columns, 3.4 * rows), dpi=130, layout="constrained")
    for axes, panel in zip(drawn.subplots(rows, columns, squeeze=False).ravel(), panels, strict=False):
        for name, (cost, score, quartiles, interval) in panel.places.items():
            x = [[max(0.0, cost - quartiles[0])], [max(0.0, quartiles[1] - cost)]]
            y = [[score - interval[0]], [interval[1] - score]]
            color = "darkgrey" if panel.standings[name] == DOMINATED else "tab:blue"
            axes.errorbar([cost], [score], y, x, marker="o", capsize=3, color=color)
            axes.annotate(picture(name), (cost, score), xytext=(4, 4), textcoords="offset points", fontsize=8)
        points = [place[:2] for place in panel.places.values()]
        line = [points[n] for n in front(points)]
        axes.step([x for x, _ in line], [y for _, y in line], where="post", color="tab:blue", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks([x for x, _ in points], [f"{x:.2g}" for x, _ in points], rotation=45)
        axes.minorticks_off()
        axes.set_title(picture(panel.title), fontsize=10)
        axes.set_xlabel(panel.cost)
        axes.set_ylabel("score")
    if synthetic:
        drawn.suptitle("SYNTHETIC data", fontsize=10)
    return drawn

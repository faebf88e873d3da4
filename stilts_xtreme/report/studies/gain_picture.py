"""The picture of studies that follow a gain along an axis, such as sizes of the encoder or numbers of shots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from stilts_xtreme.core.text import picture
from stilts_xtreme.report.families import short
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies.panels import panels as empty


@dataclass(frozen=True)
class Axis:
    """The axis.

    Attributes:
        title: What stands below it.
        place: From a value to its place.
        label: From a value to what stands at its place.
    """

    title: str
    place: Callable[[int], float]
    label: Callable[[int], str]


SIZES = Axis("parameters without the embedding", math.log, short)
SHOTS = Axis("shots of each language", lambda k: math.log(k + 1), str)


def draw(panels: Mapping[str, Mapping[str, Mapping[int, Gain]]], axis: Axis, synthetic: bool) -> Figure:
    """A panel for each target: the gain along the axis with its interval, a line for each intermediate task.

    Args:
        panels: Target -> intermediate task -> value of the axis -> gain.
        axis: The axis.
        synthetic: Whether to say so above them.
    """
    drawn, places = empty(len(panels), synthetic)
    for place, (target, lines) in zip(places, panels.items(), strict=True):
        for task, gains in lines.items():
            half = [gain.interval()[1] - gain.value for gain in gains.values()]
            where = [axis.place(value) for value in gains]
            values = [gain.value for gain in gains.values()]
            place.errorbar(where, values, half, marker="o", capsize=3, label=picture(task))
        place.axhline(0, color="dimgrey", linewidth=0.8)
        ticks = sorted({value for gains in lines.values() for value in gains})
        place.set_xticks([axis.place(value) for value in ticks], [axis.label(value) for value in ticks])
        place.set_title(picture(target), fontsize=10)
        place.set_xlabel(axis.title)
        place.set_ylabel("gain, points")
        place.legend(fontsize=8)
    return drawn

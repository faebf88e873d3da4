"""The picture of the study of saturation: gains by the size of the encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure  # without pyplot: no display is asked for

from stilts_xtreme.core.text import picture
from stilts_xtreme.report.families import short
from stilts_xtreme.report.statistics.gains import Gain


def draw(panels: Mapping[str, tuple[Sequence[int], Mapping[str, Sequence[Gain]]]], synthetic: bool) -> Figure:
    """A panel for each target: the gain by size with its interval, a line for each intermediate task.

    Args:
        panels: Target -> sizes in parameters without the embedding, and intermediate task -> gain at each size.
        synthetic: Whether to say so above them.
    """
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    drawn = Figure(figsize=(4.2 * columns, 3.4 * rows), dpi=130, layout="constrained")
    places = drawn.subplots(rows, columns, squeeze=False).ravel()
    for place, (target, (sizes, lines)) in zip(places, panels.items(), strict=False):
        for task, gains in lines.items():
            half = [gain.interval()[1] - gain.value for gain in gains]
            place.errorbar(sizes, [gain.value for gain in gains], half, marker="o", capsize=3, label=picture(task))
        place.axhline(0, color="dimgrey", linewidth=0.8)
        place.set_xscale("log")
        place.set_xticks(sizes, [short(size) for size in sizes], minor=False)
        place.minorticks_off()
        place.set_title(picture(target), fontsize=10)
        place.set_xlabel("parameters without the embedding")
        place.set_ylabel("gain, points")
        place.legend(fontsize=8)
    for place in places[len(panels) :]:
        place.set_visible(False)
    if synthetic:
        drawn.suptitle("SYNTHETIC data", fontsize=10)
    return drawn

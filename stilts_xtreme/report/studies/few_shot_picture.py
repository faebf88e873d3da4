"""The picture of the study of few-shot transfer: gains by the number of shots."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.figure import Figure  # without pyplot: no display is asked for

from stilts_xtreme.core.text import picture
from stilts_xtreme.report.statistics.gains import Gain


def draw(panels: Mapping[str, Mapping[str, Mapping[int, Gain]]], synthetic: bool) -> Figure:
    """A panel for each target: the gain by the number of shots with its interval, a line for each intermediate task.

    Args:
        panels: Target -> intermediate task -> number of shots -> gain.
        synthetic: Whether to say so above them.
    """
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    drawn = Figure(figsize=(4.2 * columns, 3.4 * rows), dpi=130, layout="constrained")
    places = drawn.subplots(rows, columns, squeeze=False).ravel()
    for place, (target, lines) in zip(places, panels.items(), strict=False):
        ks = sorted({k for gains in lines.values() for k in gains})
        for task, gains in lines.items():
            half = [gain.interval()[1] - gain.value for gain in gains.values()]
            where = [math.log2(k + 1) for k in gains]
            values = [gain.value for gain in gains.values()]
            place.errorbar(where, values, half, marker="o", capsize=3, label=picture(task))
        place.axhline(0, color="dimgrey", linewidth=0.8)
        place.set_xticks([math.log2(k + 1) for k in ks], [str(k) for k in ks])
        place.set_title(picture(target), fontsize=10)
        place.set_xlabel("shots of each language")
        place.set_ylabel("gain, points")
        place.legend(fontsize=8)
    for place in places[len(panels) :]:
        place.set_visible(False)
    if synthetic:
        drawn.suptitle("SYNTHETIC data", fontsize=10)
    return drawn

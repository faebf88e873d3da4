"""Gains by size or by volume as a picture, beside the baseline and its floor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure  # without pyplot: no display is asked for

from stilts_xtreme.core.text import picture
from stilts_xtreme.report.families import Family, Place, short
from stilts_xtreme.report.png import write


def draw(families: Sequence[Family], synthetic: bool, path: Path) -> None:
    """Draws curves as PNG: the whole file or nothing."""
    write(figure(families, synthetic), path)


def figure(families: Sequence[Family], synthetic: bool) -> Figure:
    """Draws curves: a row of panels for all that was held equal, gains on the left, the baseline on the right.

    Bars are intervals over seeds; of a single seed there are none. At an open mark another seed collapsed.

    Args:
        families: The curves.
        synthetic: Whether to say so above them.

    Returns:
        The figure.
    """
    drawn = Figure(figsize=(10.0, 0.6 + 3.3 * len(families)), dpi=160, layout="constrained")
    panels = drawn.subplots(len(families), 2, squeeze=False)
    for family, (gains, base) in zip(families, panels, strict=True):
        every = [place for places in family.lines.values() for place in places]
        for name, places in family.lines.items():
            _line(gains, places, "gain", name)
        gains.axhline(0, color="dimgrey", linewidth=0.8)
        gains.set_title(picture(family.title), fontsize=9)
        gains.set_ylabel("mean gain over none")
        for model in dict.fromkeys(place.point.model for place in every):
            own = [place for place in every if place.point.model == model]
            if every[0].point.axis == "volume":  # it has no volume: the same all along
                label = "no intermediate task" + (f", {model}" if len({p.point.model for p in every}) > 1 else "")
                _line(base, _by_x(own), "baseline", label)
        if every[0].point.axis == "size":
            _line(base, _by_x(every), "baseline", "no intermediate task")
        floors = [place for place in _by_x(every) if place.floor is not None]
        base.plot([p.point.x() for p in floors], [p.floor for p in floors], "k:", linewidth=1.2, label="best floor")
        base.set_title("without an intermediate task", fontsize=9)
        base.set_ylabel("mean zero-shot score")
        for axes in (gains, base):
            axes.set_xscale("log")
            _legend(axes)
            _ticks(axes, every)
    drawn.suptitle(
        ("SYNTHETIC data: " if synthetic else "") + "intermediate training by " + _what(families), fontsize=10
    )
    return drawn


def _what(families: Sequence[Family]) -> str:
    place = next(place for places in families[0].lines.values() for place in places)
    seeds = sorted(
        {seed for family in families for places in family.lines.values() for p in places for seed in p.seeds}
    )
    over = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed, no interval"
    return ("size of the encoder" if place.point.axis == "size" else "volume of its rows") + f", {over}"


def _by_x(places: Sequence[Place]) -> list[Place]:
    found = {place.point.x(): place for place in places}
    return [found[x] for x in sorted(x for x in found if x is not None)]


def _line(axes: Any, places: Sequence[Place], column: str, name: str) -> None:
    known = [(place, value) for place in places if (value := getattr(place, column)) is not None]
    xs = [place.point.x() for place, _ in known]
    means, halves = [mean for _, (mean, _) in known], [half for _, (_, half) in known]
    (line,) = axes.plot(xs, means, "o-", markersize=4, linewidth=1.4, label=picture(name))
    bars = [(x, mean, half) for x, mean, half in zip(xs, means, halves, strict=True) if half is not None]
    if bars:
        axes.errorbar(*zip(*[bar[:2] for bar in bars], strict=True), yerr=[bar[2] for bar in bars], fmt="none",
                      ecolor=line.get_color(), elinewidth=0.8, capsize=2)  # fmt: skip
    fallen = [(x, mean) for (place, _), x, mean in zip(known, xs, means, strict=True) if place.collapsed]
    if fallen and column == "gain":
        axes.plot(*zip(*fallen, strict=True), "o", markersize=4, markerfacecolor="white", color=line.get_color())


def _legend(axes: Any) -> None:
    """Names all curves; matplotlib by itself leaves out a name that begins with an underscore."""
    lines = [line for line in axes.get_lines() if not re.fullmatch(r"_child\d+", str(line.get_label()))]
    if lines:
        labels = [re.sub("^_", "\u200a_", str(line.get_label())) for line in lines]  # a thin space
        axes.legend(lines, labels, fontsize=7)


def _ticks(axes: Any, places: Sequence[Place]) -> None:
    """Encoders by name and size; examples by their number, where there are not too many numbers."""
    xs = {x: place.point for place in places if (x := place.point.x()) is not None}
    axes.minorticks_off()
    if places[0].point.axis == "size":
        axes.set_xticks(list(xs), [f"{picture(point.model)}\n{short(x)}" for x, point in xs.items()], fontsize=7)
        axes.set_xlabel("parameters of the encoder")
        return
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if len(xs) <= 8:
        axes.set_xticks(list(xs))
    axes.set_xlabel("intermediate examples")

"""Points grouped into curves: which places belong together because the same was held equal in their training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.labels import BASELINE
from stilts_xtreme.report.points import AXES, Point


@dataclass(frozen=True)
class Place:
    """A place on a curve.

    Attributes:
        point: One of its points, for what they have in common.
        gain: Mean gain over the targets and half its interval over seeds; None where no seed has all targets.
        baseline: The same of the baseline's score.
        floor: Mean floor over the targets.
        seeds: Seeds that have all targets.
        collapsed: Whether one of its trainings collapsed or found nothing; its seed is not in the means.
    """

    point: Point
    gain: tuple[float, float | None] | None
    baseline: tuple[float, float | None] | None
    floor: float | None
    seeds: tuple[int, ...]
    collapsed: bool


@dataclass(frozen=True)
class Family:
    """The curves along which the same was held equal.

    Attributes:
        held: What, a key of :data:`stilts_xtreme.report.scaling.MEANING`.
        title: The same, with how much.
        lines: Intermediate task -> its places, in the order of the axis.
    """

    held: str
    title: str
    lines: dict[str, list[Place]]


def agreeing(ranges: Sequence[tuple[float, float]]) -> list[list[int]]:
    """The largest groups of ranges that have a value in common, each by positions; a range is without its end.

    Of a range whose ends are one value that value is a part.
    """
    groups = [
        [at for at, (low, high) in enumerate(ranges) if low <= value < high or low == value]
        for value in sorted({low for low, _ in ranges})
    ]
    return [group for group in groups if not any(set(group) < set(other) for other in groups)]


def families(found: Sequence[Point]) -> list[Family]:
    """Groups points into curves.

    Args:
        found: Points of one axis.

    Returns:
        The curves, those with equal tokens or steps first. Where nothing was held equal along a whole curve, it is one
        of ``as trained``.

    Raises:
        StiltsError: When two cells are the same place of a curve with the same target and seed.
    """
    known: dict[tuple[Any, ...], Point] = {}
    settings: dict[tuple[Any, ...], Point] = {}
    for point in found:
        other = known.setdefault((*point.trained(), point.target, point.seed), point)
        if other is point and point.setting:  # at another point or with another seed
            same = settings.setdefault((*point.encoder(), point.target), point)
            other = same if same.setting != point.setting else point
        if other is not point:
            raise StiltsError(
                f"The cells {other.cell} and {point.cell} stand on the same curve, but their settings "
                "differ; curves compare cells that differ in nothing but size, volume and budget."
            )
    targets = sorted({point.target for point in found})
    made: dict[tuple[str, str], dict[str, list[Place]]] = {}
    several = len({point.model for point in found}) > 1
    lines: dict[str, dict[tuple[Any, ...], list[Point]]] = {}
    for point in found:
        if point.intermediate != BASELINE and point.x() is not None:
            name = f"{point.model}, {point.intermediate}" if point.axis == "volume" and several else point.intermediate
            lines.setdefault(name, {}).setdefault(point.trained(), []).append(point)
    for name, by_place in lines.items():
        places = sorted(by_place.values(), key=lambda group: (group[0].x(), group[0].steps or 0))
        for held, title, label, group in _curves(name, [place[0] for place in places]):
            curve = [_place(places[at], found, targets) for at in group]
            made.setdefault((held, title), {})[label] = curve
    order = [*AXES["size"], *AXES["volume"], "as trained"]
    return [Family(held, title, made[held, title]) for held, title in sorted(made, key=lambda k: order.index(k[0]))]


def _curves(name: str, places: Sequence[Point]) -> list[tuple[str, str, str, list[int]]]:
    """What is held equal, a title, a label and the positions of each curve through the places of one line."""
    axis, whole = places[0].axis, {place.x() for place in places}
    curves: list[tuple[str, str, str, list[int]]] = []
    for held in AXES[axis]:
        known = [(at, found) for at, place in enumerate(places) if (found := place.range(held))]
        for group in agreeing([found for _, found in known]):
            positions = [known[at][0] for at in group]
            budget = max(known[at][1][0] for at in group)
            much = f"{short(round(budget))} tokens" if held == "equal tokens" else f"{budget:.2g} FLOPs"
            title, label = f"{held}: {much}", name
            if axis == "volume":
                title, label = held, f"{name}, {round(budget):,} steps" if held == "equal steps" else name
            if len({places[at].x() for at in positions}) > 1:
                curves.append((held, title, label, positions))
    # what is a part of another curve is one by chance, as where few rows are one batch
    curves = [
        curve
        for at, curve in enumerate(curves)
        if not any(
            set(curve[3]) < set(other[3]) or (set(curve[3]) == set(other[3]) and n < at)
            for n, other in enumerate(curves)
        )
    ]
    complete = any({places[at].x() for at in curve[3]} == whole for curve in curves)
    if not complete and (len(places) == len(whole) or not curves):
        return [("as trained", "as trained", name, list(range(len(places))))]
    return curves


def _place(own: Sequence[Point], found: Sequence[Point], targets: Sequence[str]) -> Place:
    encoder = own[0].encoder()
    same = [point for point in found if point.encoder() == encoder]
    gains = _over_targets(own, "gain", targets)
    bases = _over_targets(same, "baseline", targets)
    floors = {point.target: point.floor for point in same if point.floor is not None}
    return Place(
        point=own[0],
        gain=mean_interval(gains.values()) if gains else None,
        baseline=mean_interval(bases.values()) if bases else None,
        floor=fmean(floors.values()) if len(floors) == len(targets) else None,
        seeds=tuple(sorted(gains)),
        collapsed=any(point.collapsed for point in own),
    )


def _over_targets(found: Iterable[Point], column: str, targets: Sequence[str]) -> dict[int, float]:
    """Seed -> the mean over all targets, of the seeds that have them all."""
    by_seed: dict[int, dict[str, float]] = {}
    for point in found:
        if (value := getattr(point, column)) is not None:
            by_seed.setdefault(point.seed, {})[point.target] = value
    return {seed: fmean(values.values()) for seed, values in by_seed.items() if len(values) == len(targets)}


def short(number: int | None) -> str:
    """A number of parameters or tokens to three digits, as in 1.35M; empty where it is not known."""
    if number is None:
        return ""
    return f"{number / 1e6:.3g}M" if number < 1e9 else f"{number / 1e9:.3g}B"

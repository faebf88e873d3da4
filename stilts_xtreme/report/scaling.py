"""Gain of intermediate training by the size of the encoder or the volume of its rows: a table and curves.

The sweeps ``+study=sizes`` and ``+study=volumes`` end with this report. Whatever they held equal is found in what was
trained, so that the points of several sweeps may be put together:

  python -m stilts_xtreme.report.scaling outputs/studies/sizes-... outputs/studies/sizes-... --output FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.report.matrix import BASELINE, mean_interval
from stilts_xtreme.report.points import AXES, POINTS, Point, read, table, together

MEANING = {
    "equal tokens": "every encoder was pretrained on as many tokens; the larger ones cost more",
    "equal compute": "every encoder was pretrained at the same cost; the smaller ones saw more tokens",
    "equal steps": "every volume was trained for as many steps, the same compute; a small one has fewer distinct rows, "
    "which come again more often",
    "equal passes": "every row was seen as often; a small volume is trained for fewer steps",
    "as trained": "nothing is equal at all points",
}


@dataclass(frozen=True)
class Place:
    """A place on a curve.

    Attributes:
        point: One of its points, for what they have in common.
        gain: Mean gain over the targets and half its interval over seeds; None where no seed has all targets.
        baseline: The same of the baseline's score.
        floor: Mean floor over the targets.
        seeds: Seeds that have all targets.
        collapsed: Whether one of its trainings collapsed.
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
        held: What, one of ``MEANING``.
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
    for point in found:
        other = known.setdefault((*point.trained(), point.target, point.seed), point)
        if other is not point:
            raise StiltsError(
                f"{other.cell} and {point.cell} are the same place of a curve with other settings; curves compare "
                "cells that differ in size, volume and their budget alone."
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


def markdown(found: Sequence[Point], grouped: Sequence[Family]) -> str:
    """The table, a line for each place of each curve."""
    if not grouped:
        return "No cell has an intermediate task and a known place on this axis, so there is no curve.\n"
    axis, seeds = found[0].axis, sorted({point.seed for point in found})
    over = f"seeds {', '.join(map(str, seeds))}; ± is a 95 % interval over seeds (Student's t)"
    about = over if len(seeds) > 1 else f"seed {seeds[0]} alone: no interval"
    what = "the size of the encoder" if axis == "size" else "the volume of intermediate rows"
    parts = ["**Synthetic data: of no meaning beyond this program.**"] if any(p.synthetic for p in found) else []
    parts.append(
        f"Gain over no intermediate task by {what}: the mean over {', '.join(sorted({p.target for p in found}))} of "
        f"zero-shot means; {about}. None: the score "
        "without an intermediate task; floor: the mean of the best scores without a model. † a training collapsed."
    )
    sized = "parameters | without embedding | tokens | FLOPs | intermediate"
    titles = (
        f"| encoder | {sized if axis == 'size' else 'intermediate | examples | steps | passes'} | gain | none | floor |"
    )
    if any(point.flops for point in found) and axis == "size":
        parts.append("Tokens and FLOPs of pretraining are those of text that was seen; a budget pays for padding too.")
    for family in grouped:
        lines = [titles, "|" + "---|" * (titles.count("|") - 1)]
        lines += [_line(place, axis) for places in family.lines.values() for place in places]
        parts += [f"**{family.title}** ({MEANING[family.held]})", "\n".join(lines)]
    places = [place for family in grouped for curve in family.lines.values() for place in curve]
    lacking = sorted({f"{p.point.model}, {p.point.intermediate}" for p in places if len(p.seeds) < len(seeds)})
    if lacking:
        parts.append(f"Means are over the seeds that have all targets; some have not: {'; '.join(lacking)}.")
    return "\n\n".join(parts) + "\n"


def _line(place: Place, axis: str) -> str:
    point = place.point
    if axis == "size":
        cells = [*map(short, (point.parameters, point.body, point.tokens)), f"{point.flops:.2g}" if point.flops else ""]
        cells.append(point.intermediate)
    else:
        passes = f"{point.steps / point.batches:.3g}" if point.steps and point.batches else ""
        cells = [point.intermediate, _count(point.examples), _count(point.steps), passes]
    cells += [_score(place.gain, "+") + ("†" if place.collapsed else ""), _score(place.baseline, "")]
    return "| " + " | ".join([point.model, *cells, "" if place.floor is None else f"{place.floor:.1f}"]) + " |"


def short(number: int | None) -> str:
    """A number of parameters or tokens to three digits, as in 1.35M; empty where it is not known."""
    if number is None:
        return ""
    return f"{number / 1e6:.3g}M" if number < 1e9 else f"{number / 1e9:.3g}B"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _score(found: tuple[float, float | None] | None, sign: str) -> str:
    if found is None:
        return ""
    mean, half = found
    return f"{mean:{sign}.1f}" + (f" ±{half:.1f}" if half is not None else "")


def write(found: Sequence[Point], folder: Path) -> str:
    """Writes ``scaling.md``, ``scaling.csv`` and ``scaling.png``.

    Args:
        found: Points of one axis.
        folder: Made if it is not there.

    Returns:
        The text of the first.

    Raises:
        StiltsError: When two cells are the same place of a curve; the second file is written all the same.
    """
    from stilts_xtreme.report.curves import draw

    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / POINTS, table(found))
    grouped = families(found)
    text = markdown(found, grouped)
    write_atomic(folder / "scaling.md", text)
    if grouped:
        draw(grouped, any(point.synthetic for point in found), folder / "scaling.png")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the points of several sweeps together."""
    parser = argparse.ArgumentParser("python -m stilts_xtreme.report.scaling", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of a study by size or by volume")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where table and picture go")
    options = parser.parse_args(arguments)
    try:
        print(write(together(read(folder / POINTS) for folder in options.folders), options.output))
        print(f"table, points and picture: {options.output}")
    except StiltsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

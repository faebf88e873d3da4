"""What the study of saturation finds for a target, as tables, lines and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stilts_xtreme.report.families import short
from stilts_xtreme.report.intervals import probability
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies.compared import TargetArms
from stilts_xtreme.report.studies.conclusion import Table, corrected, shown, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TREND = "trend"
ALL = "mean of the tasks"


@dataclass(frozen=True)
class Curve:
    """The gains of one target by size, averaged over the intermediate tasks.

    Attributes:
        target: Its arms.
        sizes: Encoder -> parameters without the embedding, the smallest first.
        before: The intermediate tasks that all sizes have.
        found: Name of a contrast -> language or mean -> value. Names are ``gain ENCODER``, ``step A > B``, and
            :data:`TREND`, the fitted change from the smallest size to the largest.
        over: Kind of control, such as ``placebo`` -> the same of gains over that control, without steps: averaged over
            the tasks that have it at all sizes.
    """

    target: TargetArms
    sizes: Mapping[str, int]
    before: Sequence[str]
    found: Mapping[str, Mapping[str, Gain]]
    over: Mapping[str, Mapping[str, Mapping[str, Gain]]]


def gains(curves: Sequence[Curve]) -> Table:
    """The gain at each size, over no intermediate task and over each control, and what it changes by over all sizes."""
    lines = []
    for curve in curves:
        mean = next(iter(curve.target.means))
        places = [(task or ALL, curve.found, f"{task}, " if task else "") for task in (None, *curve.before)]
        for kind, own in curve.over.items():
            tasks = [
                task for task in curve.before if all((e, f"{kind}({task})") in curve.target.arms for e in curve.sizes)
            ]
            places.append((f"{', '.join(tasks)}: over its {kind}", own, ""))
        for name, found, lead in places:
            by_size = "; ".join(
                f"{encoder} ({short(size)}) {shown(found[f'{lead}gain {encoder}'][mean])}"
                for encoder, size in curve.sizes.items()
            )
            lines.append([curve.target.name, name, by_size, shown(found[lead + TREND][mean])])
    caption = (
        "Gain over no intermediate task by size, or over a control, zero-shot mean, in points with intervals of 95 %. "
        "In round brackets: parameters without the embedding. Change: from the smallest to the largest size, by a line "
        "over the logarithm of the size."
    )
    return Table(caption, ("target", "after", "gain by size", "change"), lines)


def steps(curves: Sequence[Curve]) -> Table:
    """What the gain changes by from each size to the next."""
    lines = []
    for curve in curves:
        mean = next(iter(curve.target.means))
        changes = {name: by[mean] for name, by in curve.found.items() if name.startswith("step ")}
        holm = corrected(changes)
        for name, gain in changes.items():
            p = probability(holm[name]) if name in holm else ""
            lines.append([curve.target.name, name.removeprefix("step "), shown(gain), p])
    caption = "What the gain changes by from each size to the next; p after Holm's correction over a target's steps."
    return Table(caption, ("target", "sizes", "change of the gain", "p"), lines)


def rows(curve: Curve) -> list[dict[str, Any]]:
    """The lines of ``study.csv``."""
    about = {"target": curve.target.name}
    named = [*curve.found.items()]
    named += [(f"over {kind}, {name}", by) for kind, own in curve.over.items() for name, by in own.items()]
    return [row for name, by in named for row in tidy({**about, "contrast": name}, by)]


def draw(curves: Sequence[Curve], synthetic: bool) -> Figure:
    """The gain of each task by size, a panel for each target."""
    from stilts_xtreme.report.studies import gain_picture  # matplotlib takes half a second

    panels = {}
    for curve in curves:
        mean = next(iter(curve.target.means))
        sizes = curve.sizes.items()
        panels[curve.target.name] = {
            task: {size: curve.found[f"{task}, gain {name}"][mean] for name, size in sizes} for task in curve.before
        }
    return gain_picture.draw(panels, gain_picture.SIZES, synthetic)

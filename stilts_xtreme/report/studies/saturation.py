"""Does the gain of an intermediate task shrink or stop to grow as the encoder grows?

Three or four sizes cannot tell one curve from another. So nothing is fitted. What is asked instead: does the gain
change from each size to the next, and does it rise or fall over all of them? All sizes answered the same test rows, so
the contrasts are paired, as the gains are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.evidence import EVERY
from stilts_xtreme.report.labels import BASELINE, CONTROLS
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies import saturation_tables
from stilts_xtreme.report.studies.compared import (
    Arm,
    TargetArms,
    answered,
    gather,
    no_baseline,
    size_confounds,
    size_of,
)
from stilts_xtreme.report.studies.conclusion import Conclusion, Planned, corrected, decided
from stilts_xtreme.report.studies.saturation_tables import TREND, Curve

QUESTION = "Does the gain from English intermediate training diminish or saturate as the encoder grows?"
GROWING, DIMINISHING, FLAT = "growing", "diminishing", "flat (shown equivalent)"
FROM_TO = "from the smallest to the largest size"
SIZES = 3
"""So many sizes at least: of two there is no trend, only a difference."""
CEILING = 95.0
"""A baseline above so many percent leaves little room for a gain, in points."""

Key = tuple[str, str]


def lacking(planned: Sequence[Planned]) -> str | None:
    """Why planned cells cannot say whether a gain saturates; None where they can."""
    for target in dict.fromkeys(cell.target for cell in planned):
        own = [cell for cell in planned if cell.target == target]
        encoders = list(dict.fromkeys(cell.encoder for cell in own))
        if len(encoders) < SIZES:
            return _few(target, encoders)
        for encoder in encoders:
            if all(cell.before != BASELINE for cell in own if cell.encoder == encoder):
                return no_baseline(encoder, target)
        tasks = [{cell.before for cell in own if cell.encoder == encoder} - {BASELINE} for encoder in encoders]
        if not set.intersection(*tasks):
            return _no_task(target, encoders)
    return None


def _few(target: str, encoders: Sequence[str]) -> str:
    return (
        f"study=saturation: {target} has {len(encoders)} of at least {SIZES} sizes ({', '.join(encoders) or 'none'}); "
        "add more of them, as in model=mini_xs,mini_s,mini or model=me5_small model.layers=3,6,9,12."
    )


def _no_task(target: str, encoders: Sequence[str]) -> str:
    return (
        f"study=saturation: {target} has no intermediate task that is trained with all sizes ({', '.join(encoders)}); "
        "give the same +intermediate= to all of them."
    )


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """The verdicts per target, and per class of languages where there are classes.

    Args:
        cells: Cells of at least three sizes of an encoder, each with and without intermediate tasks.

    Raises:
        StiltsError: Too few sizes, two encoders of one size, or a missing baseline.
    """
    targets, notes = gather(cells, controls=True)
    curves = answered(targets.values(), lambda target: curve_of(target, notes), notes)
    if not curves:
        raise StiltsError(" ".join(["study=saturation: no cell has a score that means something.", *notes[:3]]))
    verdicts = []
    for over in ("", *CONTROLS):  # each corrected apart: that a control was run changes no other answer
        trends = {
            (curve.target.name, mean): found[TREND][mean]
            for curve in curves
            if (found := curve.over.get(over) if over else curve.found)
            for mean in curve.target.means
            if mean != EVERY
        }
        holm = corrected(trends)
        verdicts += [
            decided(
                f"{target}{f' over its {over}' if over else ''}, {mean.removeprefix('mean, ')}",
                gain,
                holm.get((target, mean)),
                FROM_TO,
                (GROWING, DIMINISHING, FLAT),
            )
            for (target, mean), gain in trends.items()
        ]
    synthetic = any(cell.result["synthetic"] for cell in cells)
    return Conclusion(
        question=QUESTION,
        verdicts=verdicts,
        tables=[saturation_tables.gains(curves), saturation_tables.steps(curves)],
        confounds=[*confounds(curves), *notes],
        rows=[row for curve in curves for row in saturation_tables.rows(curve)],
        synthetic=synthetic,
        draw=lambda: saturation_tables.draw(curves, synthetic),
    )


def curve_of(target: TargetArms, notes: list[str]) -> Curve:
    """The contrasts of one target.

    Args:
        target: Its arms.
        notes: Sentences on what is left out; it grows by the sizes that have no gain, where enough others have one.

    Raises:
        StiltsError: Too few sizes, two encoders of one size, or a missing baseline.
    """
    sizes = _sizes(target)
    bare = [encoder for encoder in sizes if (encoder, BASELINE) not in target.arms]
    if bare and len(sizes) - len(bare) < SIZES:
        raise StiltsError(no_baseline(bare[0], target.name))
    why = "as it has no score without an intermediate task"
    notes += [f"{encoder} is left out of {target.name}, {why}." for encoder in bare]
    sizes = {encoder: size for encoder, size in sizes.items() if encoder not in bare}
    target = replace(target, arms={key: arm for key, arm in target.arms.items() if key[0] in sizes})
    encoders, logs = list(sizes), [math.log2(size) for size in sizes.values()]
    by_encoder = {e: {before for own, before in target.arms if own == e} - {BASELINE} for e in sizes}
    common = set.intersection(*by_encoder.values())
    before = sorted(name for name in common if not target.arms[encoders[0], name].first.get("control"))
    if not before:
        raise StiltsError(_no_task(target.name, encoders))
    wanted = {f"gain {encoder}": _sum({encoder: 1.0}, before) for encoder in encoders}
    for small, large in itertools.pairwise(encoders):
        wanted[f"step {small} > {large}"] = _sum({large: 1.0, small: -1.0}, before)
    wanted[TREND] = _sum(dict(zip(encoders, slope(logs), strict=True)), before)
    for task in before:
        wanted |= {f"{task}, gain {encoder}": _sum({encoder: 1.0}, [task]) for encoder in encoders}
        wanted[f"{task}, {TREND}"] = _sum(dict(zip(encoders, slope(logs), strict=True)), [task])
    return Curve(
        target, sizes, before, target.contrasts(wanted), _over_controls(target, logs, encoders, before, common)
    )


def _over_controls(
    target: TargetArms, logs: Sequence[float], encoders: Sequence[str], before: Sequence[str], common: Container[str]
) -> dict[str, dict[str, dict[str, Gain]]]:
    """Gains over the controls of the tasks, where all sizes have them; apart, as a control may have fewer seeds."""
    found = {}
    for kind in CONTROLS:
        tasks = [task for task in before if f"{kind}({task})" in common]
        if tasks:
            wanted = {f"gain {encoder}": _sum({encoder: 1.0}, tasks, kind) for encoder in encoders}
            wanted[TREND] = _sum(dict(zip(encoders, slope(logs), strict=True)), tasks, kind)
            found[kind] = target.contrasts(wanted)
    return found


def slope(logs: Sequence[float]) -> list[float]:
    """Weights of the values whose sum is the change over the whole range, by a least-squares line."""
    middle = sum(logs) / len(logs)
    spread = sum((x - middle) ** 2 for x in logs)
    return [(x - middle) / spread * (logs[-1] - logs[0]) for x in logs]


def _sum(by_encoder: Mapping[str, float], before: Sequence[str], control: str | None = None) -> dict[Key, float]:
    """Weights of gains, averaged over intermediate tasks, as weights of arms.

    Args:
        by_encoder: Encoder -> the weight of its gain.
        before: The intermediate tasks.
        control: The kind of control that gains are taken over; None: over no intermediate task.
    """
    found: dict[Key, float] = {}
    for encoder, weight in by_encoder.items():
        found |= {(encoder, task): weight / len(before) for task in before}
        if control is None:
            found[encoder, BASELINE] = -weight
        else:
            found |= {(encoder, f"{control}({task})"): -weight / len(before) for task in before}
    return found


def _sizes(target: TargetArms) -> dict[str, int]:
    encoders = dict.fromkeys(arm.encoder for arm in target.arms.values())
    sizes = {name: size_of([arm for arm in target.arms.values() if arm.encoder == name]) for name in encoders}
    ordered = dict(sorted(sizes.items(), key=lambda item: item[1]))
    twice = [name for name, size in ordered.items() if list(ordered.values()).count(size) > 1]
    if twice:
        raise StiltsError(
            f"{' and '.join(twice)} have as many parameters, so their order by size is not known; name the sizes of "
            "one family, as in model=me5_small model.layers=3,6,9,12."
        )
    if len(ordered) < SIZES:
        raise StiltsError(_few(target.name, list(ordered)))
    return ordered


def confounds(curves: Sequence[Curve]) -> list[str]:
    """What differs between the sizes beside their size, and what limits a gain."""
    said: dict[str, None] = {}
    for curve in curves:
        arms = [arm for arm in curve.target.arms.values() if not arm.first.get("control")]
        for task in curve.before:
            steps = {_steps_of(arm) for arm in arms if arm.before == task} - {None}
            if len(steps) > 1:
                listed = ", ".join(f"{s:,}" for s in sorted(s for s in steps if s))
                said[f"The sizes were not trained on {task} for as many steps ({listed})."] = None
        said |= dict.fromkeys(size_confounds(curve.target.name, arms))
        for encoder in curve.sizes:
            score = _score(curve.target.arms[encoder, BASELINE])
            if score is not None and score > CEILING:
                said[
                    f"{curve.target.name}: without an intermediate task {encoder} has {score:.1f}, so that a gain has "
                    "little room."
                ] = None
        if not curve.target.by_items:
            name = curve.target.name
            said[f"{name}: there are no answers item by item, so that intervals are over seeds alone."] = None
        shared = set.intersection(*(set(arm.seeds) for arm in arms))
        if len(shared) == 1:
            said[f"{curve.target.name}: one seed alone; its intervals leave out the noise of seeds."] = None
        for kind, own in curve.over.items():
            if len(next(iter(own[TREND].values())).seeds) == 1:
                said[f"{curve.target.name}, over its {kind}: one seed alone; no noise of seeds."] = None
    return list(said)


def _steps_of(arm: Arm) -> int | None:
    found = ((arm.first.get("scale") or {}).get("intermediate") or {}).get("steps")
    return int(found) if found else None


def _score(arm: Arm) -> float | None:
    averages = arm.first["averages"]
    found = averages.get("zero_shot_value", averages.get("all_value"))
    return float(found) if found is not None else None

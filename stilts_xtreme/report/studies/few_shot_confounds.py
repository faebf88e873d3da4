"""What else may explain a change of the gain with shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilts_xtreme.core.shots import number
from stilts_xtreme.report.labels import BASELINE
from stilts_xtreme.report.studies.compared import Arm, TargetArms

USUAL = 5
"""Fewer draws than these are named: Zhao et al. (2021, arXiv 2012.15682) show how far draws differ."""
CEILING = 95.0
"""A baseline above so many percent leaves little room for a gain, in points."""
TRAINED = ("shots.epochs", "shots.learning_rate", "recipe.target.learning_rate", "recipe.target.batch_size")


def confounds(found: Sequence[tuple[TargetArms, str, Mapping[int, Sequence[int]]]]) -> list[str]:
    """Sentences on what differs beside the number of shots, and on what limits a gain.

    Args:
        found: Of each curve the arms of its target, its way of meeting shots, and the draws of each number of shots.
    """
    said: dict[str, None] = {}
    for target, way, draws in found:
        few = {k: len(drawn) for k, drawn in draws.items() if len(drawn) < USUAL}
        if few:
            listed = ", ".join(f"{count} of {number(k)}" for k, count in few.items())
            said[f"{target.name}: fewer than {USUAL} draws ({listed}), and draws differ."] = None
        if way != "joint":
            said["More shots are more steps too, since the number of passes over them is the same."] = None
        arms = list(target.arms.values())
        for option in TRAINED:
            values = {str(v) for arm in arms if (v := _set_to(arm, option, way)) is not None}
            if len(values) > 1:
                listed = ", ".join(sorted(values))
                said[f"{target.name}: cells with shots differ in {option} ({listed}) beside their number."] = None
        high: dict[int, list[float]] = {}
        for arm in arms:
            score = _score(arm)
            if arm.before.startswith(BASELINE) and score is not None and score > CEILING:
                high.setdefault((arm.first.get("shots") or {"k": 0})["k"], []).append(score)
        for k, scores in high.items():
            said[
                f"{target.name}: the score without an intermediate task is {max(scores):.1f} with {number(k)}, "
                "so that a gain has little room."
            ] = None
        if not target.by_items:
            said[
                f"{target.name}: there are no answers item by item, so that intervals are over seeds and draws alone."
            ] = None
        if len(set.intersection(*(set(arm.seeds) for arm in arms))) == 1:
            said[f"{target.name}: one seed alone; its intervals leave out the noise of seeds and of draws."] = None
    return list(said)


def _set_to(arm: Arm, option: str, way: str) -> object:
    """What an arm with shots in some way has of an option; None of others."""
    shots = arm.first.get("shots")
    return (arm.first.get("settings") or {}).get(option) if shots and shots["arm"] == way else None


def _score(arm: Arm) -> float | None:
    averages = arm.first["averages"]
    found = averages.get("zero_shot_value", averages.get("all_value"))
    return float(found) if found is not None else None

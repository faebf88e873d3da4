"""The gains of an intermediate task by the number of shots, and how many shots it is worth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.shots import number, words
from stilts_xtreme.report.evidence import EVERY
from stilts_xtreme.report.labels import BASELINE
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.two_way import Crossed, Noise, crossed, crossing
from stilts_xtreme.report.studies.compared import Arm, TargetArms, no_baseline

DRAWS = 2
"""So many draws at least: of one it is not known how much another one differs."""
BETWEEN = 8
"""Places between two numbers of shots at which a difference is looked at."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Curve:
    """One encoder, target, intermediate task and way of meeting shots.

    Attributes:
        encoder: The encoder.
        target: Its arms.
        task: The intermediate task.
        way: ``after``, ``replay`` or ``joint``.
        draws: Number of shots -> the draws that both arms have.
        gains: Number of shots, 0 among them -> language or mean -> the gain.
        changes: Number of shots -> language or mean -> the gain less the zero-shot gain.
        worth: Mean -> the number of shots that come to the zero-shot score with the task, and its interval; None is
            more than the largest number.
    """

    encoder: str
    target: TargetArms
    task: str
    way: str
    draws: Mapping[int, Sequence[int]]
    gains: Mapping[int, Mapping[str, Crossed]]
    changes: Mapping[int, Mapping[str, Crossed]]
    worth: Mapping[str, tuple[float | None, float, float | None]]

    @property
    def name(self) -> tuple[str, ...]:
        """What tells it from others."""
        return self.encoder, self.task, self.target.name, self.way


def few(target: str, ks: Sequence[int]) -> str:
    """The sentence for a target of which numbers of shots are missing."""
    return (
        f"study=few_shot: {target} has the numbers of shots {', '.join(map(str, ks))}; it needs 0 and another one, as "
        "in shots.k=0,1,5,10."
    )


def one_draw(target: str, k: int) -> str:
    """The sentence for a target with one draw of some shots."""
    return (
        f"study=few_shot: {target} has one draw of {number(k)}, so that the noise of draws is not known; add others, "
        "as in shots.draw=0,1,2,3,4."
    )


def curves_of(target: TargetArms, notes: dict[str, None]) -> list[Curve]:
    """The curves of a target.

    Args:
        target: Its arms.
        notes: Sentences on what is left out; it grows.

    Raises:
        StiltsError: What a curve needs is missing.
    """
    places: dict[tuple[str, str], dict[tuple[str, int, int], Key]] = {}
    for key, arm in target.arms.items():
        shots = arm.first.get("shots")
        place = (shots["arm"], shots["k"], shots["draw"]) if shots else ("", 0, 0)
        places.setdefault((arm.encoder, _plain(arm)), {})[place] = key
    found = []
    for (encoder, task), own in places.items():
        if task == BASELINE:
            continue
        base = places.get((encoder, BASELINE))
        if base is None:
            raise StiltsError(no_baseline(encoder, target.name))
        ways = sorted({way for way, k, _ in own if k} & {way for way, k, _ in base if k})
        if not ways or ("", 0, 0) not in own or ("", 0, 0) not in base:
            raise StiltsError(few(target.name, sorted({k for _, k, _ in own} & {k for _, k, _ in base})))
        for way in ways:
            every = {(k, draw) for w, k, draw in (*own, *base) if w == way}
            both = {(k, draw) for k, draw in every if (way, k, draw) in own and (way, k, draw) in base}
            if every - both:
                notes[f"{task} > {target.name}: {len(every - both)} draws that one arm alone has are left out."] = None
            draws = {k: sorted(draw for n, draw in both if n == k) for k in sorted({k for k, _ in both})}
            for k, drawn in draws.items():
                if len(drawn) < DRAWS:
                    raise StiltsError(one_draw(target.name, k))
            found.append(_curve(encoder, target, task, way, draws, own, base))
    return found


def _plain(arm: Arm) -> str:
    """What came before the target, without the shots."""
    shots = arm.first.get("shots")
    return arm.before.replace(f", {words(shots)}", "", 1) if shots else arm.before


def _curve(
    encoder: str,
    target: TargetArms,
    task: str,
    way: str,
    draws: Mapping[int, Sequence[int]],
    own: Mapping[tuple[str, int, int], Key],
    base: Mapping[tuple[str, int, int], Key],
) -> Curve:
    zero = ("", 0, 0)
    first = {own[zero]: 1.0, base[zero]: -1.0}
    wanted: dict[str, dict[Key, float]] = {"gain 0": first}
    for k, drawn in draws.items():
        gains = [{own[way, k, d]: 1.0, base[way, k, d]: -1.0} for d in drawn]
        wanted |= _each(f"gain {k}", gains)
        wanted |= _each(f"change {k}", [_sum((1.0, gain), (-1.0, first)) for gain in gains])
    ks = [0, *draws]
    every = sorted({d for drawn in draws.values() for d in drawn})
    at: dict[float, list[dict[Key, float]]] = {}
    for left, right in itertools.pairwise(ks):
        common = [d for d in every if all(d in draws[k] for k in (left, right) if k)]
        for step in range(BETWEEN + 1):
            share = step / BETWEEN
            sides = [((1 - share), left), (share, right)]
            at[_log(left) + share * (_log(right) - _log(left))] = [
                _sum(*((w, {base[(way, k, d) if k else zero]: 1.0}) for w, k in sides if w), (-1.0, {own[zero]: 1.0}))
                for d in common
            ]
    for n, weights in enumerate(at.values()):
        wanted |= _each(f"at {n}", weights)
    found = target.contrasts(wanted)
    gains_by_k = {k: _all(found, f"gain {k}", len(drawn)) for k, drawn in draws.items()}
    none = Noise(None, None, None)
    zero_gain = {key: Crossed(gain, none) for key, gain in found["gain 0"].items()}
    changes = {k: _all(found, f"change {k}", len(drawn)) for k, drawn in draws.items()}
    differences = {x: _all(found, f"at {n}", len(weights)) for n, (x, weights) in enumerate(at.items())}
    worth = {
        mean: _of_logs(crossing(list(at), {x: by[mean].gain for x, by in differences.items()}))
        for mean in target.means
        if mean != EVERY
    }
    return Curve(encoder, target, task, way, draws, {0: zero_gain, **gains_by_k}, changes, worth)


def _each(name: str, by_draw: Sequence[Mapping[Key, float]]) -> dict[str, dict[Key, float]]:
    """A contrast with each draw, and with their mean."""
    found = {f"{name}, draw {n}": dict(weights) for n, weights in enumerate(by_draw)}
    return {**found, name: _sum(*((1 / len(by_draw), weights) for weights in by_draw))}


def _all(found: Mapping[str, Mapping[str, Gain]], name: str, draws: int) -> dict[str, Crossed]:
    return {
        key: crossed([found[f"{name}, draw {n}"][key] for n in range(draws)], mean) for key, mean in found[name].items()
    }


def _sum(*parts: tuple[float, Mapping[Key, float]]) -> dict[Key, float]:
    """A weighted sum of weights of arms."""
    found: dict[Key, float] = {}
    for weight, arms in parts:
        for key, value in arms.items():
            found[key] = found.get(key, 0.0) + weight * value
    return found


def _log(k: int) -> float:
    return math.log2(k + 1)


def _of_logs(found: tuple[float | None, float, float | None]) -> tuple[float | None, float, float | None]:
    value, low, high = (None if x is None else 2**x - 1 for x in found)
    return value, low or 0.0, high

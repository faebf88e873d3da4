"""A mean over seeds that are crossed with draws of rows: how much of its noise is of either, and how well it is known.

Every seed met every draw. So a value is a mean, an effect of the seed, one of the draw, and a rest, and the mean
squares of the two-way table tell their variances (Searle, Casella and McCulloch 1992, Variance Components, chapter 4).
The variance of the mean is a sum of mean squares, whose degrees of freedom are Satterthwaite's (1946, Biometrics
Bulletin 2).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.spread import Spread


@dataclass(frozen=True)
class Noise:
    """The standard deviations of the effects in one value, in points; None where there is one of them alone.

    Attributes:
        seeds: Between seeds.
        draws: Between draws.
        rest: What is left.
    """

    seeds: float | None
    draws: float | None
    rest: float | None


@dataclass(frozen=True)
class Crossed:
    """A contrast over seeds and draws.

    Attributes:
        gain: Its mean with the error of items, seeds and draws.
        noise: What its noise is made of.
    """

    gain: Gain
    noise: Noise


def crossed(by_draw: Sequence[Gain], mean: Gain) -> Crossed:
    """The mean of a contrast over seeds and draws.

    Args:
        by_draw: The contrast with each draw, all with the same seeds.
        mean: The contrast with the mean over the draws, for the noise of its items.

    Returns:
        The mean. With one draw, or one seed, its error is that of ``mean``.
    """
    values = np.array([gain.by_seed for gain in by_draw]).T
    seeds, draws = values.shape
    if seeds < 2 or draws < 2:
        only = float(values.std(ddof=1)) if values.size > 1 else None
        return Crossed(mean, Noise(only if draws == 1 else None, only if seeds == 1 else None, None))
    error, df, noise = two_way(values)
    # few items make equal scores of unlike models: what rounding to them adds is in the error over seeds
    error = max(error, mean.spread.seeds)
    by_seed = tuple(map(float, values.mean(1)))
    return Crossed(Gain(float(values.mean()), Spread(mean.spread.items, error, df), mean.seeds, by_seed), noise)


def two_way(values: np.ndarray) -> tuple[float, float, Noise]:
    """The standard error of the mean of a table of seeds and draws, its degrees of freedom, and the noise.

    Args:
        values: One value for each seed and draw [seeds, draws], two of each at the least.
    """
    seeds, draws = values.shape
    middle, by_seed, by_draw = values.mean(), values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    rest = float(((values - by_seed - by_draw + middle) ** 2).sum()) / ((seeds - 1) * (draws - 1))
    of_seeds = float(((by_seed - middle) ** 2).sum()) * draws / (seeds - 1)
    of_draws = float(((by_draw - middle) ** 2).sum()) * seeds / (draws - 1)
    noise = Noise(
        math.sqrt(max(0.0, of_seeds - rest) / draws), math.sqrt(max(0.0, of_draws - rest) / seeds), math.sqrt(rest)
    )
    # mean squares and their degrees of freedom; an effect whose variance would be below zero is taken for none
    effects = [(of_seeds, seeds - 1), (of_draws, draws - 1)]
    kept = [(square, df) for square, df in effects if square > rest]
    left = (rest, (seeds - 1) * (draws - 1))
    kept = [*kept, (-rest, left[1])] if len(kept) == len(effects) else kept or [left]
    total = sum(square for square, _ in kept)
    if total == 0:
        return 0.0, float(left[1]), noise
    return math.sqrt(total / values.size), total**2 / sum(square**2 / df for square, df in kept), noise


def crossing(places: Sequence[float], values: Mapping[float, Gain]) -> tuple[float | None, float, float | None]:
    """Where a difference that grows along an axis comes to zero, with an interval.

    The interval has all places at which a difference of zero is not refuted (as Fieller's for a ratio). A bootstrap
    over three seeds would be too narrow.

    Args:
        places: The axis, from the smallest to the largest.
        values: Place -> the difference there.

    Returns:
        The first place at which it is zero, and the ends of the interval; None: beyond the last place.
    """
    ends = [values[place].interval() for place in places]
    found = _first(places, [values[place].value for place in places])
    low = _first(places, [high for _, high in ends])
    if low is None:  # zero is refuted everywhere: it lies beyond the last place
        return None, places[-1], None
    # from the right, the last place at which zero is not refuted yet
    backwards = _first([-place for place in reversed(places)], [-low for low, _ in reversed(ends)])
    high = None if ends[-1][0] <= 0 else places[0] if backwards is None else -backwards
    return found, low, high


def _first(places: Sequence[float], values: Sequence[float]) -> float | None:
    """The first place at which a line through values comes to zero or is above it; None where it never is."""
    if values[0] >= 0:
        return places[0]
    for (left, low), (right, high) in itertools.pairwise(zip(places, values, strict=True)):
        if low < 0 <= high:
            return left + (right - left) * -low / (high - low)
    return None

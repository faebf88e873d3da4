"""A mean over seeds that are crossed with draws of rows, or with languages: how much of its noise is of either.

Every seed met every draw. So a value is a mean, an effect of the seed, one of the draw, and a rest, and the mean
squares of the two-way table tell their variances (Searle, Casella and McCulloch 1992, Variance Components, chapter 4).
The variance of the mean is a sum of mean squares, whose degrees of freedom are Satterthwaite's (1946, Biometrics
Bulletin 2).

Languages are draws that have a covariate, such as how much text of them an encoder has read. Then the value of a seed
is a line over the languages, and height and slope of this line are random over seeds. The table is complete, so this
mixed model is fitted in closed form: its fixed effects are those of least squares.
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
    total, df = _sum([(of_seeds, seeds - 1), (of_draws, draws - 1)], (rest, (seeds - 1) * (draws - 1)))
    return math.sqrt(total / values.size), df, noise


def _sum(effects: Sequence[tuple[float, int]], rest: tuple[float, int]) -> tuple[float, float]:
    """The sum of two mean squares less that of the rest, and its degrees of freedom.

    Args:
        effects: Mean squares, each with its degrees of freedom; one whose variance would be below zero is taken for
            none.
        rest: The mean square of the rest.
    """
    kept = [(square, df) for square, df in effects if square > rest[0]]
    kept = [*kept, (-rest[0], rest[1])] if len(kept) == len(effects) else kept or [rest]
    total = sum(square for square, _ in kept)
    if total == 0:
        return 0.0, float(rest[1])
    return total, total**2 / sum(square**2 / df for square, df in kept)


@dataclass(frozen=True)
class Line:
    """A contrast over languages, as a line over a covariate.

    Attributes:
        height: At the mean of the covariate, on average over languages.
        slope: What one more of the covariate gives.
        languages: The standard deviation between languages that the line leaves, in points.
        seeds: The standard deviation between seeds of the height, in points.
    """

    height: Gain
    slope: Gain
    languages: float
    seeds: float


def line(by_language: Sequence[Gain], covariate: Sequence[float]) -> Line:
    """A contrast on average over languages like those that were tried, and how it changes with a covariate.

    The mixed model is ``value = height + slope * covariate + language + seed + seed * covariate + rest``, all random
    but height and slope.

    Args:
        by_language: The contrast in each language, all with the same seeds, of which there are two at the least.
        covariate: Of each language; three languages at the least, not all the same.
    """
    values = np.array([gain.by_seed for gain in by_language]).T
    x = np.asarray(covariate, float) - np.mean(covariate)
    seeds, languages, width = *values.shape, float(x @ x)
    heights, slopes = values.mean(1), values @ x / width
    height, slope, means = values.mean(), slopes.mean(), values.mean(0)
    left_over = values - heights[:, None] - np.outer(slopes, x) - (means - height - slope * x)
    rest = float((left_over**2).sum()) / ((seeds - 1) * (languages - 2)), (seeds - 1) * (languages - 2)
    of_languages = float(((means - height - slope * x) ** 2).sum()) * seeds / (languages - 2), languages - 2
    found = []
    for value, by_seed, size in ((height, heights, languages), (slope, slopes, width)):
        of_seeds = float(((by_seed - value) ** 2).sum()) * size / (seeds - 1), seeds - 1
        total, df = _sum([of_languages, of_seeds], rest)
        spread = Spread(0.0, math.sqrt(total / (seeds * size)), df)
        found.append((Gain(float(value), spread, by_language[0].seeds, tuple(map(float, by_seed))), of_seeds[0]))
    between = [
        math.sqrt(max(0.0, square - rest[0]) / n) for square, n in ((of_languages[0], seeds), (found[0][1], languages))
    ]
    return Line(found[0][0], found[1][0], between[0], between[1])


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

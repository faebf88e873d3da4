"""What could have been seen: the smallest gain that these seeds and items show, and the seeds that a gain needs."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from stilts_xtreme.report.statistics.spread import Spread

POWER = 0.8
ALPHA = 0.05

SEED_NOISE = {"xnli": 0.34, "tydiqa": 0.69, "panx": 0.70, "masakhaner2": 2.4}
"""Target -> standard deviation over seeds of the mean over languages, in points, of XLM-R large. UNVERIFIED: reported
for public fine-tunings (Schmidt, Vulić and Glavaš 2023, arXiv 2305.16834 and 2310.10532), not read in the papers."""

_SIMULATED = 4000


def power(effect: float, spread: Spread) -> float:
    """The probability that a true effect is found at p <= 0.05, two-sided, by simulation.

    Every simulated experiment has its own error and its own estimate of the noise of seeds, and is tested as real ones
    are.

    Args:
        effect: The true effect in points.
        spread: The noise, taken as the true one.
    """
    errors, critical = _experiments(round(spread.items, 9), round(spread.seeds, 9), spread.df)
    return float((np.abs(effect + errors) > critical).mean())


def smallest_visible(spread: Spread) -> float:
    """The smallest true effect that these seeds and items show with a probability of 80 %, in points."""
    if spread.error == 0:
        return 0.0
    high = 2 * spread.error
    while power(high, spread) < POWER:
        high *= 2
    return float(optimize.brentq(lambda effect: power(effect, spread) - POWER, 0, high, xtol=spread.error / 500))


@lru_cache(maxsize=8)
def _experiments(items: float, seeds: float, df: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of simulated experiments, and how large an estimate each of them needs to be to be found."""
    rng = np.random.default_rng(0)
    errors = items * rng.standard_normal(_SIMULATED) + seeds * rng.standard_normal(_SIMULATED)
    if not seeds:
        return errors, np.full(_SIMULATED, special.ndtri(1 - ALPHA / 2) * items)
    variance = seeds**2 * rng.chisquare(df, _SIMULATED) / df
    share = 1 - ALPHA / 2  # the quantile of Spread, for all experiments at once
    critical = (items**2 * special.ndtri(share) + variance * special.stdtrit(df, share)) / np.sqrt(items**2 + variance)
    return errors, critical


def seeds_needed(noise: float, effect: float = 1.0) -> int:
    """Seeds of each arm that show a gain with a probability of 80 % at p <= 0.05 (two samples, two-sided t test).

    Args:
        noise: Standard deviation over seeds, in points.
        effect: The true gain, in points.
    """
    if noise <= 0:
        return 2

    def shown(seeds: int) -> bool:
        """By the noncentral t distribution (Cohen 1988, Statistical Power Analysis)."""
        df, shift = 2 * seeds - 2, effect / noise * math.sqrt(seeds / 2)
        critical = special.stdtrit(df, 1 - ALPHA / 2)
        return bool(1 - special.nctdtr(df, shift, critical) + special.nctdtr(df, shift, -critical) >= POWER)

    high = 2
    while not shown(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def seeds_for(spread: Spread, effect: float, most: int = 200) -> int | None:
    """The seeds with which an effect would be seen with a probability of 80 %, the test rows being as many.

    Args:
        spread: The noise with today's seeds.
        effect: In points.
        most: More seeds than these are not tried.

    Returns:
        The smallest number; None where one seed tells nothing of the noise of seeds, or where the noise of the test
        rows alone hides the effect.
    """
    if spread.df < 1:
        return None
    one = spread.seeds * math.sqrt(spread.df + 1)

    def visible(count: int) -> bool:
        return power(effect, Spread(spread.items, one / math.sqrt(count), count - 1)) >= POWER

    if not visible(most):
        return None
    low, high = 1, most  # more seeds never show less
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if visible(middle) else (middle, high)
    return high

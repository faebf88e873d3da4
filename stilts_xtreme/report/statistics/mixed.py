"""Does an intermediate task help, all in all: a mixed model of its gains over targets, languages, items and seeds.

``gain = mean + target + language in target + items in target + seed in target + rest``, all but the mean random. The
mean is the gain on a target that is like those that were tried. Items stand in blocks: a variance component of
thousands of single items is too large to fit, and the mean of a block is nearer to normal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.statistics import crossed
from stilts_xtreme.report.statistics.gains import Arm

BLOCKS = 10
"""Blocks of the items of a target."""
TARGETS = 3
"""Targets that a variance between targets needs at the least."""
AGREE = 0.05
"""How far two optimisers may be apart, in points of the mean and of its error, for the fit to be called stable."""
START = 0.1
"""Where both optimisers begin: the variance of each component, in variances of the rest."""


@dataclass(frozen=True)
class Overall:
    """The gain of an intermediate task over all targets.

    Attributes:
        value: The mean gain on a target like these, in points.
        error: Its standard error.
        targets: How many there are; Student's t has one degree of freedom less.
        deviations: Component -> standard deviation in points: ``target``, ``language``, ``items``, ``seed``, ``rest``.
        checks: What the fit was checked for, a sentence each.
        sound: Whether all checks were passed.
    """

    value: float
    error: float
    targets: int
    deviations: Mapping[str, float]
    checks: tuple[str, ...]
    sound: bool

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The ends of an interval that covers the true mean with a probability."""
        half = float(special.stdtrit(self.targets - 1, 0.5 + level / 2)) * self.error
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """The two-sided p of no gain and no loss."""
        return float(2 * special.stdtr(self.targets - 1, -abs(self.value) / self.error)) if self.error else 1.0

    def p_beyond(self, region: float) -> float:
        """The p of a true mean of at least ``region`` points, by two one-sided tests (TOST, Schuirmann 1987)."""
        if not self.error:
            return 1.0
        ends = (self.value - region, -region - self.value)
        return float(max(special.stdtr(self.targets - 1, end / self.error) for end in ends))


def blocks(candidate: Arm, baseline: Arm, target: str, parallel: bool, seed: int = 0) -> pd.DataFrame:
    """The gains of one target in blocks of items: columns ``target``, ``language``, ``items``, ``seed``, ``gain``.

    Args:
        candidate: The arm whose gain is asked for.
        baseline: The arm that it is compared with.
        target: The target's name.
        parallel: Whether an id names the same item in all languages.
        seed: Of the division into blocks.
    """
    seeds = sorted(set(candidate) & set(baseline))
    rows = []
    for language in candidate[seeds[0]] if seeds else ():
        ids = sorted({key for arm in (candidate, baseline) for s in seeds for key in arm[s][language].ids})
        rng = np.random.default_rng(seed)  # the same division in every language that has the same ids
        block = dict(zip(ids, rng.permutation(len(ids)) % min(BLOCKS, len(ids)), strict=True))
        name = "" if parallel else language
        for s in seeds:
            sums = np.zeros((2, BLOCKS, 2))
            for n, arm in enumerate((candidate, baseline)):
                part = arm[s][language]
                where = np.array([block[key] for key in part.ids], int)
                np.add.at(sums[n, :, 0], where, part.above)
                np.add.at(sums[n, :, 1], where, part.below)
            whole = (sums[..., 1] > 0).all(0)
            scores = 100 * sums[:, whole, 0] / sums[:, whole, 1]
            for b, gain in zip(np.flatnonzero(whole), scores[0] - scores[1], strict=True):
                rows.append((target, language, f"{name}{b}", s, float(gain)))
    return pd.DataFrame(rows, columns=["target", "language", "items", "seed", "gain"])


def overall(gains: pd.DataFrame) -> Overall:
    """Fits the model by restricted maximum likelihood.

    Args:
        gains: What :func:`blocks` returns, of several targets.

    Raises:
        StiltsError: Fewer than three targets.
    """
    targets = gains["target"].nunique()
    if targets < TARGETS:
        raise StiltsError(
            f"A mean over targets needs at least {TARGETS} of them to know how they differ; here are {targets}."
        )
    names = ["target", *(name for name in ("items", "language", "seed") if _varies(gains, name))]
    if gains["gain"].nunique() == 1:
        value = float(gains["gain"].iloc[0])
        why = ("All gains are the same: they have no noise to judge by.",)
        return Overall(value, 0.0, targets, {}, why, False)
    parts = crossed.sums(gains, names)
    items = names.index("items") if "items" in names else None
    start = np.full(len(names), START)
    fit = crossed.fit(parts, items, start, "gradient")
    again = crossed.fit(parts, items, start, "simplex")
    value, other = fit.point.mean, again.point.mean
    apart = max(abs(value - other), abs(fit.point.error - again.point.error))
    scale = fit.point.scale
    deviations = {name: math.sqrt(r * scale) for name, r in zip(names, fit.ratios.tolist(), strict=True)}
    deviations["rest"] = math.sqrt(scale)
    zero = [name for name, deviation in deviations.items() if deviation < 0.01]
    same = apart < AGREE
    checks = (
        "The optimiser converged." if fit.converged else "The optimiser did NOT converge.",
        f"A second optimiser finds {other:+.2f}, the first one {value:+.2f}: {'the same' if same else 'NOT the same'}.",
        f"At zero: {', '.join(zero)}." if zero else "No component is at zero.",
    )
    return Overall(value, fit.point.error, targets, deviations, checks, fit.converged and same)


def _varies(gains: pd.DataFrame, column: str) -> bool:
    return bool((gains.groupby("target")[column].nunique() > 1).any())

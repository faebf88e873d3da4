"""Does an intermediate task help, all in all: a mixed model of its gains over targets, languages, items and seeds.

``gain = mean + target + language in target + items in target + seed in target + rest``, all but the mean random. The
mean is the gain on a target that is like those that were tried. Items stand in blocks: a variance component of
thousands of single items is too large to fit, and the mean of a block is nearer to normal.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.statistics.gains import Arm

BLOCKS = 10
"""Blocks of the items of a target."""
TARGETS = 3
"""Targets that a variance between targets needs at the least."""
AGREE = 0.05
"""How far two optimisers may be apart, in points, for the fit to be called stable."""


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
    from statsmodels.regression.mixed_linear_model import MixedLM  # takes seconds

    targets = gains["target"].nunique()
    if targets < TARGETS:
        raise StiltsError(
            f"A mean over targets needs at least {TARGETS} of them to know how they differ; here are {targets}."
        )
    components = {name: f"0 + C({name})" for name in ("language", "items", "seed") if _varies(gains, name)}
    data = gains.assign(items=gains["items"].astype(str), seed=gains["seed"].astype(str))
    model = MixedLM.from_formula("gain ~ 1", data, groups="target", re_formula="1", vc_formula=components)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is among the checks below
        # those that follow a gradient come late: they get nowhere where a component is at zero, as often one is
        fit, again = _fit(model, ("powell", "lbfgs", "bfgs")), _fit(model, ("nm",))
    if fit is None:
        return Overall(math.nan, math.nan, targets, {}, ("No optimiser came to an estimate.",), False)
    value, error = float(fit.params["Intercept"]), float(fit.bse["Intercept"])
    other = float(again.params["Intercept"]) if again is not None else math.nan
    deviations = {"target": math.sqrt(max(0.0, float(np.asarray(fit.cov_re)[0, 0])))}
    deviations |= {name: math.sqrt(max(0.0, float(v))) for name, v in zip(model.exog_vc.names, fit.vcomp, strict=True)}
    deviations["rest"] = math.sqrt(float(fit.scale))
    zero = [name for name, deviation in deviations.items() if deviation < 0.01]
    same = abs(value - other) < AGREE and bool(np.isfinite(error))
    checks = (
        "The optimiser converged." if fit.converged else "The optimiser did NOT converge.",
        f"A second optimiser finds {other:+.2f}, the first one {value:+.2f}: {'the same' if same else 'NOT the same'}.",
        f"At zero: {', '.join(zero)}." if zero else "No component is at zero.",
    )
    return Overall(value, error, targets, deviations, checks, bool(fit.converged) and same)


def _fit(model: Any, methods: Sequence[str]) -> Any:
    """The first fit that converges, or the last one that does not; None where every optimiser met a singular matrix."""
    found = None
    for method in methods:
        try:
            found = model.fit(reml=True, method=method, maxiter=2000 if method == "nm" else 500)
        except np.linalg.LinAlgError:  # it tried components so large that nothing else counts
            continue
        if found.converged:
            break
    return found


def _varies(gains: pd.DataFrame, column: str) -> bool:
    return bool((gains.groupby("target")[column].nunique() > 1).any())

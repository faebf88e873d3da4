"""In how many languages a gain holds, and in which: replicability analysis over languages.

Source: Dror, Baumer, Bogomolov and Reichart 2017, "Replicability Analysis for Natural Language Processing"
(TACL 5), after Benjamini and Heller 2008.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from scipy import stats

Name = TypeVar("Name", bound=Hashable)


def partial_conjunction(p_values: Mapping[str, float], at_least: int, independent: bool = False) -> float:
    """The p of "fewer than ``at_least`` languages have an effect".

    Args:
        p_values: Language -> p.
        at_least: u, from 1 to the number of languages.
        independent: Whether the tests are independent. Then Fisher's sum of logarithms is used, else Bonferroni's
            smallest p, which holds under any dependence. Languages share seeds and often items, so they are dependent.

    Returns:
        The p, at most 1.
    """
    ordered = sorted(p_values.values())[at_least - 1 :]
    if independent:
        total = -2 * sum(math.log(max(p, 1e-300)) for p in ordered)
        return float(stats.chi2.sf(total, 2 * len(ordered)))
    return min(1.0, len(ordered) * ordered[0])


def languages_helped(p_values: Mapping[str, float], alpha: float = 0.05, independent: bool = False) -> int:
    """In at least how many languages there is an effect, with an error probability of ``alpha``.

    It is the largest u of which all smaller ones are shown too, so that the ps never fall from one u to the next.
    """
    found = 0
    for u in range(1, len(p_values) + 1):
        if partial_conjunction(p_values, u, independent) > alpha:
            break
        found = u
    return found


def named(p_values: Mapping[str, float], alpha: float = 0.05) -> tuple[str, ...]:
    """The languages that have an effect, by Holm's correction: with probability 1 - ``alpha`` none is named wrongly."""
    return tuple(key for key, p in adjusted(p_values, "holm").items() if p <= alpha)


def adjusted(p_values: Mapping[Name, float], method: str) -> dict[Name, float]:
    """The ps of a family of tests, corrected for their number.

    Args:
        p_values: Name of a test -> p.
        method: ``holm`` (Holm 1979: the probability of one wrong finding) or ``bh`` (Benjamini and Hochberg 1995: the
            share of wrong findings).
    """
    if not p_values:
        return {}
    values = np.array(list(p_values.values()))
    if method == "bh":
        found = stats.false_discovery_control(values, method="bh")
    else:
        order = np.argsort(values, kind="stable")
        found = np.empty(len(values))
        found[order] = np.minimum(1, np.maximum.accumulate(np.arange(len(values), 0, -1) * values[order]))
    return dict(zip(p_values, map(float, found), strict=True))

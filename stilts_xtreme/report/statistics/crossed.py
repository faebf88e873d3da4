"""Restricted likelihood of gains whose targets, languages, items and seeds are random, from counts and sums alone.

In one target the gains ``y`` have the covariance ``s² H``, with ``H = I + sum_k r_k Z_k Z_k'``. ``Z_k`` has a column
for each level of a component: each language, each block of items, each seed, the target itself. It is 1 where a gain
has that level. ``r_k`` is the variance of the component over that of the rest, ``s²``. All that the likelihood needs
of a target are the numbers of gains with each pair of levels, and the sums of gains of each level. So one evaluation
costs as much for ten thousand gains as for a hundred.

``H`` is inverted in two steps by Woodbury's formula. Items are the component with the most levels. Two of its columns
never overlap, so their part is inverted in closed form, and what is left is a small matrix. The restricted likelihood
is that of Harville (1977, JASA 72), with mean and ``s²`` at their best values. Its gradient follows from
``dH/dr_k = Z_k Z_k'``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, optimize

LARGEST = 1e6
"""The largest variance of a component, in variances of the rest, that is looked for."""
FLAT = 1e-3
"""A slope that counts as none: of minus twice the log likelihood, for a component that doubles."""


@dataclass(frozen=True)
class Sums:
    """What the likelihood needs of one target.

    Attributes:
        gains: The number of gains, their sum, and their sum of squares.
        items: The number of gains of each item [I]; no item where they are no component.
        of_items: The sums of ones and of gains of each item [I, 2].
        pairs: The number of gains of each item and each other level [I, K].
        others: The number of gains of each pair of other levels [K, K].
        of_others: The sums of ones and of gains of each other level [K, 2].
        component: The component of each other level [K]: its position among all components.
    """

    gains: tuple[float, float, float]
    items: np.ndarray
    of_items: np.ndarray
    pairs: np.ndarray
    others: np.ndarray
    of_others: np.ndarray
    component: np.ndarray


@dataclass(frozen=True)
class Point:
    """The model at some ratios.

    Attributes:
        value: Minus twice the restricted log likelihood, but for a constant.
        slope: Its gradient [components].
        mean: The mean that fits best.
        error: The standard error of the mean.
        scale: The variance of the rest.
    """

    value: float
    slope: np.ndarray
    mean: float
    error: float
    scale: float


@dataclass(frozen=True)
class Fit:
    """What an optimiser came to.

    Attributes:
        ratios: The variance of each component, in variances of the rest.
        point: The model there.
        converged: Whether no step from here makes the likelihood larger: every slope is flat, or leads below zero.
    """

    ratios: np.ndarray
    point: Point
    converged: bool


def sums(gains: pd.DataFrame, components: Sequence[str]) -> list[Sums]:
    """What the likelihood needs of each target.

    Args:
        gains: Columns ``target``, ``gain``, and those of the components.
        components: ``target``, ``items`` and other columns.
    """
    found = []
    for _, part in gains.groupby("target", sort=False):
        values = part["gain"].to_numpy(float)
        both = np.stack([np.ones(len(part)), values], axis=1)
        others = [(n, name) for n, name in enumerate(components) if name != "items"]
        marks = [_marks(part[name]) for _, name in others]
        rest = np.concatenate(marks, axis=1)
        items = _marks(part["items"]) if "items" in components else np.zeros((len(part), 0))
        where = np.concatenate([np.full(m.shape[1], n) for (n, _), m in zip(others, marks, strict=True)])
        found.append(
            Sums(
                (float(len(part)), float(values.sum()), float(values @ values)),
                *(items.sum(0), items.T @ both, items.T @ rest, rest.T @ rest, rest.T @ both, where),
            )
        )
    return found


def _marks(levels: pd.Series) -> np.ndarray:
    """Which gain has which level [gains, levels]."""
    codes, names = pd.factorize(levels)
    return np.eye(len(names))[codes]


def at(ratios: np.ndarray, targets: Sequence[Sums], items: int | None) -> Point:
    """The model at some ratios.

    Args:
        ratios: The variance of each component, in variances of the rest [components].
        targets: The targets.
        items: The position of the items among the components, if they are one.
    """
    inner = np.zeros((2, 2))  # of ones and gains, within the inverse of H
    size, determinant = 0.0, 0.0
    trace = np.zeros(len(ratios))
    squares = np.zeros((len(ratios), 2, 2))  # of the sums of ones and gains by level, within the inverse of H
    for one in targets:
        n, total, square = one.gains
        ratio = ratios[items] if items is not None else 0.0
        shrunk = 1 / (1 + ratio * one.items)
        weight = ratio * shrunk
        left = one.pairs * shrunk[:, None]
        # the same sums within the inverse of the items' part
        others = one.others - one.pairs.T @ (one.pairs * weight[:, None])
        of_others = one.of_others - one.pairs.T @ (one.of_items * weight[:, None])
        of_items = one.of_items * shrunk[:, None]
        root = np.sqrt(ratios[one.component])
        factor = linalg.cholesky(np.eye(len(root)) + root[:, None] * others * root, lower=True, check_finite=False)
        right = np.concatenate([others, of_others, left.T], axis=1) * root[:, None]
        solved = linalg.solve_triangular(factor, right, lower=True, check_finite=False)
        k = len(root)
        by_others, by_sums, by_items = solved[:, :k], solved[:, k : k + 2], solved[:, k + 2 :]
        inner += [[n, total], [total, square]] - one.of_items.T @ (one.of_items * weight[:, None]) - by_sums.T @ by_sums
        size += n
        determinant += 2 * float(np.log(np.diag(factor)).sum()) - float(np.log(shrunk).sum())
        of_others = of_others - by_others.T @ by_sums
        np.add.at(trace, one.component, np.diag(others) - (by_others**2).sum(0))
        np.add.at(squares, one.component, of_others[:, :, None] * of_others[:, None, :])
        if items is not None:
            of_items = of_items - by_items.T @ by_sums
            trace[items] += float((one.items * shrunk).sum() - (by_items**2).sum())
            squares[items] += of_items.T @ of_items
    mean = inner[0, 1] / inner[0, 0]
    left_over = max(float(inner[1, 1] - inner[0, 1] * mean), np.finfo(float).tiny)
    scale = left_over / (size - 1)
    turned = np.array([-mean, 1.0])  # gains less their mean
    slope = trace - squares[:, 0, 0] / inner[0, 0] - turned @ squares @ turned / scale
    value = (size - 1) * np.log(scale) + determinant + np.log(inner[0, 0])
    return Point(float(value), slope, float(mean), float(np.sqrt(scale / inner[0, 0])), scale)


def fit(targets: Sequence[Sums], items: int | None, start: np.ndarray, method: str) -> Fit:
    """Looks for the ratios of the largest restricted likelihood.

    Args:
        targets: The targets.
        items: The position of the items among the components, if they are one.
        start: Where to begin [components], above zero.
        method: ``gradient`` (L-BFGS-B) or ``simplex`` (Nelder and Mead, without a gradient).
    """
    ends = [(0.0, LARGEST)] * len(start)
    if method == "gradient":
        limits = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-6}

        def both(ratios: np.ndarray) -> tuple[float, np.ndarray]:
            point = at(ratios, targets, items)
            return point.value, point.slope

        ratios = optimize.minimize(both, start, jac=True, method="L-BFGS-B", bounds=ends, options=limits).x
    else:
        steps = {"maxiter": 2000, "xatol": 1e-4, "fatol": 1e-7}
        # squares instead of bounds, against which a simplex is pressed flat and then sees no way back
        roots = optimize.minimize(
            lambda root: at(root**2, targets, items).value,
            np.sqrt(start),
            method="Nelder-Mead",
            options=steps,
        ).x
        ratios = roots**2
    point = at(ratios, targets, items)
    flat = np.abs(point.slope) * np.maximum(ratios, 1e-3) < FLAT
    converged = bool(np.all(flat | ((ratios == 0) & (point.slope > 0)))) and bool(np.all(ratios < LARGEST))
    return Fit(ratios, point, converged)

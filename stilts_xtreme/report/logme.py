"""How well a linear model on an encoder's vectors would fit labels: the evidence of LogME, without any training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

STEPS = 200
"""Steps of the fixed point at the most; some ten are usual."""
CLOSE = 1e-5
"""Relative change of the ratio of the two precisions at which the fixed point is reached."""


def logme(vectors: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
    """The log maximum evidence of labels given vectors, by label and row (LogME).

    For each label a Bayesian linear regression says how probable its indicator is, with the precisions of noise and
    weights that make it most probable (You et al. 2021, arXiv 2102.11005, algorithm 3 of the longer version, arXiv
    2110.10545: a fixed point).

    Args:
        vectors: A vector for each row [N, H].
        labels: The label of each row [N].

    Returns:
        The mean over labels and rows; the larger, the better. It is comparable among vectors of the same rows.

    Raises:
        ValueError: There are fewer than two labels.
    """
    given, labels = np.asarray(vectors, np.float64), np.asarray(labels)
    kinds = np.unique(labels)
    if len(kinds) < 2:
        raise ValueError("LogME needs rows of at least two labels.")
    left, singular, _ = np.linalg.svd(given, full_matrices=False)
    squares = singular**2
    found = []
    for kind in kinds:
        wanted = (labels == kind).astype(np.float64)
        found.append(_evidence(squares, left.T @ wanted, float(wanted @ wanted), *given.shape))
    return float(np.mean(found))


def _evidence(squares: np.ndarray, along: np.ndarray, whole: float, rows: int, width: int) -> float:
    """The largest log evidence of one regression, by row.

    Args:
        squares: Squares of the singular values of the vectors [K].
        along: What the target is along the left singular vectors [K].
        whole: The square of the target's length.
        rows: N.
        width: H.
    """
    outside = max(whole - float(along @ along), 0.0)  # what no weights can explain
    weights, noise = 1.0, 1.0  # precisions: alpha and beta in the paper
    for _ in range(STEPS):
        ratio = weights / noise
        used = float((squares / (squares + ratio)).sum())
        length = float((squares * along**2 / (squares + ratio) ** 2).sum())
        missed = float((along**2 * (ratio / (squares + ratio)) ** 2).sum()) + outside
        weights, noise = used / max(length, 1e-12), (rows - used) / max(missed, 1e-12)
        if abs(weights / noise - ratio) <= CLOSE * ratio:
            break
    return _log_evidence(squares, along, outside, (rows, width), weights, noise) / rows


def _log_evidence(
    squares: np.ndarray, along: np.ndarray, outside: float, shape: tuple[int, int], weights: float, noise: float
) -> float:
    """The logarithm of the density of the target: a normal one, its weights integrated out."""
    rows, width = shape
    spread = weights + noise * squares
    length = float((squares * along**2 * (noise / spread) ** 2).sum())
    missed = float((along**2 * (weights / spread) ** 2).sum()) + outside
    volume = float(np.log(spread).sum()) + (width - len(squares)) * np.log(weights)
    return 0.5 * float(
        width * np.log(weights)
        + rows * np.log(noise)
        - volume
        - noise * missed
        - weights * length
        - rows * np.log(2 * np.pi)
    )

"""LogME: against the density of a normal distribution, and a search for the best precisions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from stilts_xtreme.report.logme import logme


def by_search(vectors: np.ndarray, labels: np.ndarray) -> float:
    """The mean over labels of the largest density of their indicators, found by a search over both precisions."""
    rows, found = len(vectors), []

    def negative(logs: np.ndarray, wanted: np.ndarray) -> float:
        weights, noise = np.exp(logs)
        spread = np.eye(rows) / noise + vectors @ vectors.T / weights
        return -float(multivariate_normal.logpdf(wanted, np.zeros(rows), spread))

    for kind in np.unique(labels):
        wanted = (labels == kind).astype(float)
        best = min(minimize(negative, start, (wanted,), method="Nelder-Mead").fun for start in ([0.0, 0.0], [3.0, 3.0]))
        found.append(-best / rows)
    return float(np.mean(found))


@pytest.mark.parametrize(("rows", "width"), [(40, 5), (12, 20)])  # more rows than numbers in a vector, and fewer
def test_it_is_the_largest_evidence(rows: int, width: int) -> None:
    generator = np.random.default_rng(rows)
    vectors = generator.normal(size=(rows, width))
    labels = (vectors[:, 0] + 0.5 * generator.normal(size=rows) > 0).astype(int) + (vectors[:, 1] > 1)
    assert logme(vectors, labels) == pytest.approx(by_search(vectors, labels), abs=1e-3)


def test_vectors_that_tell_the_labels_have_more_evidence_than_those_that_do_not() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, size=200)
    noise = generator.normal(size=(200, 16))
    assert (
        logme(noise + 2 * np.eye(16)[labels], labels) > logme(noise + np.eye(16)[labels], labels) > logme(noise, labels)
    )


def test_one_label_has_no_evidence() -> None:
    with pytest.raises(ValueError, match="two labels"):
        logme(np.ones((3, 2)), [1, 1, 1])

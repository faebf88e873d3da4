"""The numbers of the matrix."""

from __future__ import annotations

import pytest
from support.finished import finished

from stilts_xtreme.report.entries import build
from stilts_xtreme.report.matrix import _mean


@pytest.mark.parametrize(
    ("scores", "shown"),
    [((50.0, 50.0, 50.0), "50.0"), ((50.0,), "50.0"), ((49.0, 50.0, 51.0), "50.0 ±2.5")],
)
def test_seeds_that_agree_have_no_interval(scores: tuple[float, ...], shown: str) -> None:
    made = [finished("mini", "none", {"de": value}, seed) for seed, value in enumerate(scores)]
    (entry,) = build([cell.result for cell in made]).entries.values()
    assert _mean(entry, "zero_shot") == shown

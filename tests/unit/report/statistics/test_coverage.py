"""Intervals, tests and power are right as often as they say, on simulated answers with clustered items.

``python -m benchmarks.coverage`` has more experiments.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import SETTINGS, Setting, rates

COUNT = 400


def above(share: float, count: int = COUNT) -> float:
    """A share, and two and a half standard errors of its estimate."""
    return share + 2.5 * (share * (1 - share) / count) ** 0.5


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.words)
def test_the_statistics_are_right_as_often_as_they_say(setting: Setting) -> None:
    found = rates(setting, COUNT, 3)
    assert 1 - above(0.05) <= found["covered"] <= 1 - 0.05 + 0.035, "an interval of 95 %"
    assert found["false"] <= above(0.05)
    assert found["below"] <= above(0.05)
    assert found["family"] <= above(0.05, COUNT // 10)
    assert found["seen"] == pytest.approx(0.8, abs=0.07)
    assert found["nothing"] > 0.75, "it is planted"


def test_a_wrong_pairing_would_be_noticed() -> None:
    """The test above fails for intervals that take the languages of a parallel set as independent."""
    rng = np.random.default_rng(0)
    from benchmarks.coverage import LANGUAGES, arms
    from stilts_xtreme.report.statistics.gains import paired_gains

    held = []
    for draw in range(COUNT):
        after, before, truth = arms(rng, 1, 4, 150, 0.1)
        low, high = paired_gains(after, before, False, {"mean": LANGUAGES}, draws=200, seed=draw)["mean"].interval()
        held.append(low <= truth <= high)
    assert np.mean(held) < 1 - above(0.05)

"""Gains with their intervals, against scipy and against simulated answers whose truth is known."""

import numpy as np
import pytest
from scipy import stats
from support.arms import arms, items_of, no_gain

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.statistics.gains import paired_gains
from stilts_xtreme.report.statistics.spread import Spread
from stilts_xtreme.tasks.metrics import METRICS
from stilts_xtreme.tasks.metrics.items import Items

MEAN = {"mean": ["l0", "l1", "l2", "l3"]}


def test_one_seed_has_the_error_of_a_paired_test_of_rows():
    rng = np.random.default_rng(0)
    after, before = rng.random(800) < 0.6, rng.random(800) < 0.5
    found = paired_gains({0: {"en": items_of(after)}}, {0: {"en": items_of(before)}}, False)["en"]
    rows = 100.0 * after - 100.0 * before
    assert found.value == pytest.approx(rows.mean())
    assert found.spread.error == pytest.approx(stats.sem(rows), rel=0.08)
    assert found.spread.df == 0
    assert found.p == pytest.approx(stats.ttest_rel(after * 1.0, before * 1.0).pvalue, abs=0.01)


def test_seeds_alone_are_student_s_t():
    gains = [3.0, 5.0, 4.0, 9.0]
    after = {s: {"en": Items(["0"], np.array([50 + gain]), np.array([100.0]))} for s, gain in enumerate(gains)}
    before = {s: {"en": Items(["0"], np.array([50.0]), np.array([100.0]))} for s in range(4)}
    found = paired_gains(after, before, False)["en"]
    test = stats.ttest_1samp(gains, 0)
    assert found.interval() == pytest.approx(test.confidence_interval())
    assert found.p == pytest.approx(test.pvalue, rel=1e-4)
    assert found.p_helps == pytest.approx(stats.ttest_1samp(gains, 0, alternative="greater").pvalue, rel=1e-4)


def test_equivalence_is_two_one_sided_tests():
    gains = [0.2, -0.1, 0.15, 0.05]
    whole = np.array([100.0])
    after = {s: {"en": Items(["0"], np.array([50 + gain]), whole)} for s, gain in enumerate(gains)}
    before = {s: {"en": Items(["0"], np.array([50.0]), whole)} for s in range(4)}
    found = paired_gains(after, before, False)["en"]
    above = stats.ttest_1samp(gains, -1, alternative="greater").pvalue
    below = stats.ttest_1samp(gains, 1, alternative="less").pvalue
    assert found.p_beyond(1.0) == pytest.approx(max(above, below), rel=1e-3)
    assert found.p_beyond(1.0) < 0.01 < found.p


def test_a_ratio_is_resampled_as_a_ratio():
    rng = np.random.default_rng(1)
    gold = [["B-A" if rng.random() < 0.3 else "O" for _ in range(5)] for _ in range(150)]
    guess = [[tag if rng.random() < 0.8 else "O" for tag in tags] for tags in gold]
    worse = [[tag if rng.random() < 0.5 else "O" for tag in tags] for tags in gold]
    metric = METRICS["chunk_f1"]
    assert metric.items is not None
    found = paired_gains(
        {0: {"en": metric.items(guess, gold, None)}}, {0: {"en": metric.items(worse, gold, None)}}, False, draws=2000
    )["en"]
    assert found.value == pytest.approx(metric.main_score(guess, gold) - metric.main_score(worse, gold))
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, len(gold), len(gold))
        take = [[side[n] for n in rows] for side in (guess, worse, gold)]
        drawn.append(metric.main_score(take[0], take[2]) - metric.main_score(take[1], take[2]))
    assert found.spread.error == pytest.approx(np.std(drawn), rel=0.12)


@pytest.mark.parametrize(
    ("seeds", "noise", "parallel"), [(1, 0.0, True), (3, 0.0, True), (3, 0.06, True), (5, 0.06, False)]
)
def test_intervals_cover_the_truth_as_often_as_they_say(seeds, noise, parallel):
    rng = np.random.default_rng(7)
    held = []
    for draw in range(250):
        after, before, truth = arms(rng, seeds, 4, 150, 0.1, noise, parallel)
        low, high = paired_gains(after, before, parallel, MEAN, draws=200, seed=draw)["mean"].interval(0.9)
        held.append(low <= truth <= high)
    # nominal 90 %; two standard errors of 250 draws are 3.8 points
    assert 0.9 - 0.038 <= np.mean(held) <= 0.9 + 0.055


def test_languages_of_a_parallel_set_are_no_independent_draws():
    rng = np.random.default_rng(3)
    clustered: list[bool] = []
    independent: list[bool] = []
    for draw in range(150):
        after, before, truth = arms(rng, 1, 4, 150, 0.1)
        for parallel, held in ((True, clustered), (False, independent)):
            low, high = paired_gains(after, before, parallel, MEAN, draws=200, seed=draw)["mean"].interval(0.9)
            held.append(low <= truth <= high)
    assert np.mean(clustered) > 0.85
    assert np.mean(independent) < np.mean(clustered) - 0.05


def test_no_gain_is_rarely_called_one():
    rng = np.random.default_rng(5)
    found = []
    for draw in range(250):
        after, before, truth = arms(rng, 3, 4, 150, no_gain())
        assert truth == pytest.approx(0, abs=1e-9)
        found.append(paired_gains(after, before, True, MEAN, draws=200, seed=draw)["mean"].p <= 0.05)
    assert np.mean(found) <= 0.05 + 0.028  # two standard errors


def test_the_order_of_items_and_seeds_does_not_matter():
    rng = np.random.default_rng(2)
    after, before, _ = arms(rng, 2, 2, 50, 0.2)
    turned = {
        s: {key: Items(part.ids[::-1], part.above[::-1], part.below[::-1]) for key, part in reversed(languages.items())}
        for s, languages in reversed(after.items())
    }
    one, other = paired_gains(after, before, True), paired_gains(turned, before, True)
    assert one["l1"].by_seed == pytest.approx(other["l1"].by_seed)


def test_what_cannot_be_paired_is_refused():
    after = {0: {"en": items_of([1, 0, 1])}, 1: {"en": items_of([1, 1, 1])}}
    with pytest.raises(StiltsError, match="the cell has seed 0, 1, the baseline has seed 2"):
        paired_gains(after, {2: {"en": items_of([1, 0, 1])}}, False)
    with pytest.raises(StiltsError, match="baseline with seed 0 has the languages de, not en"):
        paired_gains(after, {0: {"de": items_of([1, 0, 1])}}, False)
    with pytest.raises(StiltsError, match="answered other items in en: the baseline with seed 0 lacks some of the 3"):
        paired_gains(after, {0: {"en": items_of([1, 0])}}, False)


@pytest.mark.parametrize(("items", "seeds", "df"), [(1, 0, 0), (0, 1, 2), (1, 0.5, 2), (0.3, 1, 4)])
def test_a_spread_is_a_distribution(items, seeds, df):
    spread = Spread(items, seeds, df)
    values = np.linspace(-8, 8, 41)
    shares = [spread.below(value) for value in values]
    assert shares == sorted(shares)
    assert spread.below(0) == 0.5
    for share in (0.001, 0.025, 0.3, 0.975):
        assert spread.below(spread.quantile(share)) == pytest.approx(share, rel=1e-4)
    assert spread.p_value(spread.quantile(0.975)) == pytest.approx(0.05, rel=1e-3)


def test_three_seeds_cover_whatever_the_shares_of_the_two_noises():
    rng = np.random.default_rng(0)
    for ratio in (0.0, 0.3, 1.0, 3.0, 10.0):
        seen = []
        for _ in range(1500):
            error = rng.normal() + rng.normal() * ratio
            spread = Spread(1.0, ratio * (rng.chisquare(2) / 2) ** 0.5, 2)
            seen.append(abs(error) <= spread.quantile(0.975))
        assert 0.935 <= np.mean(seen) <= 0.98, ratio


def test_seeds_that_happen_to_agree_do_not_take_the_noise_of_items_away() -> None:
    """Sixty items of which each seed answers others right, and both seeds with the same gain."""
    rng = np.random.default_rng(0)

    def arm(right: int) -> dict[int, dict[str, Items]]:
        made = {}
        for seed in (0, 1):
            scores = np.zeros(60)
            scores[rng.permutation(60)[:right]] = 1
            made[seed] = {"de": Items([str(n) for n in range(60)], scores, np.ones(60))}
        return made

    found = paired_gains(arm(33), arm(30), False)["de"]
    assert found.by_seed == pytest.approx((5.0, 5.0))
    low, high = found.interval()
    assert low < 0 < high, "sixty items cannot show five points"

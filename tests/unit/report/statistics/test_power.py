"""Power against simulation, and the seeds that published noise asks for."""

import numpy as np
import pytest
from scipy import stats
from support.arms import arms

from stilts_xtreme.report.statistics.gains import paired_gains
from stilts_xtreme.report.statistics.power import SEED_NOISE, power, seeds_needed, smallest_visible
from stilts_xtreme.report.statistics.spread import Spread


def test_items_alone_have_the_normal_s_power():
    spread = Spread(1.3, 0.0, 0)
    z = stats.norm.ppf(0.975)
    for effect in (0.0, 1.0, 3.0):
        wanted = stats.norm.sf(z - effect / 1.3) + stats.norm.cdf(-z - effect / 1.3)
        assert power(effect, spread) == pytest.approx(wanted, abs=0.02)
    assert smallest_visible(spread) == pytest.approx(1.3 * (z + stats.norm.ppf(0.8)), rel=0.03)


def test_seeds_alone_have_student_s_power():
    spread = Spread(0.0, 1.0, 2)
    t = stats.t.ppf(0.975, 2)
    wanted = stats.nct.sf(t, 2, 4.0) + stats.nct.cdf(-t, 2, 4.0)
    assert power(4.0, spread) == pytest.approx(wanted, abs=0.02)
    assert power(smallest_visible(spread), spread) == pytest.approx(0.8, abs=0.01)


def test_the_smallest_visible_gain_is_seen_as_often_as_it_says():
    rng = np.random.default_rng(4)
    after, before, _ = arms(rng, 3, 4, 200, 0.1, 0.04)
    spread = paired_gains(after, before, True, {"mean": list(after[0])})["mean"].spread
    smallest = smallest_visible(spread)
    seen = []
    for _ in range(2000):
        own = Spread(spread.items, spread.seeds * (rng.chisquare(2) / 2) ** 0.5, 2)
        seen.append(own.p_value(smallest + rng.normal(0, spread.error)) <= 0.05)
    assert np.mean(seen) == pytest.approx(0.8, abs=0.03)


def test_no_noise_hides_nothing():
    assert smallest_visible(Spread(0.0, 0.0, 2)) == 0.0
    assert seeds_needed(0.0) == 2


def test_seeds_that_published_noise_asks_for():
    needed = {target: seeds_needed(noise) for target, noise in SEED_NOISE.items()}
    assert needed == {"xnli": 4, "tydiqa": 9, "panx": 9, "masakhaner2": 92}
    found = []
    rng = np.random.default_rng(0)
    for _ in range(3000):
        arms = rng.normal(0, SEED_NOISE["tydiqa"], (2, needed["tydiqa"]))
        found.append(stats.ttest_ind(arms[0] + 1, arms[1]).pvalue <= 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("noise", [0.3, 0.5, 1.0, 2.4, 7.0])
def test_seeds_are_those_of_statsmodels(noise: float) -> None:
    from statsmodels.stats.power import TTestIndPower

    wanted = TTestIndPower().solve_power(effect_size=1 / noise, power=0.8, alpha=0.05)
    assert seeds_needed(noise) == np.ceil(wanted)

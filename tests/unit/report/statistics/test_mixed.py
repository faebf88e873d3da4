"""The mixed model over targets, languages, items and seeds, on gains whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM
from support.arms import arms

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.statistics.gains import paired_gains
from stilts_xtreme.report.statistics.mixed import blocks, overall


def simulated(rng, targets=6, mean=2.0, between=1.5):
    rows = []
    for t in range(targets):
        here = mean + rng.normal(0, between)
        language, items, seed = rng.normal(0, 1, 4), rng.normal(0, 2, 5), rng.normal(0, 1, 3)
        rows += [
            (f"t{t}", f"l{n}", str(b), s, here + language[n] + items[b] + seed[s] + rng.normal(0, 2))
            for n in range(4)
            for b in range(5)
            for s in range(3)
        ]
    return pd.DataFrame(rows, columns=["target", "language", "items", "seed", "gain"])


def test_the_mean_is_found_and_its_interval_covers_it():
    rng = np.random.default_rng(0)
    found = [overall(simulated(rng)) for _ in range(8)]
    assert np.mean([one.value for one in found]) == pytest.approx(2.0, abs=0.6)
    assert sum(one.interval()[0] <= 2.0 <= one.interval()[1] for one in found) >= 7
    assert all(one.sound for one in found)
    assert np.mean([one.deviations["items"] for one in found]) == pytest.approx(2.0, abs=0.5)
    assert found[0].checks[0] == "The optimiser converged."


def test_targets_that_differ_give_a_wider_interval():
    alike = overall(simulated(np.random.default_rng(1), between=0.0))
    unlike = overall(simulated(np.random.default_rng(1), between=6.0))
    assert unlike.error > 2 * alike.error
    assert alike.p < unlike.p


def test_blocks_hold_all_items_once():
    after, before, _ = arms(np.random.default_rng(0), 2, 3, 100, 0.3)
    rows = blocks(after, before, "xnli", parallel=True)
    assert len(rows) == 2 * 3 * 10
    assert set(rows["items"]) == {str(n) for n in range(10)}
    whole = paired_gains(after, before, True)
    means = rows.groupby("language")["gain"].mean()
    assert {key: means[key] for key in means.index} == pytest.approx({key: whole[key].value for key in whole})
    apart = blocks(after, before, "panx", parallel=False)
    assert apart["items"].nunique() == 3 * 10


def test_two_targets_are_too_few():
    with pytest.raises(StiltsError, match="at least 3 of them to know how they differ; here are 2"):
        overall(simulated(np.random.default_rng(0), targets=2))


@pytest.mark.parametrize("failing", [("powell",), ("powell", "lbfgs", "bfgs", "nm")])
def test_an_optimiser_that_meets_a_singular_matrix_is_passed_over(monkeypatch, failing):
    data, plain = simulated(np.random.default_rng(2)), MixedLM.fit
    wanted = overall(data)

    def fit(model, **options):
        if options["method"] in failing:
            raise np.linalg.LinAlgError("Singular matrix")
        return plain(model, **options)

    monkeypatch.setattr(MixedLM, "fit", fit)
    found = overall(data)
    if len(failing) == 1:
        assert found.value == pytest.approx(wanted.value, abs=0.05)
    else:
        assert not found.sound
        assert found.checks == ("No optimiser came to an estimate.",)

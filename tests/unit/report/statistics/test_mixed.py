"""The mixed model over targets, languages, items and seeds, on gains whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from statsmodels.regression.mixed_linear_model import MixedLM
from support.arms import arms

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.statistics import crossed
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


def by_statsmodels(gains):
    """Mean, error and deviations of the same model."""
    names = [name for name in ("language", "items", "seed") if (gains.groupby("target")[name].nunique() > 1).any()]
    parts = {name: f"0 + C({name})" for name in names}
    model = MixedLM.from_formula("gain ~ 1", gains, groups="target", re_formula="1", vc_formula=parts)
    fit = model.fit(reml=True, method="powell")  # others stop where a component is at zero
    variances = {"target": fit.cov_re.iloc[0, 0], **dict(zip(model.exog_vc.names, fit.vcomp, strict=True))}
    variances["rest"] = fit.scale
    return fit.params["Intercept"], fit.bse["Intercept"], {name: v**0.5 for name, v in variances.items()}


def nested(gains):
    return gains.assign(items=gains["language"] + gains["items"])


def with_holes(gains):
    return gains.sample(frac=0.7, random_state=0)


def one_seed(gains):
    return gains[gains["seed"] == 0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", [lambda gains: gains, nested, with_holes, one_seed])
def test_the_estimates_are_those_of_statsmodels(form):
    gains = form(simulated(np.random.default_rng(5)))
    found = overall(gains)
    value, error, deviations = by_statsmodels(gains)
    assert found.value == pytest.approx(value, abs=2e-3)
    assert found.error == pytest.approx(error, rel=0.01)  # that of statsmodels is of a Hessian by differences
    assert found.deviations == pytest.approx(deviations, abs=0.02)
    assert found.sound


NAMES = ("target", "items", "language", "seed")


def matrices(part, ratios):
    """H of one target, written out."""
    marks = [pd.get_dummies(part[name]).to_numpy(float) for name in NAMES]
    return np.eye(len(part)) + sum(ratio * mark @ mark.T for ratio, mark in zip(ratios, marks, strict=True))


@pytest.mark.parametrize("form", [lambda gains: gains, nested, with_holes])
def test_the_likelihood_is_that_of_the_matrices_written_out(form):
    gains = form(simulated(np.random.default_rng(3), targets=3))
    ratios = np.array([0.8, 0.0, 0.3, 1.7])
    parts = [part for _, part in gains.groupby("target")]
    whole = [(np.linalg.inv(matrices(part, ratios)), part["gain"].to_numpy()) for part in parts]
    ones = sum(float(inverse.sum()) for inverse, _ in whole)
    mean = sum(float((inverse @ y).sum()) for inverse, y in whole) / ones
    scale = sum(float((y - mean) @ inverse @ (y - mean)) for inverse, y in whole) / (len(gains) - 1)
    determinant = -sum(np.linalg.slogdet(inverse)[1] for inverse, _ in whole)
    point = crossed.at(ratios, crossed.sums(gains, NAMES), 1)
    assert point.mean == pytest.approx(mean)
    assert point.scale == pytest.approx(scale)
    assert point.error == pytest.approx((scale / ones) ** 0.5)
    assert point.value == pytest.approx((len(gains) - 1) * np.log(scale) + determinant + np.log(ones))


def test_the_slope_is_that_of_the_likelihood():
    sums = crossed.sums(with_holes(simulated(np.random.default_rng(4))), NAMES)
    ratios = np.array([0.4, 0.6, 0.2, 1.1])
    slope = crossed.at(ratios, sums, 1).slope
    for n in range(len(NAMES)):
        step = np.eye(len(NAMES))[n] * 1e-5
        ahead, behind = (crossed.at(ratios + sign * step, sums, 1).value for sign in (1, -1))
        assert slope[n] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)


def test_a_fit_that_stops_too_early_is_told(monkeypatch):
    gains = simulated(np.random.default_rng(2))
    plain = optimize.minimize

    def stopping(*arguments, **options):
        if options["method"] == "L-BFGS-B":
            options["options"] = {"maxiter": 1}
        return plain(*arguments, **options)

    monkeypatch.setattr(optimize, "minimize", stopping)
    found = overall(gains)
    assert not found.sound
    assert found.checks[0] == "The optimiser did NOT converge."


def test_gains_without_noise_are_no_evidence():
    found = overall(simulated(np.random.default_rng(2)).assign(gain=2.0))
    assert (found.value, found.sound, found.p) == (2.0, False, 1.0)
    assert found.checks == ("All gains are the same: they have no noise to judge by.",)

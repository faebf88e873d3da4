"""A contrast over languages as a line over a covariate: against statsmodels, and by the truth of simulations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.spread import Spread
from stilts_xtreme.report.statistics.two_way import line


def simulated(
    rng: np.random.Generator,
    languages: int = 8,
    seeds: int = 3,
    of_languages: float = 2.0,
    of_seeds: float = 1.0,
    of_slopes: float = 0.7,
    rest: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Values [seeds, languages] around 5 + 2 x, and x."""
    x = rng.normal(0, 1, languages)
    values = 5 + 2 * (x - x.mean()) + rng.normal(0, of_languages, (1, languages)) + rng.normal(0, of_seeds, (seeds, 1))
    return values + rng.normal(0, of_slopes, (seeds, 1)) * (x - x.mean()) + rng.normal(0, rest, (seeds, languages)), x


def gains(values: np.ndarray) -> list[Gain]:
    seeds = tuple(range(len(values)))
    return [Gain(float(own.mean()), Spread(0, 0, 1), seeds, tuple(map(float, own))) for own in values.T]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [1, 4, 8])
def test_a_line_is_that_of_statsmodels(seed: int) -> None:
    values, x = simulated(np.random.default_rng(seed), languages=12, seeds=6)
    found = line(gains(values), x)
    table = pd.DataFrame(
        [(1, s, n, x[n] - x.mean(), v) for (s, n), v in np.ndenumerate(values)],
        columns=["one", "seed", "language", "x", "y"],
    )
    parts = {"language": "0 + C(language)", "seed": "0 + C(seed)", "slope": "0 + C(seed):x"}
    model = MixedLM.from_formula("y ~ 1 + x", table, groups="one", vc_formula=parts)
    fit = model.fit(reml=True, method="powell")
    assert found.height.value == pytest.approx(fit.params["Intercept"], abs=1e-4)
    assert found.slope.value == pytest.approx(fit.params["x"], abs=1e-4)
    assert found.height.spread.seeds == pytest.approx(fit.bse["Intercept"], rel=0.02)
    assert found.slope.spread.seeds == pytest.approx(fit.bse["x"], rel=0.02)
    between = dict(zip(model.exog_vc.names, np.sqrt(fit.vcomp), strict=True))
    assert (found.languages, found.seeds) == pytest.approx((between["language"], between["seed"]), rel=0.02)


@pytest.mark.parametrize(
    "noise",
    [
        {},
        {"of_languages": 0.0},
        {"of_seeds": 0.0, "of_slopes": 0.0},
        {"of_languages": 0.0, "of_seeds": 0.0, "of_slopes": 0.0},
        {"of_languages": 0.3, "of_seeds": 3.0, "of_slopes": 2.0},
    ],
)
def test_intervals_of_a_line_cover_the_truth(noise: dict[str, float]) -> None:
    rng = np.random.default_rng(3)
    covered = np.zeros(2)
    for _ in range(400):
        values, x = simulated(rng, **noise)
        found = line(gains(values), x)
        for n, (value, truth) in enumerate(((found.height, 5), (found.slope, 2))):
            low, high = value.interval()
            covered[n] += low <= truth <= high
    assert (covered / 400 >= 0.917).all(), "three deviations of a binomial below 95 % are 91.7 %"


def test_values_without_noise_have_no_width() -> None:
    x = np.array([0.0, 1.0, 2.0])
    found = line(gains(np.tile(4 + 3 * x, (2, 1))), x)
    assert found.slope.value == pytest.approx(3)
    assert found.slope.spread.seeds == pytest.approx(0, abs=1e-12)
    assert found.height.value == pytest.approx(7)

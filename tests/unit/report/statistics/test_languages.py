"""In how many languages a gain holds: against its definition, and against simulated languages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stilts_xtreme.report.statistics.languages import adjusted, languages_helped, named, partial_conjunction

PS = st.lists(st.floats(1e-6, 1), min_size=1, max_size=12)


def by_language(ps):
    return {f"l{n}": p for n, p in enumerate(ps)}


@given(PS)
def test_one_of_all_is_bonferroni_and_all_is_the_largest(ps):
    found = by_language(ps)
    assert partial_conjunction(found, 1) == pytest.approx(min(1, len(ps) * min(ps)))
    assert partial_conjunction(found, len(ps)) == pytest.approx(max(ps))
    assert partial_conjunction(found, 1, independent=True) == pytest.approx(
        stats.combine_pvalues(ps, "fisher").pvalue, abs=1e-9
    )


@given(PS)
def test_those_that_are_named_are_no_more_than_are_counted(ps):
    found = by_language(ps)
    names = named(found)
    assert len(names) <= languages_helped(found)
    assert all(found[name] <= 0.05 / len(found) or found[name] <= 0.05 for name in names)


@given(PS)
def test_holm_by_its_definition(ps):
    order, worst, wanted = sorted(range(len(ps)), key=lambda n: ps[n]), 0.0, {}
    for rank, n in enumerate(order):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[n]))
        wanted[f"l{n}"] = worst
    assert adjusted(by_language(ps), "holm") == pytest.approx(wanted)


def test_more_languages_are_rarely_counted_than_have_an_effect():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(2000, 1)) * 0.7  # languages share seeds: their tests are dependent
    z = common + rng.normal(size=(2000, 10)) * (1 - 0.49) ** 0.5
    z[:, :6] += 6
    counts = [languages_helped(by_language(ps)) for ps in stats.norm.sf(z)]
    assert np.mean([count > 6 for count in counts]) <= 0.05
    assert np.mean([count >= 5 for count in counts]) > 0.9


def test_nothing_is_nothing():
    assert adjusted({}, "holm") == {}
    assert languages_helped({}) == 0

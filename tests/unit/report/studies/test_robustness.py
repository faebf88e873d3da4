"""How evenly languages are served: each number against another way to compute it, and contrasts between arms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.finished import finished

from stilts_xtreme.report.studies.compared import gather
from stilts_xtreme.report.studies.robustness import GAP, SPREAD, TEXT, WORST, contrasts, measures, pretraining_text

SEEN = ("de", "fi", "hi", "sw", "ta", "ur")
SCORES = st.dictionaries(st.sampled_from(SEEN), st.floats(0, 100), min_size=3)


@given(SCORES, st.floats(0, 100))
def test_numbers_are_those_of_other_libraries(scores: dict[str, float], source: float) -> None:
    found = measures({"en": source, **scores}, "en")
    values = list(scores.values())
    assert found[WORST] == min(values)
    assert found[GAP] == pytest.approx(np.mean(values) - source)
    assert found[SPREAD] == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    text = np.log10([pretraining_text(language) for language in scores])
    assert found[TEXT] == pytest.approx(stats.linregress(text, values).slope, abs=1e-6)


def test_languages_without_text_are_not_on_the_line() -> None:
    scores = {"de": 80.0, "sw": 60.0, "ta": 70.0}
    assert pretraining_text("ay") == 0
    assert measures({**scores, "ay": 3.0}, "en")[TEXT] == measures(scores, "en")[TEXT]


@pytest.mark.parametrize(
    ("scores", "source", "names"),
    [
        ({"en": 90.0}, "en", set()),
        ({"en": 90.0, "de": 80.0}, "en", {WORST, GAP}),
        ({"de": 80.0, "sw": 60.0}, None, {WORST}),
        ({"ay": 50.0, "gn": 60.0, "yo": 40.0}, None, {WORST, SPREAD}),
    ],
)
def test_what_the_languages_do_not_allow_is_left_out(
    scores: dict[str, float], source: str | None, names: set[str]
) -> None:
    assert set(measures(scores, source)) == names


def test_a_synthetic_language_has_the_share_of_its_text() -> None:
    assert pretraining_text("qab") > pretraining_text("qah") == 0
    assert pretraining_text("no such language") == 0


def test_what_differs_between_arms_is_found_with_the_noise_of_seeds() -> None:
    made = []
    for encoder, gap in (("s", 10.0), ("l", 16.0)):
        for seed, noise in enumerate((-0.5, 0.0, 0.5)):
            own = noise if encoder == "l" else 0.0
            scores = {"en": 90.0, "de": 85 - gap + own, "sw": 75 - gap + own, "ta": 80 - gap + own}
            more = {"cell": f"{encoder}-{seed}", "settings": {}}
            made.append(finished(encoder, "mnli", scores, seed, **more))
    (target,) = gather(made)[0].values()
    small, large = sorted(target.arms, key=lambda key: key[0], reverse=True)
    found = contrasts(target, {"more": {large: 1.0, small: -1.0}, "level": {small: 1.0}})
    assert found["level"][GAP].value == pytest.approx(80 - 10 - 90)
    assert found["more"][GAP].value == pytest.approx(-6)
    assert found["more"][WORST].value == pytest.approx(-6)
    assert found["more"][SPREAD].value == pytest.approx(0)
    half = stats.t.ppf(0.975, 2) * 0.5 / np.sqrt(3)
    assert found["more"][GAP].interval() == pytest.approx((-6 - half, -6 + half), abs=0.02)

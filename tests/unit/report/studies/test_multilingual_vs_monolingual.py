"""The study of multilingual and monolingual encoders on simulated scores of which the truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import costs
from stilts_xtreme.report.costs import Cost
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies import ANALYSES, Conclusion, Planned, analyse, check
from stilts_xtreme.report.studies.conclusion import UNDECIDED
from stilts_xtreme.report.studies.language_pairs import only_language
from stilts_xtreme.report.studies.multilingual_vs_monolingual import MONO, MULTI, SAME, break_even

NAME = "multilingual_vs_monolingual"
TARGET = {
    "target": {"name": "xnli", "head": "classification", "metric": "accuracy", "test": "xnli"},
    "dataset": {"xnli": {"parallel": True}},
}


def cell(
    folder: Path, model: str, languages: object, scores: dict[str, float], seed: int, source: str = "en", **more: object
) -> FinishedCell:
    name = f"{model}-{source}-{seed}{more.get('translate_test', '')}"
    place = folder / "cells" / name
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps({"model": {"languages": languages}, **TARGET}))
    (place / "tokens.csv").write_text(
        "".join(["language,unknown,fertility,continued\n", *(f"{c},0.0,{len(model)},0.5\n" for c in scores)])
    )
    averages = {"zero_shot_value": 1.0}
    return finished(model, "none", {"en": 0.0, "de": 0.0, **scores}, seed, place, **{
        "cell": name, "source_language": source, "averages": averages,
        "comparison": [{"language": code, "value": value} for code, value in scores.items()], **more,
    })  # fmt: skip


def cells(folder: Path, difference: float, noise: float = 0.1, seeds: int = 3) -> list[FinishedCell]:
    """A multilingual encoder trained in English and in German, and a monolingual one for each of the two."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(seeds):
        move = rng.normal(0, noise, 6)
        found.append(cell(folder, "multi", "cc100", {"en": 70 + difference + move[0], "de": 60 + move[1]}, seed))
        found.append(cell(folder, "multi", "cc100", {"de": 70 + difference + move[2]}, seed, "de"))
        found.append(cell(folder, "english", ["en"], {"en": 70 + move[3], "de": 30 + move[4]}, seed))
        found.append(cell(folder, "german", ["de"], {"de": 70 + move[5]}, seed, "de"))
    return found


@pytest.mark.parametrize(("difference", "verdict"), [(3.0, MULTI), (-3.0, MONO), (0.0, SAME)])
def test_what_is_planted_is_found(tmp_path: Path, difference: float, verdict: str) -> None:
    found = {own.about: own.verdict for own in analyse(NAME, cells(tmp_path, difference)).verdicts}
    assert found == {
        "xnli, en, trained in the language: multi against english": verdict,
        "xnli, de, zero-shot: multi against german": MONO,
        "xnli, de, trained in the language: multi against german": verdict,
    }, "the English encoder is not compared in German"


def test_noise_decides_nothing(tmp_path: Path) -> None:
    found = analyse(NAME, cells(tmp_path, 1.0, noise=3.0))
    assert found.verdicts[0].verdict == UNDECIDED
    (one,) = {own.verdict for own in analyse(NAME, cells(tmp_path / "one", 9.0, seeds=1)).verdicts}
    assert one == UNDECIDED


def test_tokenizers_stand_beside_the_scores_and_missing_costs_are_said(tmp_path: Path) -> None:
    found = analyse(NAME, cells(tmp_path, 1.0))
    fertility = {
        row["measure"]: row["value"] for row in found.rows if row["language"] == "en" and "fertility" in row["measure"]
    }
    assert fertility == {"fertility, multilingual": 5.0, "fertility, monolingual": 7.0}
    assert any("Costs are left out." in said and "python -m stilts_xtreme.cost" in said for said in found.confounds)
    assert any("evaluation.translate_test=FOLDER adds" in said for said in found.confounds)


def test_costs_are_those_of_an_item_and_the_break_even_is_that_of_the_formula(tmp_path: Path) -> None:
    made = cells(tmp_path, 0.0)
    speeds = {"multi": 100.0, "english": 200.0, "german": 50.0}
    rows = []
    for one in made:
        model, name = str(one.result["model"]), str(one.result["cell"])
        rows.append(
            Cost(name, model, "xnli", "", "training_seconds", "s", None, 60.0 if model == "multi" else 30.0, "", "")
        )
        if name.endswith("-0") and name != "multi-de-0":
            rows += [
                Cost(name, model, "xnli", code, "items_per_second_best", "1/s", n, speeds[model], "d", "r")
                for code in ("en", "de")
                for n in (1, 2)
            ]
            rows.append(
                Cost(name, model, "xnli", "", "parameters", "1", None, 4e6 if model == "multi" else 1e6, "d", "r")
            )
    costs.write(rows, tmp_path)
    found = analyse(NAME, made)
    values = {(row["language"], row["training"], row["measure"]): row["value"] for row in found.rows}
    assert values["en", "trained in the language", "items_per_second_best, ratio"] == pytest.approx(0.5)
    assert values["de", "zero-shot", "break-even, 0 items"] == pytest.approx(60 / 30)
    assert values["de", "zero-shot", "break-even, 10000 items"] == pytest.approx(
        60 / (30 + 10_000 * (1 / 50 - 1 / 100))
    )
    assert values["de", "trained in the language", "break-even, 10000 items"] == 0.0
    assert ("en", "trained in the language", "break-even, 10000 items") not in values, "it is never cheaper"
    assert found.tables[2].lines[0][-1] == "4.00"


@pytest.mark.parametrize(("difference", "verdict"), [(3.0, MULTI), (-3.0, MONO), (0.0, SAME)])
def test_translate_test_is_a_condition_beside_the_others(tmp_path: Path, difference: float, verdict: str) -> None:
    made = cells(tmp_path, 3.0)
    for seed in range(3):
        scores = {"en": 70.0, "de": 60.0 - difference + seed / 10}
        made.append(cell(tmp_path, "english", ["en"], scores, seed, translate_test="people"))
    found = analyse(NAME, made)
    verdicts = {own.about: own.verdict for own in found.verdicts}
    assert verdicts == {
        "xnli, en, trained in the language: multi against english": MULTI,
        "xnli, de, zero-shot: multi against german": MONO,
        "xnli, de, trained in the language: multi against german": MULTI,
        "xnli, de, translate-test (people): multi against english": verdict,
    }, "not in English, whose rows are read as they are, and not with the encoder that was trained in German"
    (row,) = (row for row in found.rows if row["training"] == "translate-test (people)" and "score" in row["measure"])
    assert row["language"] == "de"
    assert row["value"] == pytest.approx(difference, abs=0.3)
    assert any("rests on the translations (people)" in said for said in found.confounds)
    assert not any("evaluation.translate_test" in said for said in found.confounds)


def test_a_multilingual_encoder_with_translations_is_told_and_not_compared(tmp_path: Path) -> None:
    made = cells(tmp_path, 3.0)
    plain = analyse(NAME, made)
    made.append(cell(tmp_path, "multi", "cc100", {"en": 73.0, "de": 66.0}, 0, translate_test="people"))
    found = analyse(NAME, made)
    assert [own.about for own in found.verdicts] == [own.about for own in plain.verdicts]
    assert any("multi with translated test rows (people) is not compared" in said for said in found.confounds)


def test_costs_leave_out_translate_test(tmp_path: Path) -> None:
    made = [cell(tmp_path, "multi", "cc100", {"en": 70.0, "de": 60.0}, 0)]
    made.append(cell(tmp_path, "english", ["en"], {"en": 70.0, "de": 30.0}, 0))
    made.append(cell(tmp_path, "english", ["en"], {"en": 70.0, "de": 65.0}, 0, translate_test="people"))
    rows = []
    for one in made[:2]:
        name, model = str(one.result["cell"]), str(one.result["model"])
        rows += [
            Cost(name, model, "xnli", code, "items_per_second_best", "1/s", 1, 9.0, "d", "r") for code in ("en", "de")
        ]
    costs.write(rows, tmp_path)
    found = analyse(NAME, made)
    assert {row["training"] for row in found.rows if "ratio" in row["measure"]} == {"trained in the language"}
    assert [line[1] for line in found.tables[1].lines] == ["en"]
    assert any("Costs leave out translate-test" in said for said in found.confounds)


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != NAME])
def test_other_studies_leave_out_translated_test_rows_and_say_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[FinishedCell] = []

    def answered(cells: list[FinishedCell]) -> Conclusion:
        seen.extend(cells)
        return Conclusion("?", [], [], [], [], False)

    monkeypatch.setattr(f"stilts_xtreme.report.studies.{name}.analyse", answered)
    plain = finished("mini", "none", {"en": 1.0, "de": 1.0})
    translated = finished("mini", "none", {"en": 1.0, "de": 1.0}, translate_test="people")
    found = analyse(name, [plain, translated])
    assert seen == [plain]
    assert found.confounds == ["Cells with translated test rows are left out: they are no transfer to other languages."]


Spent = st.tuples(st.floats(0.1, 1e4), st.floats(1e-6, 1.0))


@given(Spent, Spent, st.integers(0, 10**6), st.booleans(), st.integers(1, 300))
def test_the_break_even_parts_what_is_cheaper(
    multi: tuple[float, float], mono: tuple[float, float], items: int, once: bool, languages: int
) -> None:
    single = (multi[0] if once else multi[0] * languages) + languages * items * multi[1]
    many = languages * (mono[0] + items * mono[1])
    number = break_even(multi, mono, items, once)
    if number is None:
        assert single >= many * (1 - 1e-9)
    elif abs(single - many) > 1e-6 * many:
        assert (single < many) == (languages > number)


def test_one_language_makes_an_encoder_monolingual(tmp_path: Path) -> None:
    assert only_language(cell(tmp_path, "a", ["sw"], {"en": 1.0}, 0)) == "sw"
    assert only_language(cell(tmp_path, "b", ["sw", "en"], {"en": 1.0}, 0)) is None
    assert only_language(cell(tmp_path, "c", "cc100", {"en": 1.0}, 0)) is None
    assert only_language(cell(tmp_path, "d", None, {"en": 1.0}, 0)) is None


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    made = cells(tmp_path, 0.0)
    with pytest.raises(StiltsError, match=r"No encoder has one language in model\.languages"):
        analyse(NAME, [one for one in made if one.result["model"] == "multi"])
    for one in made:
        if one.result["model"] == "multi":
            marks = [{"of": "cell", "verdict": "collapsed", "label": "x", "why": "it guessed"}]
            one.result.update(collapsed=True, marks=marks)
    with pytest.raises(StiltsError, match=r"were tested\. none > xnli.* is left out: x collapsed, it"):
        analyse(NAME, made)
    with pytest.raises(StiltsError, match=r"xnli has one encoder, mini, .* add to model="):
        check(NAME, [Planned("mini", "none", "xnli", 0)])

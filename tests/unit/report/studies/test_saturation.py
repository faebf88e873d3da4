"""The study of saturation on simulated answers of which the truth is known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support.cells import TINY
from support.finished import finished

from stilts_xtreme.commands import study
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies import analyse
from stilts_xtreme.report.studies.compared import Arm, TargetArms
from stilts_xtreme.report.studies.conclusion import UNDECIDED
from stilts_xtreme.report.studies.saturation import (
    DIMINISHING,
    FLAT,
    GROWING,
    TREND,
    curve_of,
    slope,
)
from stilts_xtreme.report.studies.saturation import (
    analyse as saturation,
)
from stilts_xtreme.tasks.metrics.items import Items

SIZES = {"s": 1_000_000, "m": 2_000_000, "l": 4_000_000, "xl": 8_000_000}


def arms(
    gains: dict[str, float], seeds: int = 3, items: int = 2000, noise: float = 0.0, draw: int = 0, share: float = 0.5
) -> TargetArms:
    """Arms of one target: 0/1 items over three languages whose expected scores differ by the planted gains."""
    rng = np.random.default_rng(draw)
    hard = rng.uniform(size=items)  # an item is hard for all arms alike, so that they are paired
    found = {}
    for name, size in SIZES.items():
        for before in ("none", "mnli"):
            score = share + (gains[name] / 100 if before == "mnli" else 0.0)
            by_seed: dict[int, Mapping[str, Items]] = {}
            for seed in range(seeds):
                shift = rng.normal(0, noise / 100)
                right = {
                    key: (hard + rng.normal(0, 0.05, items) < score + shift).astype(float) for key in ("en", "de", "sw")
                }
                by_seed[seed] = {k: Items([str(n) for n in range(items)], v, np.ones(items)) for k, v in right.items()}
            first = {"scale": {"body": size}, "averages": {"zero_shot_value": 100 * score}, "settings": {}}
            found[name, before] = Arm(name, before, "xnli", first, by_seed)
    means = {"mean, zero-shot": ["de", "sw"], "mean, all": ["en", "de", "sw"]}
    return TargetArms("xnli", found, True, True, means)


def test_the_weights_of_the_trend_are_those_of_a_line() -> None:
    x, y = [0.0, 1.0, 3.0, 4.5], [1.0, 4.0, 2.0, 7.0]
    fitted = np.polyfit(x, y, 1)[0] * (x[-1] - x[0])
    assert np.dot(slope(x), y) == pytest.approx(fitted)


def test_contrasts_are_those_of_the_scores() -> None:
    target = arms({"s": 1, "m": 3, "l": 4, "xl": 8})
    curve = curve_of(target, [])

    def score(encoder: str, before: str) -> float:
        by_seed = target.arms[encoder, before].seeds.values()
        return float(np.mean([np.mean([items[key].score for key in ("de", "sw")]) for items in by_seed]))

    own = {encoder: score(encoder, "mnli") - score(encoder, "none") for encoder in SIZES}
    for encoder, gain in own.items():
        assert curve.found[f"gain {encoder}"]["mean, zero-shot"].value == pytest.approx(gain)
    assert curve.found["step m > l"]["mean, zero-shot"].value == pytest.approx(own["l"] - own["m"])
    assert curve.found[TREND]["mean, zero-shot"].value == pytest.approx(
        np.polyfit(range(4), list(own.values()), 1)[0] * 3
    )


def result(encoder: str, before: str, seed: int, value: float) -> FinishedCell:
    """A cell of which the scores alone are known."""
    scale = {"body": SIZES[encoder], "intermediate": {"steps": 100}}
    return finished(encoder, before, {"en": value + 10, "de": value}, seed, scale=scale)


def cells(gains: dict[str, float], noise: float, seeds: int = 3, draw: int = 0) -> list[FinishedCell]:
    rng = np.random.default_rng(draw)
    found = []
    for encoder, gain in gains.items():
        for seed in range(seeds):
            found.append(result(encoder, "none", seed, 50 + rng.normal(0, noise)))
            found.append(result(encoder, "mnli", seed, 50 + gain + rng.normal(0, noise)))
    return found


def placebos(gains: dict[str, float], noise: float, seeds: int = 3) -> list[FinishedCell]:
    """Cells whose intermediate training had the answers of other rows."""
    rng = np.random.default_rng(1)
    found = []
    for encoder, gain in gains.items():
        for seed in range(seeds):
            made = result(encoder, "mnli", seed, 50 + gain + rng.normal(0, noise)).result
            found.append(FinishedCell({**made, "cell": f"placebo-{made['cell']}", "control": "placebo"}))
    return found


def onto(target: str, found: list[FinishedCell]) -> list[FinishedCell]:
    """The same cells of another target."""
    return [FinishedCell({**c.result, "cell": f"{target}-{c.result['cell']}", "target": target}) for c in found]


def without(encoder: str, found: list[FinishedCell]) -> list[FinishedCell]:
    """The cells, with the baselines of an encoder collapsed in all seeds."""
    why = {"verdict": "collapsed", "label": "none", "task": "mnli", "why": "one answer", "of": "target"}
    return [
        FinishedCell({**c.result, "collapsed": ["none"], "marks": [why]})
        if c.result["model"] == encoder and not c.result["intermediate"]
        else c
        for c in found
    ]


def test_a_size_that_collapsed_takes_nothing_else_along() -> None:
    gains = {"s": 0.0, "m": 3.0, "l": 6.0, "xl": 9.0}
    whole = cells(gains, 0.1)
    found = analyse("saturation", [*whole, *onto("udpos", without("xl", whole))])
    assert {verdict.about: verdict.verdict for verdict in found.verdicts} == {
        "xnli, zero-shot": "growing",
        "udpos, zero-shot": "growing",
    }
    assert "xl is left out of udpos, as it has no score without an intermediate task." in found.confounds
    three = cells({name: gains[name] for name in ("s", "m", "l")}, 0.1)
    found = analyse("saturation", [*whole, *onto("udpos", without("l", three))])
    assert [verdict.about for verdict in found.verdicts] == ["xnli, zero-shot"]
    assert "udpos has no answer. l > udpos has no cell without an intermediate task" in " ".join(found.confounds)
    with pytest.raises(StiltsError, match=r"l > xnli has no cell without .* is left out: "):
        analyse("saturation", without("l", three))


def test_what_a_placebo_gives_as_well_is_told_from_what_the_task_gives() -> None:
    all_alike = {"s": 6.0, "m": 6.0, "l": 6.0, "xl": 6.0}
    made = [*cells(all_alike, 0.1), *placebos({"s": 0.0, "m": 2.0, "l": 4.0, "xl": 6.0}, 0.1, seeds=2)]
    found = analyse("saturation", made)
    verdicts = {verdict.about: verdict.verdict for verdict in found.verdicts}
    assert verdicts == {"xnli, zero-shot": FLAT, "xnli over its placebo, zero-shot": DIMINISHING}
    own, task, over = (
        [float(gain.split()[2 - 1 + 1]) for gain in line[2].split("; ")] for line in found.tables[0].lines
    )
    assert own == task == pytest.approx([6, 6, 6, 6], abs=0.3)
    assert over == pytest.approx([6, 4, 2, 0], abs=0.3)
    (trend,) = (r for r in found.rows if r["contrast"] == "over placebo, trend" and r["language"] == "mean, zero-shot")
    assert float(trend["value"]) == pytest.approx(-6, abs=0.3)
    assert trend["seeds"] == "0 1", "of the placebo; the gain over no task has all three"


def test_a_control_with_one_seed_says_nothing_of_the_other_seeds() -> None:
    gains = {"s": 1.0, "m": 4.0, "l": 7.0, "xl": 10.0}
    alone = analyse("saturation", cells(gains, 0.1))
    found = analyse("saturation", [*cells(gains, 0.1), *placebos(gains, 0.1, seeds=1)])
    assert found.verdicts[0] == alone.verdicts[0], "and its p is corrected over the same verdicts"
    assert [said for said in found.confounds if "one seed alone" in said] == [
        "xnli, over its placebo: one seed alone; no noise of seeds."
    ]


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ({"s": 1, "m": 4, "l": 7, "xl": 10}, GROWING),
        ({"s": 10, "m": 7, "l": 4, "xl": 1}, DIMINISHING),
        ({"s": 3, "m": 3, "l": 3, "xl": 3}, FLAT),
    ],
)
def test_what_is_planted_is_found(gains: dict[str, float], verdict: str) -> None:
    (found,) = analyse("saturation", cells(gains, noise=0.1)).verdicts
    assert found.verdict == verdict
    assert ("p < 0.001 after Holm's correction" in found.why) == (verdict != FLAT), found.why


def test_noise_is_not_taken_for_flatness_and_the_seeds_that_it_takes_are_said() -> None:
    (found,) = saturation(cells(dict.fromkeys(SIZES, 3.0), noise=2.0)).verdicts
    assert found.verdict == UNDECIDED
    assert "seeds would show 1 point" in found.why
    (one,) = saturation(cells(dict.fromkeys(SIZES, 3.0), noise=2.0, seeds=1)).verdicts
    assert one.verdict == UNDECIDED
    assert "seeds" in one.why


def test_one_seed_with_many_items_decides_nothing() -> None:
    target = arms({"s": 0, "m": 10, "l": 20, "xl": 30}, seeds=1)
    assert (
        curve_of(target, []).found[TREND]["mean, zero-shot"].p < 0.001
    )  # of these weights; other weights are not known
    (found,) = saturation(cells({"s": 0, "m": 10, "l": 20, "xl": 30}, 0.1, seeds=1)).verdicts
    assert found.verdict == UNDECIDED


def test_the_interval_of_the_trend_covers_the_truth() -> None:
    truth = 3.0
    covered = []
    for draw in range(60):
        target = arms({"s": 1, "m": 2, "l": 3, "xl": 4}, items=300, noise=1.0, draw=draw)
        low, high = curve_of(target, []).found[TREND]["mean, zero-shot"].interval()
        covered.append(low <= truth <= high)
    assert np.mean(covered) >= 0.88  # three deviations of a binomial below 95 %


def test_sizes_that_were_trained_for_other_steps_are_named_as_a_confound() -> None:
    found = cells({"s": 1, "m": 2, "l": 3}, 0.5)
    for cell in found:
        if cell.result["model"] == "l":
            cell.result["scale"]["intermediate"]["steps"] = 300
    assert "The sizes were not trained on mnli for as many steps (100, 300)." in saturation(found).confounds


def test_a_baseline_of_which_nothing_was_trained_has_the_size_of_its_encoder() -> None:
    found = cells({"s": 1, "m": 4, "l": 7}, 0.1)
    expected = analyse("saturation", found).verdicts
    for cell in found:
        if not cell.result["intermediate"]:
            cell.result["scale"]["body"] = None
    assert analyse("saturation", found).verdicts == expected
    for cell in found:
        cell.result["scale"]["body"] = None
    with pytest.raises(StiltsError, match="The size of s is not in its results"):
        analyse("saturation", found)


def test_cut_encoders_and_layers_of_vectors_are_named_as_confounds() -> None:
    found = cells({"s": 1, "m": 2, "l": 3}, 0.5)
    cut = "Sizes are the lowest layers of one encoder; a cut encoder was never pretrained to end there."
    assert cut not in saturation(found).confounds
    for cell in found:
        cell.result["scale"]["layers"] = {"s": 3, "m": 6, "l": 12}[cell.result["model"]]
        cell.result["retrieval"] = {"layer": {"s": 2, "m": 4, "l": 7}[cell.result["model"]]}
    said = saturation(found).confounds
    assert cut in said
    assert any("vectors are those of layer 2, 4, 7" in line for line in said)


def test_a_baseline_near_the_ceiling_is_named() -> None:
    found = cells({"s": 1, "m": 1, "l": 1}, 0.1)
    for cell in found:
        cell.result["averages"]["zero_shot_value"] += 47
    assert any("little room" in said for said in saturation(found).confounds)


@pytest.mark.parametrize(
    ("gains", "drop", "message"),
    [
        ({"s": 1, "m": 2}, "", "has 2 of at least 3 sizes"),
        ({"s": 1, "m": 2, "l": 3}, "m-none", r"m > xnli has no cell without .* add none to \+intermediate="),
        ({"s": 1, "m": 2, "l": 3}, "m-mnli", "no intermediate task that is trained with all sizes"),
    ],
)
def test_what_is_missing_is_said(gains: dict[str, float], drop: str, message: str) -> None:
    found = [cell for cell in cells(gains, 0.1) if not drop or not cell.result["cell"].startswith(drop)]
    with pytest.raises(StiltsError, match=message):
        saturation(found)


def test_two_encoders_of_one_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "m", SIZES["s"])
    with pytest.raises(StiltsError, match="as many parameters"):
        saturation(cells({"s": 1, "m": 2, "l": 3}, 0.1))


def test_a_collapsed_run_is_left_out_and_said() -> None:
    found = cells({"s": 1, "m": 2, "l": 3}, 0.1)
    bad = next(cell for cell in found if cell.result["cell"] == "l-mnli-2")
    bad.result["collapsed"] = True
    bad.result["marks"] = [{"of": "cell", "verdict": "collapsed", "label": "x", "why": "it guessed"}]
    conclusion = saturation(found)
    assert any("l / mnli > xnli, seed 2, is left out" in said for said in conclusion.confounds)
    assert all(row["seeds"] == "0 1" for row in conclusion.rows)


def test_the_sweep_of_the_study_ends_with_its_verdicts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stilts_xtreme", "-m", "+study=saturation", "model=mini"]
    command += ["+intermediate=none,ud_tags", "+target=tatoeba", "seed=0,1", *TINY, f"output={tmp_path}"]
    command += ["model.architecture.num_hidden_layers=1,2,3", "hydra.launcher.slots=1"]
    command += ["recipe.intermediate.max_steps=40", "recipe.intermediate.learning_rate=5e-3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "studies").iterdir()
    assert {"scaling.md", "study.md", "study.csv", "study.parquet", "study.png"} <= {p.name for p in folder.iterdir()}
    text = (folder / "study.md").read_text(encoding="utf-8")
    assert "**Hypothesis.**" in text
    assert "| tatoeba, zero-shot |" in text
    again = ["study", "report", "saturation", str(tmp_path), "--output", str(tmp_path / "again")]
    assert study.main(again[1:]) == 0
    assert (tmp_path / "again" / "study.csv").read_text() == (folder / "study.csv").read_text()


def test_languages_with_much_little_and_no_text_have_verdicts_of_their_own() -> None:
    found = cells({"s": 1, "m": 4, "l": 7}, 0.1)
    for each in found:
        own = each.result["averages"]["zero_shot_value"]
        more = {"sw": own / 2, "ace_Latn": 20.0}
        each.result["comparison"] += [{"language": language, "value": value} for language, value in more.items()]
    verdicts = {verdict.about: verdict.verdict for verdict in saturation(found).verdicts}
    assert verdicts["xnli, much text"] == GROWING
    assert verdicts["xnli, little text"] == GROWING
    assert verdicts["xnli, unseen"] == FLAT

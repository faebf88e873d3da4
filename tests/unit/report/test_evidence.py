"""What the entries of a matrix show, from hand-made folders of finished cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.answered import LANGUAGES, answers_of, made

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import matrix
from stilts_xtreme.report.__main__ import main
from stilts_xtreme.report.answers import Answers, target_of
from stilts_xtreme.report.evidence import EVERY, ZERO_SHOT, findings, merged, rows
from stilts_xtreme.report.evidence_page import entry, markdown, over_targets
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import paired_gains
from stilts_xtreme.tasks.metrics.items import label_items


def pair(root: Path, seeds: Sequence[int] = (0, 1, 2), gain: float = 0.15, **more: Any) -> list[FinishedCell]:
    rng = np.random.default_rng(len(more.get("target", "")))
    cells = []
    for seed in seeds:
        cells.append(made(root, (), seed, answers_of(rng, 0.5, 400), **more))
        cells.append(made(root, ("mnli",), seed, answers_of(rng, 0.5 + gain, 400), **more))
    return cells


def test_an_entry_is_the_paired_bootstrap_of_the_cells_files(tmp_path: Path) -> None:
    cells = pair(tmp_path, seeds=range(5), gain=0.3)
    found = findings(cells)
    (place,) = found.entries
    assert place == ("mnli", "xnli")

    def arm(tasks: list[str]) -> dict[int, Any]:
        own = {cell.result["seed"]: cell.folder for cell in cells if cell.result["intermediate"] == tasks}
        return {seed: {code: items(folder, code) for code in LANGUAGES} for seed, folder in own.items()}

    def items(folder: Path | None, code: str) -> Any:
        assert folder is not None
        return label_items((folder / f"predictions/xnli/test-{code}.tsv").read_text().split(), ["yes"] * 400)

    means = {ZERO_SHOT: ["de", "sw"], EVERY: list(LANGUAGES)}
    assert found.entries[place].gains == paired_gains(arm(["mnli"]), arm([]), True, means)
    assert found.verdict(place) == "helps"
    assert found.entries[place].named == ("de", "sw")
    assert entry(found, place).startswith("**+")
    assert " 2/2 (" in entry(found, place)


def test_the_baseline_of_a_cell_alone_is_in_the_stages_beside_it(tmp_path: Path) -> None:
    baseline, cell = pair(tmp_path, seeds=(0,))
    assert baseline.folder is not None
    stage = tmp_path / "stages" / "key-m-none-xnli-seed0"
    stage.parent.mkdir()
    baseline.folder.rename(stage)
    values = {line["language"]: line["value"] for line in baseline.result["comparison"]}
    for line in cell.result["comparison"]:
        line["baseline"] = values[line["language"]]
    cell.result["stages"].append({"kind": "evaluate", "key": stage.name, "label": "none > xnli"})
    found = findings([cell])
    evidence = found.entries["mnli", "xnli"]
    assert evidence.by_items
    assert evidence.mean.spread.df == 0
    assert found.verdict(("mnli", "xnli")) == "helps, one seed"
    assert found.notes == ("One seed alone of xnli: these intervals leave out the noise of seeds.",)


def test_without_answers_the_intervals_are_over_seeds(tmp_path: Path) -> None:
    found = findings(pair(tmp_path, with_answers=False))
    evidence = found.entries["mnli", "xnli"]
    assert not evidence.by_items
    assert evidence.mean.spread.items == 0
    assert evidence.known
    assert "No answers item by item of xnli: these intervals are over seeds alone." in found.notes


def test_one_seed_without_answers_is_not_known(tmp_path: Path) -> None:
    found = findings(pair(tmp_path, seeds=(0,), with_answers=False))
    assert found.verdict(("mnli", "xnli")) == "not known"
    assert "[" not in entry(found, ("mnli", "xnli"))
    (line,) = [row for row in rows(found) if row["language"] == ZERO_SHOT]
    assert line["low"] is line["p"] is line["smallest_visible"] is None


def test_a_collapsed_run_is_left_out_and_said(tmp_path: Path) -> None:
    cells = pair(tmp_path, seeds=(0, 1))
    rng = np.random.default_rng(9)
    cells += [made(tmp_path, (), 2, answers_of(rng, 0.5, 400))]
    cells += [made(tmp_path, ("mnli",), 2, answers_of(rng, 0.0, 400), collapsed=True)]
    found = findings(cells)
    assert found.entries["mnli", "xnli"].mean.seeds == (0, 1)
    assert found.entries["mnli", "xnli"].mean.value > 5
    assert "mnli > xnli: seed 2 collapsed, and is left out." in found.notes


def test_no_effect_is_shown_only_where_it_is(tmp_path: Path) -> None:
    same = answers_of(np.random.default_rng(0), 0.5, 4000)
    cells = [made(tmp_path, tasks, seed, same) for seed in (0, 1, 2) for tasks in ((), ("mnli",))]
    assert findings(cells).verdict(("mnli", "xnli")) == "shown to be nothing"
    few = findings(pair(tmp_path / "few", gain=0.0))
    assert few.verdict(("mnli", "xnli")) == "not shown"
    smallest = few.entries["mnli", "xnli"].smallest
    assert smallest is not None
    assert smallest > 1


def test_ps_are_corrected_over_the_matrix(tmp_path: Path) -> None:
    cells = [cell for n in range(6) for cell in pair(tmp_path, gain=0.02 * n, target=f"t{'x' * n}")]
    found = findings(cells)
    ps = {place: evidence.mean.p for place, evidence in found.entries.items()}
    assert len(ps) == 6
    smallest = min(ps, key=lambda place: ps[place])
    assert found.holm[smallest] == pytest.approx(6 * ps[smallest])
    assert all(ps[place] <= found.bh[place] <= found.holm[place] for place in ps)


def test_rows_of_which_a_language_lacks_some_are_no_clusters(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = []
    for tasks in ((), ("mnli",)):
        own = answers_of(rng, 0.5, 100)
        own["sw"] = own["sw"][:90]
        cells.append(made(tmp_path, tasks, 0, own))
    assert not findings(cells).entries["mnli", "xnli"].parallel
    assert findings(pair(tmp_path / "whole")).entries["mnli", "xnli"].parallel


def with_placebo(root: Path, gain: float, of_placebo: float, seeds: Sequence[int] = (0, 1, 2)) -> list[FinishedCell]:
    rng = np.random.default_rng(5)
    cells = pair(root, seeds, gain)
    cells += [made(root, ("mnli",), seed, answers_of(rng, 0.5 + of_placebo, 400), control="placebo") for seed in seeds]
    return cells


def test_a_gain_stands_beside_that_over_its_control(tmp_path: Path) -> None:
    cells = with_placebo(tmp_path, 0.3, 0.0)
    found = findings(cells)
    assert set(found.entries) == {("mnli", "xnli"), ("placebo(mnli)", "xnli")}
    ((place, over),) = found.over.items()
    assert place == ("mnli", "xnli", "placebo")
    both = [found.entries[row, "xnli"].mean.value for row in ("mnli", "placebo(mnli)")]
    assert over.mean.value == pytest.approx(both[0] - both[1]), "the baseline is in both"
    assert found.verdict_over(place) == "better than it"
    assert found.verdict(("placebo(mnli)", "xnli")) == "a control"
    assert set(found.holm) == {("mnli", "xnli")}, "a control is no finding, and makes no other one harder to show"
    assert set(found.holm_over) == {place}
    lines = {(line["row"], line["over"]): line for line in rows(found) if line["language"] == ZERO_SHOT}
    assert set(lines) == {("mnli", "none"), ("mnli", "placebo"), ("placebo(mnli)", "none")}
    assert "| mnli | xnli | placebo | better than it |" in markdown(found, {})


def test_a_gain_that_the_placebo_has_too_is_none_of_the_task(tmp_path: Path) -> None:
    found = findings(with_placebo(tmp_path, 0.3, 0.3))
    assert found.verdict(("mnli", "xnli")) == "helps"
    assert found.verdict_over(("mnli", "xnli", "placebo")) == "not shown"


def test_a_control_without_its_cell_is_told(tmp_path: Path) -> None:
    cells = [cell for cell in with_placebo(tmp_path, 0.1, 0.1) if cell.result["control"] or cell.result["seed"] != 2]
    found = findings(cells)
    assert found.over["mnli", "xnli", "placebo"].mean.seeds == (0, 1)
    lost = "placebo(mnli) > xnli, seed 2: nothing to control, as the same without it is not there."
    assert lost in found.notes
    assert "placebo(mnli) > xnli, seed 2: no gain, as the baseline is not there." in found.notes


def test_a_missing_baseline_is_told(tmp_path: Path) -> None:
    cells = [cell for cell in pair(tmp_path) if cell.result["intermediate"] or cell.result["seed"] != 1]
    found = findings(cells)
    assert found.entries["mnli", "xnli"].mean.seeds == (0, 2)
    assert "mnli > xnli, seed 1: no gain, as the baseline is not there." in found.notes
    alone = findings([cell for cell in cells if cell.result["intermediate"]])
    assert not alone.entries
    assert alone.notes == ("mnli > xnli, seed 0, 1, 2: no gain, as the baseline is not there.",)


def test_a_language_of_one_arm_is_left_out_and_told(tmp_path: Path) -> None:
    cells = pair(tmp_path, with_answers=False)
    for cell in cells:
        if cell.result["intermediate"] and cell.result["seed"] == 1:
            cell.result["comparison"] = cell.result["comparison"][:2]
    found = findings(cells)
    assert found.entries["mnli", "xnli"].languages == ("de",)
    assert "mnli > xnli: sw left out, which not both arms have with all seeds." in found.notes


def test_cells_of_several_benchmarks_are_told(tmp_path: Path) -> None:
    rng, cells = np.random.default_rng(3), pair(tmp_path, seeds=(0,))
    one = made(tmp_path / "r", ("qqp",), 0, {**answers_of(rng, 0.5, 400), "ta": ["yes"] * 400}, benchmark="xtreme-r")
    told = "xnli: evaluated in 3 languages for xtreme and 4 languages for xtreme-r; only cells of one benchmark are "
    assert any(note.startswith(told) for note in findings([*cells, one]).notes)
    assert not any("benchmark" in note for note in findings(cells).notes)


def test_without_any_gain_it_is_said_why(tmp_path: Path) -> None:
    cells = [cell for cell in pair(tmp_path) if cell.result["intermediate"]]
    assert "no gain, as the baseline is not there" in matrix.write(cells, tmp_path / "report")


def test_a_baseline_that_collapsed_is_in_no_gain_wherever_it_stands(tmp_path: Path) -> None:
    cells = [cell for cell in pair(tmp_path, seeds=(0, 1)) if cell.result["intermediate"]]
    for cell in cells:
        for line in cell.result["comparison"]:
            line["baseline"] = 50.0
    cells[0].result["baseline_collapsed"] = ["none > mnli"]
    found = findings(cells)
    assert found.entries["mnli", "xnli"].mean.seeds == (1,)
    assert "mnli > xnli: seed 0 collapsed, and is left out." in found.notes


def test_other_rows_in_the_two_arms_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = [made(tmp_path, (), 0, answers_of(rng, 0.5, 100)), made(tmp_path, ("mnli",), 0, answers_of(rng, 0.5, 90))]
    with pytest.raises(StiltsError, match="answered other items in en: the cell with seed 0 lacks some of the 100"):
        findings(cells)


def test_a_cell_with_two_results_is_refused(tmp_path: Path) -> None:
    one = made(tmp_path / "a", (), 0, answers_of(np.random.default_rng(0), 0.5, 100))
    same = made(tmp_path / "b", (), 0, answers_of(np.random.default_rng(0), 0.5, 100))
    other = made(tmp_path / "c", (), 0, answers_of(np.random.default_rng(1), 0.5, 100))
    assert merged([[one], [same]]) == [one]
    with pytest.raises(StiltsError, match=r"m-none-xnli-seed0 has other scores in .*c/.* than in .*a/"):
        merged([[one], [other]])


def test_the_model_over_targets(tmp_path: Path) -> None:
    cells = [cell for n in range(3) for cell in pair(tmp_path, target=f"t{'x' * n}")]
    means = over_targets(findings(cells))
    assert means["mnli"].targets == 3
    assert means["mnli"].value == pytest.approx(15, abs=4)
    assert over_targets(findings(cells[:12])) == {}


def test_the_command_writes_it_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(3):
        pair(tmp_path / "out", target=f"t{'x' * n}")
    output = tmp_path / "report"
    assert main([str(tmp_path / "out"), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "All in all, by a mixed model" in said
    assert "The optimiser converged." in said
    names = {
        "report.html",
        "figures",
        "matrix.tex",
        "matrix.md",
        "matrix.png",
        "rows.csv",
        "evidence.csv",
        "evidence.parquet",
    }
    assert {path.name for path in output.iterdir()} == names
    csv, parquet = pd.read_csv(output / "evidence.csv"), pd.read_parquet(output / "evidence.parquet")
    assert len(csv) == len(parquet) == 3 * (len(LANGUAGES) + 2)
    assert csv["gain"].to_numpy() == pytest.approx(parquet["gain"].to_numpy())
    assert set(csv.loc[csv["language"] == ZERO_SHOT, "verdict"]) == {"helps"}


@pytest.mark.parametrize(("folder", "word"), [("nowhere", "is not a folder"), ("", "holds no finished cell")])
def test_a_folder_without_cells_is_one_sentence(
    folder: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / folder), "--output", str(tmp_path / "report")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert word in line
    assert not (tmp_path / "report").exists()


def test_answers_need_a_metric_that_is_a_sum_over_items(tmp_path: Path) -> None:
    cells = pair(tmp_path, seeds=(0,))
    target = target_of(cells[0])
    assert target is not None
    assert Answers.of(cells).items("key-m-none-xnli-seed0", target, ["en"]) is not None
    assert Answers.of(cells).items("key-m-none-xnli-seed0", target, ["en", "fr"]) is None
    assert Answers.of(cells).items("another", target, ["en"]) is None


def test_the_gain_of_the_source_language_is_no_zero_shot_gain(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = []
    for seed in (0, 1):
        base, own = answers_of(rng, 0.5, 40), answers_of(rng, 0.8, 40)
        cells.append(made(tmp_path, (), seed, base))
        cells.append(made(tmp_path, ("mnli",), seed, {"en": own["en"], "fr": own["de"]}))
    found = findings(cells)
    assert not found.entries
    assert any("source language is left, so it has no gain" in note for note in found.notes)

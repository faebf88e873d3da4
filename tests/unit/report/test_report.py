"""The transfer matrix: means, intervals and gains that a reader can recompute by hand."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cells import ROOT, TINY

from stilts_xtreme.report import heatmap, ladder, matrix
from stilts_xtreme.report.entries import build
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.page import figures
from stilts_xtreme.report.results import FinishedCell


def result(intermediate: list[str], target: str, seed: int, scores: dict[str, float], **more: Any) -> dict[str, Any]:
    """A cell's result with these scores per language; ``qaa`` is the source."""
    others = [value for language, value in scores.items() if language != "qaa"]
    return {
        "model": "mini",
        "weights": "pretrained",
        "intermediate": intermediate,
        "target": target,
        "seed": seed,
        "synthetic": True,
        "collapsed": [],
        "source_language": "qaa",
        "averages": {"zero_shot_value": sum(others) / len(others), "zero_shot_floor": 33.0},
        "comparison": [{"language": language, "value": value} for language, value in scores.items()],
        "rows": [
            {"intermediate": "+".join(intermediate) or "none", "target": target, "seed": seed, "language": language,
             "metric": "accuracy", "value": value}
            for language, value in scores.items()
        ],
        **more,
    }  # fmt: skip


RESULTS = [
    result([], "xnli", 0, {"qaa": 60, "qab": 40, "qac": 50}),
    result([], "xnli", 1, {"qaa": 62, "qab": 44, "qac": 52}),
    result(["mnli"], "xnli", 0, {"qaa": 70, "qab": 50, "qac": 54}),
    result(["mnli"], "xnli", 1, {"qaa": 72, "qab": 46, "qac": 54}),
    result([], "udpos", 0, {"qaa": 90, "qab": 80}),
]
CELLS = [FinishedCell({**each, "cell": f"cell-{at}", "stages": []}) for at, each in enumerate(RESULTS)]
FILES = ["evidence.csv", "evidence.parquet", "matrix.md", "matrix.png", "matrix.tex", "report.html", "rows.csv"]


def test_cells_of_one_name_that_were_set_differently_have_rows_of_their_own() -> None:
    def cell(tasks: list[str], target: str, value: float, name: str, **settings: Any) -> dict[str, Any]:
        return result(tasks, target, 0, {"qaa": 90, "qab": value}, settings=settings, cell=name)

    slow, fast = {"recipe.target.learning_rate": 1e-4}, {"recipe.target.learning_rate": 1e-3}
    cool, hot = {"recipe.intermediate.learning_rate": 1e-5}, {"recipe.intermediate.learning_rate": 2e-5}
    cells = [
        cell([], "xnli", 40, "a", **slow),
        cell([], "xnli", 50, "b", **fast),
        cell(["mnli"], "xnli", 43, "c", **slow, **cool),
        cell(["mnli"], "xnli", 49, "d", **slow, **hot),
        cell(["mnli"], "xnli", 58, "e", **fast, **cool),
        cell([], "udpos", 70, "f", **slow, only=1),
        cell([], "udpos", 71, "g", **fast, only=1),
        cell([], "panx", 70, "h", **slow),
    ]
    built = build(cells)
    rate, before = "recipe.target.learning_rate", "recipe.intermediate.learning_rate"
    assert built.rows == [
        f"none, {rate}=0.0001",
        f"none, {rate}=0.001",
        f"mnli, {before}=1e-05, {rate}=0.0001",
        f"mnli, {before}=2e-05, {rate}=0.0001",
        f"mnli, {before}=1e-05, {rate}=0.001",
        "none",  # panx has one rate, which is none of its own
    ]
    gains = [built.gain(row, "xnli") for row in built.rows]
    assert gains == [{}, {}, {0: 3.0}, {0: 9.0}, {0: 8.0}, {}]
    assert build([cells[0], cells[2], cells[5]]).rows == ["none", "mnli"], "nothing to tell apart"
    assert build([cells[0], {**cells[1], "settings": cells[0]["settings"]}]).rows == ["none", "none (b)"]


def test_means_intervals_and_gains_by_hand() -> None:
    built = build(RESULTS)
    assert built.rows == ["none", "mnli"]
    assert built.columns == ["xnli", "udpos"]
    assert built.entries["none", "xnli"].zero_shot == {0: 45.0, 1: 48.0}
    assert built.gain("mnli", "xnli") == {0: 7.0, 1: 2.0}
    assert built.gain("none", "xnli") == {}
    mean, half = mean_interval([7.0, 2.0])
    assert mean == 4.5
    assert half == pytest.approx(12.706 * math.sqrt(12.5) / math.sqrt(2))
    text = matrix.markdown(built)
    assert "| mnli | 51.0 ±12.7 |  |" in text
    assert "| after | xnli |\n|---|---|\n| mnli | +4.5 ±31.8 |\n" in text, "without the empty row and column"
    assert "| *best floor* | *33.0* | *33.0* |" in text
    averages = [{name: value for name, value in run["averages"].items() if "floor" not in name} for run in RESULTS]
    bare = [{**run, "averages": some} for run, some in zip(RESULTS, averages, strict=True)]
    assert matrix.markdown(build(bare)) == text.replace("| *best floor* | *33.0* | *33.0* |\n", "")
    assert "Synthetic" in text
    assert "| none | 61.0 ±12.7 | 90.0 |" in text


def test_t_quantiles_are_those_of_simulated_means() -> None:
    """95 % of the intervals of normal samples hold the true mean."""
    draws = np.random.default_rng(0).normal(5.0, 2.0, (4000, 3))
    held = sum(abs(mean - 5.0) <= half for mean, half in map(mean_interval, draws.tolist()) if half is not None)
    assert 0.94 <= held / 4000 <= 0.96


def test_one_seed_has_no_interval() -> None:
    assert mean_interval([3.0]) == (3.0, None)
    assert "±" not in matrix.markdown(build(RESULTS[:1])).replace("±", "", 0).split("|", 1)[1]


def test_gain_pairs_seeds_and_leaves_out_those_without_a_baseline() -> None:
    lone = [*RESULTS, result(["mnli"], "xnli", 7, {"qaa": 1, "qab": 1})]
    assert set(build(lone).gain("mnli", "xnli")) == {0, 1}


MARK = {"label": "x", "task": "x", "of": "cell", "kind": "train", "verdict": "collapsed", "why": "on dev rows nothing"}


def test_collapsed_runs_random_weights_and_all_nine_are_named() -> None:
    nine = [f"task{i}" for i in range(9)]
    more = [
        result(nine, "xnli", 0, {"qaa": 3, "qab": 33}, collapsed=["x"], marks=[MARK]),
        result(nine, "xnli", 1, {"qaa": 3, "qab": 57}, collapsed=[], marks=[]),
        result(["qqp"], "xnli", 0, {"qaa": 3, "qab": 33}, collapsed=["x"], marks=[MARK]),
        result(["old"], "xnli", 0, {"qaa": 3, "qab": 44}, collapsed=["x"]),
        result([], "xnli", 0, {"qaa": 3, "qab": 33}, weights="random"),
    ]
    text = matrix.markdown(build([*RESULTS, *more]))
    assert "| all nine | 57.0† |" in text, "the collapsed seed is not in the mean"
    assert "| all nine | +9.0 |" in text
    assert "| qqp | † |" in text
    assert text.count("| qqp |") == 2, "in the means and in the source language, and it has no gain"
    assert "- qqp > xnli, seed 0 (33.0): x collapsed, on dev rows nothing" in text
    assert "| old | 44.0? |" in text, "by its loss alone, which says little"
    assert "| random init, none | 33.0 |" in text


def test_a_collapsed_baseline_gives_no_gain() -> None:
    base = result([], "xnli", 0, {"qaa": 60, "qab": 9}, collapsed=["x"], marks=[MARK])
    built = build([base, result(["mnli"], "xnli", 0, {"qaa": 63.5, "qab": 50}, marks=[])])
    assert built.gain("mnli", "xnli") == {}
    assert built.gain("mnli", "xnli", "source") == {}
    picture = {text.get_text() for text in heatmap.figure(built).axes[0].texts}
    assert picture == {"†", "50.0"}


def test_gains_in_the_source_language_stand_below_its_scores() -> None:
    cells = [result([], "xnli", 0, {"qaa": 60, "qab": 9}), result(["mnli"], "xnli", 0, {"qaa": 63.5, "qab": 1})]
    text = matrix.markdown(build(cells))
    assert "| mnli | +3.5 |" in text.split("Gain in the source language:")[1]
    assert "| mnli | -8.0 |" in text.split("Gain in the source language:")[0]


def test_a_matrix_without_gains_says_what_they_need() -> None:
    text = matrix.markdown(build([result for result in RESULTS if result["intermediate"]]))
    assert "No gains: each needs a cell with an intermediate task and one without" in text
    assert "Gain " not in text
    assert "No gains" not in matrix.markdown(build(RESULTS))


def test_mlm_translations_and_substitutes_are_rows_of_their_own() -> None:
    scores = {"qaa": 60.0, "qab": 40.0}
    nine = [f"task{n}" for n in range(8)]
    results = [
        result(["mnli"], "xnli", 0, scores),
        result(["mnli"], "xnli", 0, scores, mlm=0.5),
        result(["mnli"], "xnli", 0, scores, translation="in qac"),
        result(["ud_tags"], "xnli", 0, scores, substitutes={"ud_tags": "ccg"}),
        result([*nine, "ud_tags"], "xnli", 0, scores, substitutes={"ud_tags": "ccg"}),
        result([*nine, "ccg"], "xnli", 0, scores, substitutes={}, mlm=0.0, translation=None),
    ]
    built = build(results)
    joined = "+".join([*nine, "ud_tags"]) + "‡"
    assert built.rows == ["mnli", "mnli + MLM x0.5", "mnli translated in qac", "ud_tags‡", joined, "all nine"]
    assert "‡ ud_tags is a free substitute, not CCG" in matrix.markdown(built)
    assert "‡" not in matrix.markdown(build(results[:3]))


def test_encoders_are_compared_with_their_own_baseline() -> None:
    other = [
        result([], "xnli", 0, {"qaa": 1, "qab": 10}, model="big"),
        result(["mnli"], "xnli", 0, {"qaa": 1, "qab": 11}, model="big"),
    ]
    built = build([*RESULTS, *other])
    assert built.gain("big / mnli", "xnli") == {0: 1.0}
    assert built.gain("mini / mnli", "xnli") == {0: 7.0, 1: 2.0}


def test_the_picture_shows_intervals_and_sets_off_those_without_zero() -> None:
    scores = {"none": (10, 10), "mnli": (15, 15.2), "qqp": (17, 12)}
    cells = [
        result([] if task == "none" else [task], "xnli", seed, {"qaa": 1, "qab": value})
        for task, values in scores.items()
        for seed, value in enumerate(values)
    ]
    (axes, _) = heatmap.figure(build(cells)).axes
    weights = {text.get_text(): text.get_weight() for text in axes.texts}
    assert weights["+5.1 ±1.3"] == "bold"  # 12.706 x 0.1414 / sqrt(2)
    assert weights["+4.5 ±31.8"] == "normal"
    assert "+7.0" in {text.get_text() for text in heatmap.figure(build(cells[::2])).axes[0].texts}


def test_files_hold_every_row_and_a_picture(tmp_path: Path) -> None:
    matrix.write(CELLS, tmp_path / "study")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "study" / "rows.csv").read_text())))
    assert len(rows) == sum(len(entry["rows"]) for entry in RESULTS)
    assert rows[1]["language"] == "qab"
    assert float(rows[1]["value"]) == 40.0
    picture = (tmp_path / "study" / "matrix.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 600
    assert height > 200
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == sorted([*FILES, "figures"])


def test_two_commands_may_write_one_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As sweeps over one grid do that end together: the second one writes while the first one renames."""
    replace, names = os.replace, []

    def other_first(source: Path, target: Path) -> None:
        if target.name not in names:
            names.append(target.name)
            matrix.write(CELLS, tmp_path)
        replace(source, target)

    monkeypatch.setattr(os, "replace", other_first)
    monkeypatch.setattr(figures, "drawn", lambda _: {})  # which takes most of the time, and is written in the same way
    matrix.write(CELLS, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == FILES


def test_ladder_by_hand() -> None:
    def line(language: str, value: float, floor: float | None) -> dict[str, Any]:
        return {"language": language, "value": value, "floor": floor}

    lines = [line("qaa", 80, 50), line("qab", 60, 40), line("qac", 50, 30), line("qad", 40, 45), line("qah", 20, 21)]
    more = [line("qaa", 90, 50), line("qab", 70, 40), line("qac", 60, 30), line("qad", 40, 45), line("qah", 22, 21)]
    runs = [
        result([], "xnli", 0, {"qaa": 1, "qab": 1}, comparison=lines),
        result([], "xnli", 1, {"qaa": 1, "qab": 1}, comparison=more),
        result(["mnli"], "xnli", 0, {"qaa": 1, "qab": 1}, comparison=[line("qaa", 1, 1)]),
        result([], "xnli", 0, {"qaa": 1, "qab": 1}, comparison=[line("qaa", 2, 2)], weights="random"),
        result([], "udpos", 0, {"qaa": 1, "qab": 1}, comparison=[line("qab", 9, None)]),
    ]
    assert ladder.markdown(runs).splitlines() == [
        "| target | source language | text x1 | text x0.1 | text x0.01 | unseen |",
        "|---|---|---|---|---|---|",
        "| xnli | 85.0 (50.0) | 60.0 (35.0) | – (45.0) |  | 21.0 (21.0) |",
        "",
        "–: left out, as it is not above its floor and so shows no transfer.",
    ]
    above = [{**run, "comparison": lines[:3]} for run in runs[:1]]
    assert "left out" not in ladder.markdown(above)
    assert ladder.markdown([{**run, "synthetic": False} for run in runs]) == ""
    assert ladder.markdown(runs[-1:]) == "", "floors were not asked for"
    assert "by share of pretraining text" in matrix.page(build(runs), runs)


def results_of(output: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(output.glob("cells/*/result.json"))]


def test_study_is_a_sweep_that_ends_in_its_matrix(tmp_path: Path) -> None:
    """The sweep of the study, cut to two rows and two targets; the controls are added, and nothing is trained twice."""
    command = [sys.executable, "-m", "stilts_xtreme", "-m", "+study=phang2020", "+intermediate=none,mnli"]
    command += ["+target=xnli,tatoeba", *TINY, f"output={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "studies" / "phang2020-mini" / "matrix.md").read_text()
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert rows[:5] == ["| after", "| none", "| mnli", "| random init, none", "| *best floor*"]
    trained = [path.name for path in (tmp_path / "stages").iterdir()]
    # pretraining; mnli, none > mnli, mnli > mnli, random > mnli; evaluations of two rows, a control and floors, twice
    assert len(trained) == 1 + 4 + 6 + 2
    assert "matrix, rows and picture:" in done.stdout

    notebook = json.loads((ROOT / "notebooks" / "transfer_matrix.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    cells[1] += "._repr_png_()[:4] == b'\\x89PNG' or exit(3)"  # a notebook shows a cell's last value
    cells[2] += "; print(len(means), 'entries')"
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(cells)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "STILTS_OUTPUT": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr
    assert "6 cells" in ran.stdout
    assert "1 entries" in ran.stdout, "random weights find sentences, too; what six steps taught has no gain"
    assert "† Not in any mean or gain" in text


def test_study_without_a_sweep_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stilts_xtreme", "+study=phang2020", "+target=xnli", *TINY, f"output={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: study=phang2020 is a sweep of many cells; add -m to the command.\n"

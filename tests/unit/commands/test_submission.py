"""Submissions from finished cells: the choice, the checks, and what the scorer says of the result."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.scoring import make_folder

from stilts_xtreme.commands import score, submission
from stilts_xtreme.core import compose
from stilts_xtreme.report.benchmark import averages as benchmarks
from stilts_xtreme.tasks import predictions

DATASETS = {"pawsx": "paws_x", "tydiqa": "tydiqa_goldp"}


@functools.cache
def composed(task: str) -> dict[str, Any]:
    return compose.compose([f"+target={task}", "data=hub"])


def cell(folder: Path, name: str, task: str, source: Path, dev: float | None, rows: int | None = None) -> Path:
    """A finished cell whose files are those of a folder of a benchmark."""
    place = folder / name
    for side in ("predictions", "labels"):
        (place / side).mkdir(parents=True)
        target = place / side / task
        target.mkdir()
        for path in (source / side / task).iterdir():
            (target / path.name).write_bytes(path.read_bytes())
    dataset = DATASETS.get(task, task)
    config = copy.deepcopy(composed(task))
    counts = {}
    for language in config["target"]["languages"]:
        gold = predictions.read_gold(source / "labels", task, language, config["target"]["head"])
        counts[language] = {"test": len(gold) if rows is None else rows}
    config["dataset"][dataset]["counts"] = counts
    (place / "config.json").write_text(json.dumps(config))
    result = {
        "cell": name, "model": "xlmr_large", "intermediate": ["mnli"], "target": task, "seed": 0, "volume": None,
        "recipe": "phang2020", "collapsed": [], "synthetic": False, "rows": [{"stage": "e" * 20, "trained": "t" * 20}],
        "stages": [{"key": "t" * 20, "info": {"dev": {"x": dev} if dev is not None else None}}],
    }  # fmt: skip
    (place / "result.json").write_text(json.dumps(result))
    return place


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    make_folder(folder, "xtreme")
    for task, name in (("xnli", "test-en.tsv"), ("xquad", "test-en.json")):  # the same rows in every language
        for side in ("labels", "predictions"):
            for path in (folder / side / task).iterdir():
                path.write_bytes((folder / side / task / name).read_bytes())
    for task in ("xquad", "mlqa", "tydiqa"):  # an answer to every question, and to no other
        for path in (folder / "predictions" / task).iterdir():
            gold = predictions.read_gold(folder / "labels", task, path.stem.removeprefix("test-"), "qa")
            found = json.loads(path.read_text())
            path.write_text(json.dumps({key: found.get(key, "") for key in gold}, ensure_ascii=False))
    return folder


@pytest.fixture
def cells(source: Path, tmp_path: Path) -> list[Path]:
    trained = ("xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa")
    return [
        cell(tmp_path / "cells", f"{task}-cell", task, source, 50.0 if task in trained else None)
        for task in benchmarks.load("xtreme").tasks
    ]


@pytest.fixture
def go(tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    def run(*arguments: object) -> tuple[int, str]:
        code = submission.main([*map(str, arguments), "--output", str(tmp_path / "sub")])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_submission_is_what_the_scorer_reads(
    cells: list[Path], source: Path, tmp_path: Path, go: Callable, capsys: Any
) -> None:
    code, said = go(*cells)
    assert code == 0, said
    out = tmp_path / "sub"
    scored = ["--predictions", str(out), "--labels", str(source / "labels"), "--benchmark", "xtreme"]
    assert score.main([*scored, "--output", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["overall"]["all_task"] == pytest.approx(scores["all_task"], abs=1e-12)
    for task, entry in manifest["tasks"].items():
        assert entry["scores"]["avg_metric"] == pytest.approx(scores[task]["avg_metric"], abs=1e-12)
        assert entry["cell"] == f"{task}-cell"
    assert f"All tasks: {scores['all_task']:.2f}" in (out / "README.md").read_text()
    deltas = {(line["target"], line["metric"]): line["delta"] for line in manifest["published"]}
    assert deltas["xnli", "accuracy"] == pytest.approx(scores["xnli"]["avg_accuracy"] - 80.4)
    assert deltas["all", "mean"] == pytest.approx(scores["all_task"] - 73.5)
    assert {path.name for path in tmp_path.iterdir()} == {"cells", "sub", "scores.json"}  # no scratch is left
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    code, said = go(*cells)
    assert (code, "exists, and nothing is written over" in said) == (1, True)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_the_best_english_dev_score_chooses(cells: list[Path], source: Path, tmp_path: Path, go: Callable) -> None:
    better = cell(tmp_path / "cells", "xnli-better", "xnli", source, 61.5)
    worse = cell(tmp_path / "cells", "xnli-worse", "xnli", source, 12.0)
    assert go(worse, better, *cells)[0] == 0
    manifest = json.loads((tmp_path / "sub" / "manifest.json").read_text())
    entry = manifest["tasks"]["xnli"]
    assert (entry["cell"], entry["dev"]) == ("xnli-better", 61.5)
    assert {line["cell"]: line["dev"] for line in entry["chosen_among"]} == {
        "xnli-better": 61.5,
        "xnli-worse": 12.0,
        "xnli-cell": 50.0,
    }


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"translate_test": "people"}, "translate-test (people)"),
        ({"shots": {"k": 5, "draw": 0, "arm": "after"}}, "5 shots, draw 0"),
    ],
)
def test_what_is_no_zero_shot_transfer_is_taken_by_name_alone(
    more: dict[str, Any], said: str, cells: list[Path], source: Path, tmp_path: Path, go: Callable
) -> None:
    """It shares its training with the zero-shot cell, and so the dev score."""
    other = cell(tmp_path / "more", "other", "xnli", source, 50.0)
    result = json.loads((other / "result.json").read_text())
    (other / "result.json").write_text(json.dumps({**result, **more}))
    code, _ = go(other, *cells)
    assert code == 0
    assert json.loads((tmp_path / "sub/manifest.json").read_text())["tasks"]["xnli"]["cell"] == "xnli-cell"
    assert (
        submission.main([str(other), *map(str, cells), "--output", str(tmp_path / "s2"), "--take", "xnli=other"]) == 0
    )
    told = json.loads((tmp_path / "s2/manifest.json").read_text())
    assert told["tasks"]["xnli"]["cell"] == "other"
    assert f"xnli: other is no zero-shot transfer ({said})" in told["notes"]
    alone = [folder for folder in cells if folder.name != "xnli-cell"]
    assert submission.main([str(other), *map(str, alone), "--output", str(tmp_path / "s3")]) == 1
    assert not (tmp_path / "s3").exists()


def test_what_is_not_trained_on_is_chosen_by_hand(
    cells: list[Path], source: Path, tmp_path: Path, go: Callable
) -> None:
    other = cell(tmp_path / "cells", "tatoeba-other", "tatoeba", source, 99.0)  # of its intermediate task, not its own
    code, said = go(*cells, other)
    assert code == 1
    assert "tatoeba: 2 of 2 cells have no English dev score to choose by; give --take tatoeba=CELL" in said
    assert go(*cells, other, "--take", "tatoeba=tatoeba-otter")[1].count("did you mean 'tatoeba-other'") == 1
    assert go(*cells, other, "--take", f"tatoeba={other}")[0] == 0
    manifest = json.loads((tmp_path / "sub" / "manifest.json").read_text())
    assert manifest["tasks"]["tatoeba"]["cell"] == "tatoeba-other"


def test_an_incomplete_submission_is_refused_with_all_that_is_missing(
    cells: list[Path], tmp_path: Path, go: Callable
) -> None:
    by_task = {path.name.removesuffix("-cell"): path for path in cells}
    (by_task["xnli"] / "predictions" / "xnli" / "test-sw.tsv").unlink()
    lines = by_task["panx"] / "predictions" / "panx" / "test-th.tsv"
    lines.write_text(lines.read_text() + "\nO\n")
    answers = by_task["mlqa"] / "predictions" / "mlqa" / "test-zh.json"
    found = json.loads(answers.read_text())
    answers.write_text(json.dumps(dict(list(found.items())[1:])))
    code, said = go(*[path for path in cells if path != by_task["pawsx"]])
    assert code == 1
    for line in (
        "pawsx: no cell",
        "xnli: xnli-cell lacks sw",
        f"panx/test-th.tsv: {lines}",
        f"mlqa/test-zh.json: 1 of {len(found)} questions have no answer",
    ):
        assert f"missing or wrong: {line}" in said
    assert not (tmp_path / "sub").exists()
    code, said = go(*[path for path in cells if path != by_task["pawsx"]], "--partial")
    assert code == 0
    assert "(INCOMPLETE)" in (tmp_path / "sub" / "README.md").read_text()
    manifest = json.loads((tmp_path / "sub" / "manifest.json").read_text())
    assert len(manifest["problems"]) == 4
    assert "all_task" not in manifest["overall"]
    assert not (tmp_path / "sub" / "xnli" / "test-sw.tsv").exists()
    assert not (tmp_path / "sub" / "panx" / "test-th.tsv").exists()


def test_counts_and_order_are_those_of_the_benchmark(
    cells: list[Path], source: Path, tmp_path: Path, go: Callable
) -> None:
    cut = cell(tmp_path / "cells", "udpos-cut", "udpos", source, 99.0, rows=5440)
    code, said = go(*cells, cut)
    assert code == 1
    assert "udpos/test-en.tsv: " in said
    assert "and the data set has 5440" in said
    path = next(path for path in cells if path.name == "xnli-cell") / "labels" / "xnli" / "test-de.tsv"
    lines = path.read_text().splitlines()
    other = next(at for at, line in enumerate(lines) if line != lines[0])
    lines[0], lines[other] = lines[other], lines[0]
    path.write_text("\n".join(lines) + "\n")
    code, said = go(*cells)
    assert (code, "xnli: rows of de are in another order than those of en" in said.replace("of ar", "of en")) == (
        1,
        True,
    )


def test_ids_must_be_buccs_own(cells: list[Path], go: Callable) -> None:
    folder = next(path for path in cells if path.name == "bucc2018-cell")
    for side in ("labels", "predictions"):
        (folder / side / "bucc2018" / "test-fr.tsv").write_text("foreign:1\tenglish:2\n")
    code, said = go(*cells)
    assert (code, "bucc2018/test-fr.tsv: ids are not BUCC's own" in said) == (1, True)


def test_synthetic_cells_and_others_are_refused(cells: list[Path], tmp_path: Path, go: Callable) -> None:
    result = json.loads((cells[0] / "result.json").read_text())
    (cells[0] / "result.json").write_text(json.dumps({**result, "synthetic": True}))
    assert "was made on synthetic data" in go(*cells)[1]
    (cells[0] / "result.json").write_text(json.dumps({**result, "target": None}))
    assert f"{result['target']}: no cell" in go(*cells)[1]
    assert "is not the folder of a finished cell" in go(tmp_path)[1]
    assert "did you mean 'xtreme-r'" in go(*cells, "--benchmark", "xtreme_r")[1]
    assert "--take tatoeba is not TASK=CELL" in go(*cells, "--take", "tatoeba")[1]
    code, said = go(*cells, "--benchmark", "xtreme-r")
    assert code == 1
    assert "udpos: udpos-cell lacks lt, pl, uk, wo, ro" in said
    assert "lareqa: no cell" in said

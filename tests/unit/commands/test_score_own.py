"""Prediction files of the user's own tasks are scored, alone and beside a benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stilts_xtreme.commands.score import main
from stilts_xtreme.tasks import predictions

TARGET = """# @package _global_
dataset:
  {name}:
    name: {name}
    format: {format}
    files: {{train: rows.jsonl, test: rows.jsonl}}
    labels: [bad, good]
target: {{name: {name}, head: {format}, metric: {metric}, train: [{name}], test: {name}{more}}}
"""


def target(folder: Path, name: str, format: str, metric: str, more: str = "") -> None:
    (folder / "target").mkdir(parents=True, exist_ok=True)
    text = TARGET.format(name=name, format=format, metric=metric, more=more)
    (folder / "target" / f"{name}.yaml").write_text(text)
    (folder / "target" / "rows.jsonl").write_text('{"text_a": "a", "label": "good"}\n')


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two tasks of one's own: reviews, three of four right in English and two in German; and tags, all right."""
    target(tmp_path / "conf", "reviews", "classification", "accuracy")
    target(tmp_path / "conf", "words", "tagging", "token_accuracy", ", languages: [sw]")
    gold, answers = ["good", "bad", "good", "bad"], {"en": "good bad good good", "de": "good good good good"}
    for language, found in answers.items():
        predictions.write(tmp_path / "predictions", "reviews", language, "classification", found.split())
        predictions.write(tmp_path / "labels", "reviews", language, "classification", gold)
    for side in ("predictions", "labels"):
        predictions.write(tmp_path / side, "words", "sw", "tagging", [["good", "bad"], ["good"]])
    return tmp_path


def score(folder: Path, *more: str) -> tuple[int, dict]:
    arguments = ["--predictions", str(folder / "predictions"), "--labels", str(folder / "labels")]
    code = main([*arguments, "--output", str(folder / "scores.json"), *more])
    return code, json.loads((folder / "scores.json").read_text()) if code == 0 else {}


def test_all_own_tasks_are_scored(own: Path, capsys: pytest.CaptureFixture) -> None:
    code, found = score(own, "--config-dir", str(own / "conf"))
    assert code == 0
    assert found["reviews"]["accuracy"] == {"de": 50.0, "en": 75.0}
    assert found["words"]["avg_metric"] == 100.0
    assert "all_task" not in found  # their mean is nobody's score
    assert "2 of 2" in capsys.readouterr().out


def test_one_of_them_is_scored(own: Path) -> None:
    code, found = score(own, "--config-dir", str(own / "conf"), "+target=words")
    assert (code, "reviews" in found, found["words"]["avg_token_accuracy"]) == (0, False, 100.0)


def test_beside_a_benchmark_they_are_in_no_mean_of_it(own: Path) -> None:
    predictions.write(own / "predictions", "xnli", "en", "classification", ["entailment"])
    predictions.write(own / "labels", "xnli", "en", "classification", ["entailment"])
    code, found = score(own, "--config-dir", str(own / "conf"), "--benchmark", "xtreme", "--partial")
    assert (code, found["benchmark"], found["xnli"]["avg_metric"]) == (0, "xtreme", 100.0)
    assert found["reviews"]["avg_metric"] == 62.5
    assert not {"all_task", "own"} & found.keys()


def test_what_is_missing_is_named(own: Path, capsys: pytest.CaptureFixture) -> None:
    (own / "predictions" / "reviews" / "test-de.tsv").unlink()
    assert score(own, "--config-dir", str(own / "conf"))[0] == 1
    assert "reviews/test-de.tsv" in capsys.readouterr().err
    assert score(own, "--config-dir", str(own / "conf"), "--partial")[1]["reviews"]["accuracy"] == {"en": 75.0}
    (own / "predictions" / "reviews" / "test-en.tsv").write_text("good\nbad\ngood\n")
    assert score(own, "--config-dir", str(own / "conf"), "--partial")[0] == 1
    assert "line 4 is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), ("--benchmark is missing",)),
        (("seed=1",), ("seed=1", "--config-dir")),
        (("--benchmark", "xtreme", "--partial"), ("no file of xtreme", "--config-dir FOLDER")),
        (("--config-dir", "nowhere"), ("nowhere", "not a folder")),
        (("--config-dir", "{own}"), ("has no target/NAME.yaml",)),
        (("--config-dir", "{own}/conf", "+target=revews"), ("revews", "did you mean 'reviews'")),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(
    own: Path, more: tuple[str, ...], words: tuple[str, ...], capsys: pytest.CaptureFixture
) -> None:
    code, _ = score(own, *(word.format(own=own) for word in more))
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 1
    assert all(word in line for word in words), line


def test_a_task_of_the_same_name_is_not_the_benchmarks(own: Path, capsys: pytest.CaptureFixture) -> None:
    target(own / "conf", "xnli", "classification", "accuracy")
    assert score(own, "--config-dir", str(own / "conf"), "--benchmark", "xtreme", "--partial")[0] == 1
    assert "also the name of a task of xtreme" in capsys.readouterr().err

"""Folders of labels whose labels are withheld, as benchmarks give their test sets away, are never scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stilts_xtreme.commands.score import main
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.benchmark.averages import Task
from stilts_xtreme.report.benchmark.scorer import score_language
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.files import withheld_labels

NLI = ("entailment", "neutral", "contradiction")


def _squad(*answers: list[dict] | None) -> str:
    qas = [
        {"id": str(at), "question": "q", **({} if one is None else {"answers": one})} for at, one in enumerate(answers)
    ]
    return json.dumps({"data": [{"paragraphs": [{"context": "a b", "qas": qas}]}]})


EMPTY = [{"text": "", "answer_start": 0}]
RIGHT = [{"text": "a", "answer_start": 0}]


@pytest.mark.parametrize(
    ("task", "gold", "predicted", "reason"),
    [
        (Task("xnli", "classification", "accuracy", ("de",), NLI), "-1\n-1\n", "neutral\nneutral\n", "2 of its 2 labe"),
        (Task("xnli", "classification", "accuracy", ("de",), NLI), "neutral\n-1\n", "neutral\nneutral\n", "1 of its 2"),
        (Task("xnli", "classification", "accuracy", ("de",), NLI), "none\n" * 12, "neutral\n" * 12, "all of its 12"),
        (Task("own", "classification", "accuracy", ("de",)), "-1\n-1\n", "neutral\nneutral\n", "2 of its 2 labels"),
        (Task("xcopa", "choice", "accuracy", ("de",), ("0", "1")), "-1\n-1\n", "0\n1\n", "2 of its 2 labels are '-1'"),
        (Task("udpos", "tagging", "pos_f1", ("de",), ("NOUN", "X")), "_\n_\n\n_\n\n", "X\nX\n\nX\n\n", "are '_'"),
        (Task("panx", "tagging", "chunk_f1", ("de",), ("B-PER", "O")), "O\nO\n\n", "O\nB-PER\n\n", "have the tag 'O'"),
        (Task("tatoeba", "retrieval", "retrieval_accuracy", ("de",)), "0\n" * 12, "1\n" * 12, "all of its 12"),
        (Task("xquad", "qa", "squad", ("de",)), _squad(EMPTY, EMPTY), '{"0": "a", "1": ""}', "2 of its 2 questions"),
        (Task("xquad", "qa", "squad", ("de",)), _squad(RIGHT, EMPTY), '{"0": "a", "1": ""}', "1 of its 2 questions"),
        (Task("xquad", "qa", "squad", ("de",)), _squad([], None), '{"0": "a", "1": ""}', "none of its 2 questions"),
        (Task("mlqa", "qa", "mlqa", ("de",)), _squad([], []), '{"0": "a", "1": ""}', "none of its 2 questions"),
        (Task("own", "qa", "squad_v2", ("de",)), _squad(EMPTY), '{"0": "a"}', "1 of its 1 questions"),
    ],
)
def test_withheld_labels_are_not_scored(tmp_path: Path, task: Task, gold: str, predicted: str, reason: str) -> None:
    name = f"test-de.{format_of(task.format).extensions[0]}"
    for folder, text in (("labels", gold), ("predictions", predicted)):
        (tmp_path / folder / task.name).mkdir(parents=True)
        (tmp_path / folder / task.name / name).write_text(text)
    with pytest.raises(StiltsError, match="is blind, never scored") as error:
        score_language(tmp_path / "predictions", tmp_path / "labels", task, "de")
    assert reason in str(error.value)
    assert str(tmp_path / "labels" / task.name / name) in str(error.value)


@pytest.mark.parametrize(
    ("task", "gold"),
    [
        (Task("xnli", "classification", "accuracy", ("de",), NLI), "neutral\n" * 12),
        (Task("own", "classification", "accuracy", ("de",), ("-1", "1")), "-1\n1\n"),
        (Task("own", "tagging", "token_accuracy", ("de",), ("_", "B")), "_\nB\n\n"),
        (Task("own", "qa", "squad_v2", ("de",)), _squad([], [])),
        (Task("xquad", "qa", "squad", ("de",)), _squad(RIGHT, [])),
    ],
)
def test_what_is_right_is_scored(tmp_path: Path, task: Task, gold: str) -> None:
    path = tmp_path / f"test-de.{format_of(task.format).extensions[0]}"
    path.write_text(gold)
    read = format_of(task.format).read_gold(path)
    assert format_of(task.format).withheld(read, task.labels, task.metric) is None


def test_labels_that_happen_to_be_alike_are_scored():
    assert withheld_labels(["good"] * 9, ()) is None
    assert withheld_labels([], ()) is None


def test_the_command_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for folder, text in (("labels", "-1\n-1\n"), ("predictions", "neutral\nneutral\n")):
        (tmp_path / folder / "xnli").mkdir(parents=True)
        (tmp_path / folder / "xnli" / "test-de.tsv").write_text(text)
    folders = ["--predictions", str(tmp_path / "predictions"), "--labels", str(tmp_path / "labels")]
    assert main([*folders, "--benchmark", "xtreme", "--partial"]) == 1
    assert "labels/xnli/test-de.tsv is blind, never scored: 2 of its 2 labels are '-1'" in capsys.readouterr().err

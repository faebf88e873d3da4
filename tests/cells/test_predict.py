"""Own rows predicted with trained models: the answers are those of the cell's own evaluation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.commands.predict import main
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import predictions

TARGETS = ["xnli", "panx", "xquad", "xcopa", "tatoeba", "bucc2018", "lareqa"]
PLAIN = ("baseline=false", "evaluation.floors=false")
Predict = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def predict(capsys: pytest.CaptureFixture) -> Predict:
    """Runs the command in this process: exit code, records and all that it said beside them."""

    def run(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
        capsys.readouterr()
        code = main([*map(str, arguments), "--device", "cpu"])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


@pytest.fixture(scope="module")
def cells(run_tiny: Any) -> Callable[[str], Path]:
    """The folder of a cell of a target."""
    done: dict[str, Path] = {}

    def cell(target: str) -> Path:
        if target not in done:
            name = run_tiny(f"+target={target}", *PLAIN)["cell"]
            done[target] = run_tiny.output / "cells" / name
        return done[target]

    return cell


def jsonl(path: Path, rows: dict[str, list]) -> Path:
    lines = (dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True))
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def rows_of(cell: Path, language: str) -> tuple[Any, dict[str, list]]:
    from stilts_xtreme.cell.config import make_cell

    made = make_cell(json.loads((cell / "config.json").read_text()))
    return made, source_of(made.target.test, made.data).rows("test", language)[0]


@pytest.mark.parametrize("target", TARGETS)
def test_the_answers_are_those_of_the_evaluation(
    target: str, cells: Callable[[str], Path], predict: Predict, tmp_path: Path
) -> None:
    cell = cells(target)
    made, rows = rows_of(cell, "qab")
    more: list[str | Path] = []
    if made.target.candidates is not None:
        pool = source_of(made.target.candidates, made.data)
        parts = [pool.rows("test", language)[0] for language in pool.languages("test")]
        joined = {name: [value for part in parts for value in part[name]] for name in parts[0]}
        more = ["--against", jsonl(tmp_path / "candidates.jsonl", joined)]
    if target == "bucc2018":
        chosen = json.loads((cell / "result.json").read_text())["bitext"]["thresholds"]["qab"]
        more = ["--threshold", str(chosen)]
    code, found, said = predict(cell, jsonl(tmp_path / "rows.jsonl", rows), "--batch-tokens", "500", *more)
    assert code == 0, said
    expected = predictions.read(cell / "predictions", target, "qab", made.target.head)
    answers: Any = [record["prediction"] for record in found]
    if isinstance(expected, dict):
        answers = {record["id"]: record["prediction"] for record in found}
    if target == "bucc2018":
        answers = [tuple(pair) for pair in answers]
    assert answers == expected
    if target != "bucc2018":
        assert [record["id"] for record in found] == rows["id"]
    for record, row in zip(found, zip(*rows.values(), strict=True), strict=False):
        own = dict(zip(rows, row, strict=True))
        if target == "xnli":
            assert (
                record["probabilities"][record["prediction"]]
                == record["probability"]
                == max(record["probabilities"].values())
            )
            assert sum(record["probabilities"].values()) == pytest.approx(1)
        if target == "panx":
            assert record["tokens"] == own["tokens"]
            assert all(1 / 7 <= share <= 1 for share in record["probabilities"])
        if target == "xcopa":
            assert record["choice"] == own["choices"][int(record["prediction"])]
        if target == "xquad" and record["prediction"]:
            assert own["context"][record["start"] : record["end"]] == record["prediction"]


def test_a_cell_a_training_and_a_copied_model_answer_alike(
    cells: Callable[[str], Path], predict: Predict, tmp_path: Path
) -> None:
    cell = cells("xnli")
    _, rows = rows_of(cell, "qaa")
    # the names of the training rows, no labels and no ids
    path = jsonl(tmp_path / "rows.jsonl", {"premise": rows["text_a"], "hypothesis": rows["text_b"]})
    trained = json.loads((cell / "result.json").read_text())["rows"][0]["trained"]
    stage = cell.parent.parent / "stages" / trained
    model = tmp_path / "my model"
    shutil.copytree(stage / "models" / "mnli", model)
    first = predict(cell, path)
    assert first[0] == 0
    assert [record["id"] for record in first[1]] == [str(at) for at in range(len(rows["id"]))]
    assert predict(stage, path)[1] == predict(model, path)[1] == first[1]
    # as a folder of another program says nothing of options and columns
    config = json.loads((model / "config.json").read_text())
    del config["stilts_xtreme"]
    (model / "config.json").write_text(json.dumps(config))
    code, _, said = predict(model, path)
    assert (code, "lacks the column text_a" in said) == (1, True)
    names = ["--column", "text_a=premise", "--column", "text_b=hypothesis"]
    code, found, said = predict(model, path, *names)
    assert (code, found) == (0, first[1])
    assert "taking --max-length 128" in said
    assert predict(model, path, *names, "--max-length", "9")[1] != found


def test_a_file_takes_the_answers(cells: Callable[[str], Path], predict: Predict, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text_a,text_b\n"one, two",three\nNA,none\n')
    code, found, _ = predict(cells("xnli"), path)
    assert (code, len(found)) == (0, 2)
    code, nothing, said = predict(cells("xnli"), path, "--output", tmp_path / "deep" / "out.jsonl")
    assert (code, nothing) == (0, [])
    assert "2 predictions" in said
    assert [json.loads(line) for line in (tmp_path / "deep" / "out.jsonl").read_text().splitlines()] == found


def test_two_files_of_sentences(cells: Callable[[str], Path], predict: Predict, tmp_path: Path) -> None:
    cell = cells("tatoeba")
    _, rows = rows_of(cell, "qab")
    ours, theirs = tmp_path / "english.txt", tmp_path / "other.txt"
    ours.write_text("".join(f"{text}\n" for text in rows["text_b"]), encoding="utf-8")
    theirs.write_text("".join(f"{text}\n" for text in rows["text_a"]), encoding="utf-8")
    code, found, said = predict(cell, ours, "--against", theirs)
    assert code == 0, said
    expected = predictions.read(cell / "predictions", "tatoeba", "qab", "retrieval")
    assert [int(record["prediction"]) for record in found] == expected
    # with fewer queries than texts, and with the encoder of a classifier
    ours.write_text(rows["text_b"][0] + "\n", encoding="utf-8")
    code, found, said = predict(cells("xnli"), ours, "--against", theirs, "--format", "retrieval")
    assert (code, len(found), found[0]["text"] in rows["text_a"]) == (0, 1, True)
    code, found, said = predict(cells("xnli"), theirs, "--against", ours, "--format", "bitext")
    assert code == 0, said
    assert all(record["prediction"][1] == "0" for record in found)
    assert predict(cells("xnli"), theirs, "--against", ours, "--format", "bitext", "--threshold", "9")[1] == []


def test_the_head_of_a_joint_training_is_chosen(run_tiny: Any, predict: Predict, tmp_path: Path) -> None:
    result = run_tiny("+intermediate=[mnli,squad_v1]")
    cell = run_tiny.output / "cells" / result["cell"]
    path = jsonl(tmp_path / "rows.jsonl", {"context": ["ba be bi"], "question": ["be"]})
    code, _, said = predict(cell, path)
    assert code == 1
    assert "mnli, squad_v1" in said
    assert "--head" in said
    stage = run_tiny.output / "stages" / result["stages"][-1]["key"]
    for model in (stage, cell):
        code, found, said = predict(model, path, "--head", "squad_v1")
        assert (code, [record["id"] for record in found]) == (0, ["0"]), said
    code, _, said = predict(stage, path, "--head", "squad")
    assert (code, "did you mean 'squad_v1'" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("MODEL is missing",)),
        (("{cell}",), ("FILE is missing",)),
        (("{cell}", "nowhere.csv"), ("nowhere.csv", "does not exist")),
        (("nowhere", "{rows}"), ("nowhere", "outputs/stages/KEY")),
        (("{rows}", "{rows}"), ("is a file",)),
        (("{empty}", "{rows}"), ("is not a model",)),
        (("mini", "{rows}"), ("without a head", "--format retrieval")),
        (("mini", "{rows}", "--format", "qa"), ("--format qa", "train one")),
        (("mini", "{rows}", "--format", "retreival"), ("retreival", "did you mean 'retrieval'")),
        (("mini", "{rows}", "--format", "retrieval"), ("text_a, text_b", "--against FILE")),
        (("{cell}", "{rows}", "--against", "{rows}"), ("--against", "classification")),
        (("{cell}", "{rows}", "--threshold", "1"), ("--threshold", "bitext")),
        (("{cell}", "{rows}", "--column", "text_a"), ("COLUMN=NAME",)),
        (("{cell}", "{rows}", "--batch-tokens", "0"), ("--batch-tokens 0",)),
        (("{cell}", "{rows}", "--max-length", "100000"), ("100000",)),
        (("{cell}", "{rows}", "--max-length", "1"), ("max_length=1",)),
        (("{cell}", "{rows}", "--head", "mnlli"), ("did you mean 'mnli'",)),
        (("{cell}", "{rows}", "--haed", "mnli"), ("did you mean '--head'",)),
        (("{cell}", "{rows}", "--output", "{empty}"), ("{empty}",)),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    cells: Callable[[str], Path],
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "file").write_text("")
    rows = jsonl(tmp_path / "rows.jsonl", {"text_a": ["a"], "text_b": ["b"]})
    cell = cells("xnli") if any("{cell}" in argument for argument in arguments) else ""
    if "retrieval" in arguments:
        jsonl(rows, {"text": ["a"]})
    filled = [word.format(cell=cell, rows=rows, empty=tmp_path / "empty") for word in arguments]
    capsys.readouterr()
    assert main(filled or ["--device", "cpu"]) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert all(word.format(empty=tmp_path / "empty") in line for word in words), line


def test_a_damaged_training_is_not_used(run_tiny: Any, cells: Callable[[str], Path], predict: Predict, tmp_path: Path):
    rows = jsonl(tmp_path / "rows.jsonl", {"text_a": ["a"], "text_b": ["b"]})
    cell = tmp_path / "out" / "cells" / "mine"
    shutil.copytree(cells("xnli"), cell)
    trained = json.loads((cell / "result.json").read_text())["rows"][0]["trained"]
    code, _, said = predict(cell, rows)
    assert (code, trained in said) == (1, True)
    stage = tmp_path / "out" / "stages" / trained
    shutil.copytree(run_tiny.output / "stages" / trained, stage)
    assert predict(cell, rows)[0] == 0
    weights = stage / "models" / "mnli" / "model-00002-of-00002.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    for model in (cell, stage):
        code, _, said = predict(model, rows)
        assert (code, "is damaged: models/mnli/model-00002" in said) == (1, True)

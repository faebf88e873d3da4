"""The texts of test rows on the page: where they come from, how they are cut, and when they are left out."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.results import write_cell
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.report.answers import target_of
from stilts_xtreme.report.page import examples as browser
from stilts_xtreme.report.page.examples import examples
from stilts_xtreme.report.page.runs import runs
from stilts_xtreme.report.page.texts import LENGTH, cut, read
from stilts_xtreme.report.results import read_cells
from stilts_xtreme.tasks import format_of, predictions

TEXTS = {"en": ["<b>one</b>", "two|=cmd()"], "ar": ["\u202eواحد", "اثنان e\u0301"]}
GOLD = {code: ["neutral", "entailment"] for code in TEXTS}


def with_rows(root: Path, labels: tuple[str, ...] = ("neutral", "entailment")) -> None:
    """Two cells whose configuration names files with the rows that were scored."""
    write_cell(root, (), "xnli", 0, {code: ["neutral", "neutral"] for code in TEXTS}, GOLD)
    write_cell(root, ("mnli",), "xnli", 0, GOLD, GOLD)
    for code, texts in TEXTS.items():
        with (root / f"test-{code}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text_a", "label"), *zip(texts, labels, strict=True)])
    for path in root.glob("cells/*/config.json"):
        config = json.loads(path.read_text())
        config["data"] = {"kind": "hub", "root": None, "bad_rows": "skip", "world": {}}
        config["dataset"]["own"] = {
            "name": "own",
            "format": "classification",
            "labels": ["contradiction", "entailment", "neutral"],
            "columns": {"text_a": "text_a", "label": "label"},
            "files": {"test": {code: str(root / f"test-{code}.csv") for code in TEXTS}},
            "parallel": True,
            "licence": "cc-by-4.0",
        }
        path.write_text(json.dumps(config))


def shown(root: Path, texts: bool = True) -> dict[str, Any]:
    (found,) = examples(runs(read_cells(root)), texts)
    return found


def said(found: dict[str, Any]) -> dict[tuple[str, str], list[list[str]]]:
    """Item and language -> texts."""
    return {
        (key, found["languages"][line[0]]): [[found["words"][word] for word in part] for part in line[2]]
        for key, lines in found["items"]
        for line in lines
    }


def test_texts_stand_beside_the_answers(tmp_path: Path) -> None:
    with_rows(tmp_path)
    found = shown(tmp_path)
    assert said(found) == {
        (str(at), code): [["text a", text]] for code, texts in TEXTS.items() for at, text in enumerate(texts)
    }
    assert (found["licence"], found["missing"]) == ("cc-by-4.0", "")


def test_texts_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    with_rows(tmp_path)
    found = shown(tmp_path, texts=False)
    assert set(map(str, said(found).values())) == {"[]"}
    assert found["missing"] == browser.NO_TEXTS
    assert found["licence"] is None


def test_rows_that_are_not_those_that_were_scored_are_not_shown(tmp_path: Path) -> None:
    with_rows(tmp_path, labels=("entailment", "entailment"))
    found = shown(tmp_path)
    assert set(map(str, said(found).values())) == {"[]"}
    assert "the rows that are there now are not those that were scored" in found["missing"]


def test_the_hub_is_not_asked(tmp_path: Path) -> None:
    with_rows(tmp_path)
    for path in tmp_path.glob("cells/*/config.json"):
        config = json.loads(path.read_text())
        del config["dataset"]["own"]["files"]
        path.write_text(json.dumps(config | {"dataset": {"own": config["dataset"]["own"] | {"id": "some/where"}}}))
    assert "on the hub, and a report asks no other machine" in shown(tmp_path)["missing"]


def test_rows_that_are_gone_are_told(tmp_path: Path) -> None:
    with_rows(tmp_path)
    for code in TEXTS:
        (tmp_path / f"test-{code}.csv").unlink()
    found = shown(tmp_path)
    assert found["missing"].startswith("The texts of xnli are not shown: ")
    assert "test-" in found["missing"]


def test_many_characters_make_few_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rows(tmp_path)
    monkeypatch.setattr(browser, "CHARACTERS", 30)
    assert len(shown(tmp_path)["items"]) == 1


def test_of_questions_the_file_of_answers_has_the_texts(tmp_path: Path) -> None:
    write_cell(tmp_path, (), "xquad", 0, {"de": [""]}, {"de": [""]})
    folder = next(tmp_path.glob("cells/*"))
    (folder / "labels" / "xquad" / "test-de.tsv").unlink()
    rows: Columns = {
        "id": ["q", "none"],
        "context": ["x" * 1000 + " Rhein " + "y" * 1000, "Nichts."],
        "question": ["Wo?", "Wer?"],
        "answer_texts": [["Rhein"], []],
        "answer_starts": [[1001], []],
    }
    predictions.write_gold(folder / "labels", "xquad", "de", "qa", rows)
    config = json.loads((folder / "config.json").read_text())
    config["target"] = {"name": "xquad", "head": "qa", "metric": "qa", "test": "own"}
    (folder / "config.json").write_text(json.dumps(config))
    (cell,) = read_cells(tmp_path)
    target = target_of(cell)
    assert target is not None
    texts = read(cell, target, folder, {"de": predictions.read_gold(folder / "labels", "xquad", "de", "qa")})
    question, (name, before, marked, after) = texts.parts("de", "q")
    assert question == ("question", "Wo?")
    assert (name, marked) == ("context", "Rhein")
    assert before.startswith("…x")
    assert after.endswith("y…")
    assert len(before + marked + after) <= LENGTH
    assert texts.parts("de", "none") == [("question", "Wer?"), ("context", "Nichts.")]


TAGGED: Columns = {"id": ["0"], "tokens": [["Der", "Hund"]], "tags": [[0, 1]]}
CHOICE: Columns = {"id": ["0"], "context": [""], "question": ["Warum?"], "choices": [["weil", "da"]], "label": [1]}
PAIRS: Columns = {"id": ["a", "b"], "text_a": ["eins", "zwei"], "text_b": ["one", "two"]}
CORPUS: Columns = {"id": ["f", "e"], "text": ["eins", "one"], "side": ["foreign", "english"], "gold": [["e"], []]}
QUERIES: Columns = {"id": ["q"], "query": ["wer?"], "text": ["someone"], "context": [""], "gold": [["c1"]]}


@pytest.mark.parametrize(
    ("format", "rows", "answer", "right", "texts", "words"),
    [
        ("tagging", TAGGED, ["DET", "VERB"], ["DET", "NOUN"], ["Der Hund"], ["Hund/VERB"]),
        ("tagging", TAGGED, ["DET", "NOUN"], ["DET", "NOUN"], ["Der Hund"], ["Der/DET", "Hund/NOUN"]),
        ("choice", CHOICE, "1", "1", ["Warum?", "weil", "da"], "1: da"),
        ("choice", CHOICE, "7", "1", ["Warum?", "weil", "da"], "7"),
        ("retrieval", PAIRS, "1", "0", ["one"], ["zwei"]),
        ("bitext", CORPUS, ["e"], ["e"], ["eins"], ["one"]),
        ("ranking", QUERIES, ["c9", "c1"], ["c1"], ["wer?"], ["c9", "someone"]),
        ("classification", {"id": ["0"], "text_a": ["p"], "text_b": ["h"]}, "x", "y", ["p", "h"], "x"),
    ],
)
def test_each_format_says_its_rows_and_answers(
    format: str, rows: Columns, answer: Any, right: Any, texts: list[str], words: Any
) -> None:
    of = format_of(format)
    assert [part[1] for part in of.item_texts(rows, 0)] == texts
    assert of.in_words(answer, right, rows, 0, of.found_texts(rows)) == words


@given(st.text(max_size=900), st.text(max_size=300), st.text(max_size=900))
def test_what_is_cut_is_bounded_and_breaks_no_character(before: str, marked: str, after: str) -> None:
    _, *pieces = cut("context", before, marked, after)
    assert sum(map(len, pieces)) <= LENGTH
    whole = (before, marked, after)
    for piece, text in zip(pieces, whole, strict=True):
        assert piece.strip("…") in text
    if pieces[0] != before and len(pieces[0]) > 1:
        assert not unicodedata.category(pieces[0][1]).startswith("M")

"""Rows that say nothing of what is right are refused in every format; values of a wrong type are bad rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.catalogue import spec_from_mapping
from stilts_xtreme.data.checks import Report
from stilts_xtreme.data.sources import source_of

QUESTION = {"context": "ab cd", "question": "what?"}
ANSWERS = {"answer_texts": "answers.text", "answer_starts": "answers.answer_start"}
QA: dict[str, Any] = {"format": "qa", "columns": ANSWERS}
CLASSES: dict[str, Any] = {"format": "classification", "labels": ["neg", "pos"]}
TAGS: dict[str, Any] = {"format": "tagging", "labels": ["O", "B-X", "I-X"]}
CHOICES: dict[str, Any] = {"format": "choice", "labels": ["0", "1"]}


def asked(texts: object, starts: object) -> dict[str, Any]:
    return {**QUESTION, "answers": {"text": texts, "answer_start": starts}}


def own(tmp_path: Path, rows: list[dict[str, Any]], split: str = "test", **fields: Any) -> tuple[Columns, Report]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = spec_from_mapping({"name": "mine", "files": {split: str(path)}, **fields})
    return source_of(spec, DataSpec("synthetic")).rows(split, "en")


def choice(label: object) -> dict[str, Any]:
    return {"context": "c", "question": "q", "choices": ["a", "b"], "label": label}


BLIND: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (asked([""], [0]), QA, "none of its 3 questions has an answer"),
    (asked([" "], [0]), QA, "none of its 3 questions has an answer"),
    (asked([], []), QA, "none of its 3 questions has an answer"),
    ({**QUESTION, "answers": None}, QA, "none of its 3 questions has an answer"),
    (asked(["zz"], [0]), QA, "none of its 3 questions has an answer that is in the context"),
    *(({"text_a": "a", "label": label}, CLASSES, "none of its 3 rows has a label")
      for label in (-1, "-1", "", None, "?", "-", "nan", "NONE", "_")),
    *((choice(label), CHOICES, "none of its 3 rows has a label") for label in (-1, "", None, "?")),
    *(({"tokens": ["a", "b"], "tags": tags}, TAGS, "none of its 3 rows has a label")
      for tags in (["_", "_"], [-1, -1], [None, None], ["", ""], [], None, ["?", "?"], ["-100", "-100"])),
    ({"tokens": ["a", "b"], "tags": ["O", "O"]}, TAGS, "all tokens of its 3 rows have the tag 'O'"),
    ({"text_a": "a", "text_b": ""}, {"format": "retrieval"}, "none of its 3 sentences has a translation"),
    ({"text_a": None, "text_b": "b"}, {"format": "retrieval"}, "none of its 3 sentences has a translation"),
    ({"query": "a", "gold": []}, {"format": "ranking"}, "none of its 3 queries has a right candidate"),
    ({"query": "a", "gold": ""}, {"format": "ranking"}, "none of its 3 queries has a right candidate"),
    ({"text": "a", "side": "foreign", "gold": []}, {"format": "bitext"}, "none of its 3 sentences has a translation"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "fields", "words"), BLIND)
def test_a_split_without_anything_right_is_never_scored(
    tmp_path: Path, row: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    for split in ("test", "validation"):
        with pytest.raises(StiltsError, match=f"mine/{split}/en is blind, never scored: {words}; bring the rows"):
            own(tmp_path, [row] * 3, split, **fields)
    with pytest.raises(StiltsError, match=r"cannot be trained on|No row can be used"):
        own(tmp_path, [row] * 3, "train", **fields)


def test_one_tag_alone_may_be_chance_in_few_sentences(tmp_path: Path) -> None:
    row = {"tokens": ["hm"], "tags": ["X"]}
    assert len(own(tmp_path, [row] * 9, **{**TAGS, "labels": ["NOUN", "X"]})[0]["id"]) == 9
    with pytest.raises(StiltsError, match="all tokens of its 10 rows have the tag 'X'"):
        own(tmp_path, [row] * 10, **{**TAGS, "labels": ["NOUN", "X"]})


def test_unanswerable_questions_may_be_alone_where_they_are_part_of_the_task(tmp_path: Path) -> None:
    rows, _ = own(tmp_path, [asked([], [])] * 2, **QA, unanswerable=True)
    assert rows["answer_texts"] == [[], []]
    with pytest.raises(StiltsError, match="is blind"):
        own(tmp_path, [asked([""], [0])] * 2, **QA, unanswerable=True)
    mixed, report = own(tmp_path, [asked([], []), asked(["cd"], [3]), asked([""], [0])], **QA)
    assert mixed["answer_texts"] == [[], ["cd"]], "an empty list is an unanswerable question, an empty text is none"
    assert report.problems == {"no label": (1, ("test-2",))}
    named = {name: catalogue.load_spec(name).unanswerable for name in catalogue.names()}
    assert [name for name, may in named.items() if may] == ["squad_v2"]
    with pytest.raises(StiltsError, match=r"dataset.mine.unanswerable=maybe is refused: write true or false"):
        own(tmp_path, [asked([], [])], **QA, unanswerable="maybe")


@pytest.mark.parametrize(
    "question",
    [{}, {"answers": []}, {"answers": None}, {"answers": [{"text": "", "answer_start": 0}]},
     {"is_impossible": True, "answers": [], "plausible_answers": [{"text": "cd", "answer_start": 3}]}],
)  # fmt: skip
def test_squads_own_files_with_withheld_answers(tmp_path: Path, question: dict[str, Any]) -> None:
    asked = {"id": "1", "question": "what?", **question}
    path = tmp_path / "xquad.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": "ab cd", "qas": [asked]}]}]}))
    spec = spec_from_mapping({"name": "mine", "format": "qa", "files": {"test": str(path)}})
    with pytest.raises(StiltsError, match="mine/test/en is blind, never scored: none of its 1 questions"):
        source_of(spec, DataSpec("synthetic")).rows("test", "en")


@pytest.mark.parametrize("word", ["?", "_", "none"])
def test_a_word_for_no_label_is_an_unknown_label_beside_others(tmp_path: Path, word: str) -> None:
    rows = [{"text_a": "a", "label": "pos"}, {"text_a": "a", "label": word}]
    with pytest.raises(StiltsError, match=rf"no label '\{word}'.*rows.jsonl line 2" if word == "?" else "no label"):
        own(tmp_path, rows, **CLASSES)
    kept, _ = own(tmp_path, rows, **{**CLASSES, "labels": ["pos", word]})
    assert kept["label"] == [0, 1], "it is a label where the data set has one of that name"


GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tagging": ({"tokens": ["a", "b"], "tags": ["O", "B-X"]}, TAGS),
    "classification": ({"id": "1", "text_a": "a", "label": "pos"}, CLASSES),
    "choice": (choice("1"), CHOICES),
    "qa": (asked(["cd"], [3]), QA),
}


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("tagging", {"tokens": [None, "b"]}, "tokens has null"),
        ("tagging", {"tokens": [1, "b"]}, "tokens has a number"),
        ("tagging", {"tokens": [True, "b"]}, "tokens has true or false"),
        ("tagging", {"tokens": [["a"], "b"]}, "tokens has a list"),
        ("tagging", {"tokens": "a b"}, "tokens is text"),
        ("tagging", {"tokens": {"a": 1}}, "tokens is an object"),
        ("tagging", {"tags": [["O"], ["O"]]}, "tags has a list"),
        ("tagging", {"tags": [1.5, "O"]}, "tags has a number"),
        ("tagging", {"tags": "O B-X"}, "tags is text"),
        ("tagging", {"tags": ["O", "O", "O"]}, "tokens and tags of different length"),
        ("tagging", {"tags": ["O", None]}, "token without a tag"),
        ("tagging", {"tags": ["O", ""]}, "token without a tag"),
        ("classification", {"text_a": 7}, "text_a is a number"),
        ("classification", {"text_a": ["a"]}, "text_a is a list"),
        ("classification", {"id": 1.5}, "id is a number"),
        ("classification", {"id": [1]}, "id is a list"),
        ("classification", {"label": True}, "label is true or false"),
        ("classification", {"label": ["pos"]}, "label is a list"),
        ("classification", {"label": 0.5}, "label is a number"),
        ("choice", {"choices": ["a", None]}, "choices has null"),
        ("choice", {"choices": ["a", 2]}, "choices has a number"),
        ("choice", {"choices": [["a"], ["b"]]}, "choices has a list"),
        ("choice", {"choices": "ab"}, "choices is text"),
        ("choice", {"choices": ["a"]}, "wrong number of choices"),
        ("choice", {"context": 3}, "context is a number"),
        ("qa", {"answers": {"text": [None], "answer_start": [3]}}, "answers.text has null"),
        ("qa", {"answers": {"text": [7], "answer_start": [3]}}, "answers.text has a number"),
        ("qa", {"answers": {"text": "cd", "answer_start": 3}}, "answers.text is text"),
        ("qa", {"answers": {"text": ["cd"], "answer_start": [None]}}, "answers.answer_start has null"),
        ("qa", {"answers": {"text": ["cd"], "answer_start": ["3"]}}, "answers.answer_start has text"),
        ("qa", {"answers": {"text": ["cd"], "answer_start": [3.5]}}, "answers.answer_start has a number"),
        ("qa", {"answers": {"text": ["cd"], "answer_start": 3}}, "answers.answer_start is a number"),
        ("qa", {"answers": "cd"}, "answers.text is text"),
        ("qa", {"answers": [["cd", 3]]}, "answers.text has a list"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_value_of_a_wrong_type_is_a_bad_row(
    tmp_path: Path, kind: str, change: dict[str, Any], words: str, split: str
) -> None:
    row, fields = GOOD[kind]
    rows, report = own(tmp_path, [{**row, "id": n} for n in range(2)] + [{**row, "id": 2, **change}], split, **fields)
    assert (report.n_read, report.n_kept) == (3, 2)
    assert list(report.problems) == [words]
    assert report.places == {words: f"{tmp_path}/rows.jsonl line 3"}
    assert rows["id"] == ["0", "1"]
    with pytest.raises(StiltsError, match=r"the column '.*' holds .*; expected|No row can be used|is blind"):
        own(tmp_path, [{**row, "id": n, **change} for n in range(3)], split, **fields)


@pytest.mark.parametrize("key", [None, ""])
def test_a_row_without_an_id_is_known_by_its_place(tmp_path: Path, key: object) -> None:
    row, fields = GOOD["classification"]
    assert own(tmp_path, [{**row, "id": 7}, {**row, "id": key}], **fields)[0]["id"] == ["7", "test-1"]


def test_an_empty_token_is_told_and_an_answer_elsewhere_is_moved(tmp_path: Path) -> None:
    rows, report = own(tmp_path, [{"tokens": ["a", " "], "tags": ["B-X", "O"]}], **TAGS)
    assert (rows["tokens"], report.problems) == ([["a", " "]], {"empty token": (1, ("test-0",))})
    for start in (0, 300, -7):
        assert own(tmp_path, [asked(["cd"], [start])], **QA)[0]["answer_starts"] == [[3]]


def test_sentences_of_neither_corpus_and_translations_of_none(tmp_path: Path) -> None:
    one = {"id": "1", "text": "a", "side": "foreign", "gold": ["2"]}
    rows = [one, {**one, "id": "2", "side": "english", "gold": []}, {**one, "id": "3", "gold": [9]}]
    kept, report = own(tmp_path, [*rows, {**one, "id": "4", "side": "x", "gold": None}], format="bitext")
    assert (kept["id"], kept["gold"]) == (["1", "2", "3"], [["2"], [], ["9"]])
    assert set(report.problems) == {"gold names no English sentence", "side is neither foreign nor english"}

"""The answers on the page: what they were before and after, and counts over all of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support.answers import write_answers

from benchmarks.results import LANGUAGES, write_cell, write_matrix
from stilts_xtreme.report.page import examples as browser
from stilts_xtreme.report.page.arms import LENGTH, by_item, shown
from stilts_xtreme.report.page.examples import examples
from stilts_xtreme.report.page.runs import runs
from stilts_xtreme.report.results import read_cells


def small(root: Path) -> None:
    codes = ("en", "de")
    gold = {code: ["a", "b", "a", "b"] for code in codes}
    before = {"en": ["a", "b", "b", "b"], "de": ["a", "a", "a", "a"]}
    after = {"en": ["a", "b", "a", "a"], "de": ["a", "b", "b", "a"]}
    write_cell(root, (), "xnli", 0, before, gold)
    write_cell(root, ("mnli",), "xnli", 0, after, gold)


def test_every_answer_stands_before_and_after(tmp_path: Path) -> None:
    small(tmp_path)
    (found,) = examples(runs(read_cells(tmp_path)))
    words = found["words"]
    assert (found["rows"], found["languages"], found["count"], found["seed"]) == (["mnli"], ["en", "de"], 4, 0)
    key, lines = found["items"][1]
    assert key == "1"
    said = {found["languages"][line[0]]: (words[line[1]], *map(words.__getitem__, line[3][0][:2])) for line in lines}
    assert said == {"en": ("b", "b", "b"), "de": ("b", "a", "b")}
    assert [line[3][0][2:] for line in lines] == [[1.0, 1.0], [0.0, 1.0]]


def test_counts_are_those_of_the_files(tmp_path: Path) -> None:
    small(tmp_path)
    (found,) = examples(runs(read_cells(tmp_path)))
    counts = found["counts"]["mnli"]
    assert {code: (line["gained"], line["lost"], line["items"]) for code, line in counts.items()} == {
        "en": (1, 1, 4),
        "de": (1, 1, 4),
    }
    # right before: en 1 1 0 1, de 1 0 1 0; after: en 1 1 1 0, de 1 1 0 0
    assert (counts["de"]["agree_before"], counts["de"]["agree_after"]) == (25.0, 75.0)
    assert counts["en"]["agree_before"] is None
    assert counts["de"]["rankc_before"] is found["grouped"] is None
    assert found["confusion"] == {
        "labels": ["a", "b"],
        "rows": {"mnli": [["a", "a", 3, 3], ["a", "b", 1, 1], ["b", "a", 2, 2], ["b", "b", 2, 2]]},
    }


def test_questions_are_scored_by_length_and_kind_of_the_answer(tmp_path: Path) -> None:
    texts = {"en": ["Paris", "in 1951", ""], "de": ["Paris", "1951", "rot"]}
    gold = {
        code: {
            "id": ["1", "2", "3"],
            "context": [f"{text} x" for text in own],
            "question": ["?"] * 3,
            "answer_texts": [[text] if text else [] for text in own],
            "answer_starts": [[0] if text else [] for text in own],
        }
        for code, own in texts.items()
    }
    before = {code: {"1": "Paris", "2": "y", "3": "y"} for code in texts}
    after = {code: {"1": "Paris", "2": "1951", "3": ""} for code in texts}
    for tasks, answers in (((), before), (("squad",), after)):
        write_answers(tmp_path, tasks, ("xquad", "qa", "squad_v2"), answers, gold)
    (found,) = examples(runs(read_cells(tmp_path)))
    lines = {(code, *line[:2]): line[2:] for code, own in found["grouped"]["rows"]["squad"].items() for line in own}
    assert lines["en", "length", "1 word"] == lines["en", "kind", "with a capital"] == [1, 100.0, 100.0]
    # exact match 0, F1 2/3
    assert (
        lines["en", "length", "2-3 words"] == lines["en", "kind", "with a number"] == [1, 0.0, pytest.approx(100 / 3)]
    )
    assert lines["en", "length", "no answer"] == [1, 0.0, 100.0]
    assert lines["de", "length", "1 word"] == [3, pytest.approx(100 / 3), pytest.approx(200 / 3)]
    assert ("en", "kind", "no capital") not in lines
    assert found["grouped"]["groups"]["kind"][0] == "with a number"


def test_rankings_have_rankc_with_the_source_language_where_candidates_are_the_same(tmp_path: Path) -> None:
    rows = {"id": ["1", "2"], "query": ["q", "r"], "text": ["t", "u"], "context": ["", ""], "gold": [["a"], ["b"]]}
    gold = dict.fromkeys(("en", "de", "xx"), rows)
    before = {"en": {"1": ["a", "b"], "2": ["b", "a"]}, "de": {"1": ["b", "a"], "2": ["b", "a"]}}
    other = {"xx": {"1": ["c", "d"], "2": ["d", "c"]}}
    write_answers(tmp_path, (), ("lareqa", "ranking", "map_at_20"), {**before, **other}, gold)
    write_answers(
        tmp_path, ("mnli",), ("lareqa", "ranking", "map_at_20"), {**before, "de": before["en"], **other}, gold
    )
    (found,) = examples(runs(read_cells(tmp_path)))
    counts = found["counts"]["mnli"]
    assert counts["de"]["rankc_before"] == pytest.approx(50 * (1 + 1 / (1 + math.e)))
    assert counts["de"]["rankc_after"] == pytest.approx(100)
    assert counts["en"]["rankc_after"] is counts["xx"]["rankc_after"] is None
    assert found["grouped"] is None


def test_what_is_cut_is_spaced_and_its_counts_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.2}}, seeds=(0,), items=50)
    monkeypatch.setattr(browser, "ITEMS", 5)
    (found,) = examples(runs(read_cells(tmp_path)))
    assert [key for key, _ in found["items"]] == ["0", "12", "24", "36", "49"]
    assert found["count"] == 50
    assert found["counts"]["mnli"]["de"]["items"] == 50
    monkeypatch.setattr(browser, "ANSWERS", 2 * len(LANGUAGES) * 3)
    assert len(examples(runs(read_cells(tmp_path)))[0]["items"]) == 3


def test_items_of_each_language_alone_where_they_are_not_parallel(tmp_path: Path) -> None:
    small(tmp_path)
    for file in tmp_path.glob("cells/*/config.json"):
        file.write_text(file.read_text().replace('"parallel": true', '"parallel": false'))
    (found,) = examples(runs(read_cells(tmp_path)))
    assert found["count"] == 8
    assert all(len(lines) == 1 for _, lines in found["items"])
    assert found["counts"]["mnli"]["de"]["agree_after"] is None


def test_of_a_collapsed_run_there_are_no_examples(tmp_path: Path) -> None:
    gold = {code: ["a", "b"] for code in LANGUAGES}
    write_cell(tmp_path, (), "xnli", 0, gold, gold)
    write_cell(tmp_path, ("mnli",), "xnli", 0, gold, gold, collapsed=True)
    assert examples(runs(read_cells(tmp_path))) == []


def test_answers_of_any_format_are_by_item() -> None:
    assert by_item(["yes", "no"]) == {"0": "yes", "1": "no"}
    assert by_item([["O", "B-PER"], []]) == {"0": ["O", "B-PER"], "1": []}
    assert by_item({"q": ["one", "two"]}) == {"q": ["one", "two"]}
    assert by_item([("a", "1"), ("a", "0"), ("b", "2")]) == {"a": ["0", "1"], "b": ["2"]}
    assert by_item([3, 1]) == {"0": "3", "1": "1"}
    assert shown("x" * 500) == "x" * (LENGTH - 1) + "…"

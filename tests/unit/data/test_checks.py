"""Checks of rows: what is repaired, what is dropped, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.checks import check
from stilts_xtreme.tasks.question_answering.rows import MOVED

QA = DatasetSpec("toy", "qa")


PAIR = DatasetSpec("toy", "classification", labels=("a", "b"), columns={"text_a": "a", "text_b": "b"}, blind=("test",))


TAGS = DatasetSpec("toy", "tagging", labels=("a", "b"))


CHOICE = DatasetSpec("toy", "choice", labels=("a", "b"))


odd = st.text(st.sampled_from("abสวัสดีمرحبا你好🙂👩‍👧é́ \n"), max_size=12)


def question(context: str, texts: list, starts: list, row: str = "1") -> dict:
    return {"id": [row], "context": [context], "question": ["q"], "answer_texts": [texts], "answer_starts": [starts]}


@given(odd, odd.filter(str.strip), odd, st.integers(0, 5))
def test_stripped_contexts_are_repaired(before: str, answer: str, after: str, shift: int) -> None:
    context = before + answer + after
    rows, report = check(question(context, [answer], [len(before) + shift]), QA, "train", "refuse")
    start = rows["answer_starts"][0][0]
    assert context[start : start + len(answer)] == answer
    at = len(before) + shift
    assert (MOVED in report.problems) == (context[at : at + len(answer)] != answer)


def test_the_shift_of_the_passage_beats_the_nearest_place() -> None:
    context = "in 1990 and in 1991 and in 1990 again"
    columns = {"id": ["1", "2"], "context": [context] * 2, "question": ["q"] * 2}
    columns |= {"answer_texts": [["1991"], ["1990"]], "answer_starts": [[15 + 13], [3 + 13]]}
    rows, report = check(columns, QA, "test", "skip")
    assert rows["answer_starts"] == [[15], [3]]
    assert report.problems[MOVED] == (2, ("1", "2"))
    alone, _ = check(question(context, ["1990"], [25]), QA, "test", "skip")
    assert alone["answer_starts"] == [[27]]


def test_answers_that_are_nowhere() -> None:
    columns = {name: values * 2 for name, values in question("ab", ["zz"], [0]).items()}
    columns |= {"id": ["1", "2"], "answer_texts": [["zz"], ["zz", "b"]], "answer_starts": [[0], [0, 1]]}
    train, report = check(columns, QA, "train", "skip")
    assert train["id"] == ["2"]
    assert train["answer_texts"] == [["b"]]
    assert train["answer_starts"] == [[1]]
    assert report.n_read == 2
    assert report.n_kept == 1
    kept, _ = check(columns, QA, "test", "skip")
    assert kept["answer_texts"] == [["zz"], ["zz", "b"]]
    assert kept["answer_starts"] == [[-1], [-1, 1]]
    with pytest.raises(StiltsError, match=r"data.bad_rows=refuse: toy/test: 2 of 2 rows kept.*no answer found: 1"):
        check(columns, QA, "test", "refuse")
    assert columns["answer_starts"] == [[0], [0, 1]]  # what came in is not changed


def test_ids_of_qa_evaluation_are_unique() -> None:
    columns = {name: values * 2 for name, values in question("ab", ["b"], [1], "7").items()}
    with pytest.raises(StiltsError, match="such as '7'"):
        check(columns, QA, "test", "skip")
    _, report = check(columns, QA, "train", "skip")
    assert report.problems["duplicate id"] == (2, ("7", "7"))
    assert report.n_kept == 2


def classified(labels: list, texts: list | None = None) -> dict:
    n = len(labels)
    return {"id": [str(i) for i in range(n)], "text_a": texts or ["x"] * n, "text_b": ["y"] * n, "label": labels}


def test_labels_that_are_missing_or_out_of_range() -> None:
    columns, report = check(classified([0, -1, 2, None, 1, -5]), PAIR, "train", "skip", language="de")
    assert columns["id"] == ["0", "4"]
    assert columns["label"] == [0, 1]
    assert report.problems == {"no label": (2, ("1", "3")), "label out of range": (2, ("2", "5"))}
    assert str(report) == "toy/train/de: 2 of 6 rows kept; label out of range: 2 (2, 5); no label: 2 (1, 3)"
    with pytest.raises(StiltsError, match="refuse: toy/train: 2 of 6"):
        check(classified([0, -1, 2, None, 1, -5]), PAIR, "train", "refuse")
    with pytest.raises(StiltsError, match="toy/validation is blind, never scored: none of its 2 rows"):
        check(classified([-1, None]), PAIR, "validation", "skip")
    with pytest.raises(StiltsError, match="No row can be used"):
        check(classified([-1, -1]), PAIR, "train", "skip")
    with pytest.raises(StiltsError, match="'test' of toy is blind, never scored: its labels"):
        check(classified([0, 1]), PAIR, "test", "skip")
    with pytest.raises(StiltsError, match=r"data.bad_rows=skp.*did you mean 'skip'"):
        check(classified([0]), PAIR, "train", "skp")


@given(st.lists(odd, min_size=1, max_size=8))
def test_empty_texts_are_dropped_from_train_alone(texts: list[str]) -> None:
    empty = [i for i, text in enumerate(texts) if not text.strip()]
    columns = classified([0] * (len(texts) + 1), [*texts, "full"])
    train, report = check(columns, PAIR, "train", "skip")
    assert train["text_a"] == [text for text in [*texts, "full"] if text.strip()]
    assert report.problems.get("empty text", (0,))[0] == len(empty)
    assert check(columns, PAIR, "validation", "skip")[0] == columns


def test_tags_and_choices() -> None:
    columns = {"id": list("01234"), "tokens": [["x", "y"]] * 5, "tags": [[0, 1], [0], [-1, -1], [0, 2], [0, -1]]}
    kept, report = check(columns, TAGS, "validation", "skip")
    assert kept["id"] == ["0"]
    assert report.problems["tokens and tags of different length"] == (1, ("1",))
    assert report.problems["no label"] == (1, ("2",))
    assert report.problems["label out of range"] == (1, ("3",))
    assert report.problems["token without a tag"] == (1, ("4",))
    columns = {"id": list("0123"), "context": ["c", "", "c", "c"], "question": [""] * 4, "label": [0] * 4}
    columns["choices"] = [["a", "b"], ["a", "b"], ["a", ""], ["a"]]
    kept, report = check(columns, CHOICE, "train", "skip")
    assert kept["id"] == ["0"]
    assert report.problems == {"empty text": (2, ("1", "2")), "wrong number of choices": (1, ("3",))}

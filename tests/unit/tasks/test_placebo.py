"""A placebo: the texts stay, every answer is another row's, and what answers look like stays as it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.tasks import format_of, formats

LABELS = st.lists(st.integers(0, 2), min_size=2, max_size=40)


def pairs(labels: list[int]) -> dict[str, Any]:
    n = len(labels)
    texts = [f"text {at}" for at in range(n)]
    return {"id": list(map(str, range(n))), "text_a": texts, "text_b": texts, "label": labels}


@given(LABELS, st.integers(0, 9))
def test_labels_go_to_other_rows(labels: list[int], seed: int) -> None:
    rows = pairs(list(range(len(labels))))  # every row a label of its own, so that it is seen where it went
    made = format_of("classification").placebo(rows, seed, "mnli")
    assert sorted(made["label"]) == rows["label"]
    assert all(one != other for one, other in zip(made["label"], rows["label"], strict=True))
    assert {name: made[name] for name in ("id", "text_a", "text_b")} == {
        name: rows[name] for name in ("id", "text_a", "text_b")
    }


def test_the_seed_decides() -> None:
    rows, kind = pairs(list(range(50))), format_of("classification")
    assert kind.placebo(rows, 1, "mnli") == kind.placebo(rows, 1, "mnli")
    assert kind.placebo(rows, 1, "mnli") != kind.placebo(rows, 2, "mnli")
    assert kind.placebo(rows, 1, "mnli") != kind.placebo(rows, 1, "qqp")
    assert rows["label"] == list(range(50)), "the rows themselves are not changed"


def test_labels_say_no_more_than_chance_of_their_rows() -> None:
    rows = pairs([at % 3 for at in range(3000)])
    made = format_of("classification").placebo(rows, 0, "mnli")["label"]
    assert 0.30 < sum(one == other for one, other in zip(made, rows["label"], strict=True)) / 3000 < 0.37


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.integers(0, 9))
def test_tags_go_to_sentences_of_the_same_length(lengths: list[int], seed: int) -> None:
    tags = [[at * 10 + place for place in range(length)] for at, length in enumerate(lengths)]
    rows = {"id": list(map(str, range(len(tags)))), "tokens": [["w"] * n for n in lengths], "tags": tags}
    made = format_of("tagging").placebo(rows, seed, "ccg")["tags"]
    assert [len(sequence) for sequence in made] == lengths
    several = Counter(lengths)
    for own, length, old in zip(made, lengths, tags, strict=True):
        if several[length] > 1:
            assert own in tags
            assert own != old
        else:
            assert sorted(own) == old
            assert length == 1 or own != old
    assert sorted(tag for sequence in made for tag in sequence) == sorted(tag for sequence in tags for tag in sequence)


def questions(contexts: list[str], answers: list[tuple[str, int] | None]) -> dict[str, Any]:
    return {
        "id": list(map(str, range(len(contexts)))),
        "context": contexts,
        "question": ["?"] * len(contexts),
        "answer_texts": [[one[0]] if one else [] for one in answers],
        "answer_starts": [[one[1]] if one else [] for one in answers],
    }


WORDS = st.lists(st.text("abc.", min_size=1, max_size=6), min_size=3, max_size=30)


@given(st.lists(st.tuples(WORDS, st.integers(0, 99), st.integers(1, 4)), min_size=2, max_size=12), st.integers(0, 9))
def test_answers_are_spans_of_their_own_context(made: list[tuple[list[str], int, int]], seed: int) -> None:
    contexts, answers, lengths = [], [], []
    for words, place, length in made:
        first = place % len(words)
        last = min(first + length, len(words))
        contexts.append("  ".join(words))
        start = len("  ".join([*words[:first], ""])) if first else 0
        answers.append(("  ".join(words[first:last]), start))
        lengths.append(last - first)
    rows = questions(contexts, answers)  # type: ignore[arg-type]
    for at, (text, start) in enumerate(answers):
        assert contexts[at][start:].startswith(text)
    found = format_of("qa").placebo(rows, seed, "squad_v1")
    sizes = []
    for context, texts, starts in zip(contexts, found["answer_texts"], found["answer_starts"], strict=True):
        ((text,), (start,)) = texts, starts
        assert text
        assert context[start : start + len(text)] == text == text.strip()
        sizes.append(len(text.split()))
    if all(len(context.split()) >= 4 for context in contexts):
        assert sorted(sizes) == sorted(lengths), "as many words as before, in all"


def test_no_answer_is_an_answer_too() -> None:
    rows = questions(["a b c d"] * 6, [("b", 2), None, ("c d", 4), None, ("a", 0), None])
    found = format_of("qa").placebo(rows, 0, "squad_v2")
    assert sum(not texts for texts in found["answer_texts"]) == 3


def test_text_without_spaces_is_counted_in_characters() -> None:
    rows = questions(
        ["\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059" * 3] * 2,
        [("\u6771\u4eac", 0), ("\u9996\u90fd", 6)],
    )
    found = format_of("qa").placebo(rows, 0, "squad_v1")
    assert found["answer_starts"] == [[6], [0]]
    assert found["answer_texts"] == [["\u9996\u90fd"], ["\u6771\u4eac"]]


def test_queries_get_the_candidates_of_others_whole() -> None:
    rows = {name: [f"{name} {at}" for at in range(9)] for name in ("id", "query", "text", "context", "gold")}
    made = format_of("ranking").placebo(rows, 0, "lareqa")
    assert made["query"] == rows["query"]
    given = {tuple(made[name][at].split()[1] for name in ("text", "context", "gold")) for at in range(9)}
    assert given == {(str(at),) * 3 for at in range(9)}


@pytest.mark.parametrize("name", [name for name, format in formats().items() if format.trained and format.metrics])
def test_every_format_that_is_trained_has_a_placebo(name: str) -> None:
    assert formats()[name].answers

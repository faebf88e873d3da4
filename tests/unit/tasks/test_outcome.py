"""What a training came to: from its answers together with its loss, for every format."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.models.batch import Features
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.outcome import COLLAPSED, LEARNT, NOTHING, entropy, judge


def said(
    format: str, metric: str, answers: Any, gold: Any, loss: float | None, guess: float | None, **more: Any
) -> Any:
    own = format_of(format)
    rows = more.pop("rows", {})
    return judge(own, own.metric(metric), rows, answers, gold, "en", loss, guess, **more)


def features(**labels: Any) -> Features:
    (kind, values), *_ = labels.values()
    count = len(values) if kind == "unit" else 1
    return Features(
        ids=np.zeros(len(values), np.int32),
        lengths=np.ones(count, np.int64) * (len(values) // count),
        units=np.ones(count, np.int64),
        labels={name: (over, np.asarray(of, np.int64)) for name, (over, of) in labels.items()},
    )


UNBALANCED = ["a"] * 88 + ["b"] * 12


@pytest.mark.parametrize(
    ("answers", "loss", "verdict"),
    [
        (["a"] * 100, 0.37, COLLAPSED),  # at the entropy of 88 to 12, far below log 2
        (["a"] * 100, 0.20, NOTHING),  # one class all the same: 88 % that mean nothing
        (["b"] * 100, 5.0, COLLAPSED),
        (["a"] * 87 + ["b"] * 13, 0.9, LEARNT),  # 99 %, though the loss is high
        (["a"] * 88 + ["b"] * 6 + ["a"] * 6, 0.1, LEARNT),
        (["b"] * 6 + ["a"] * 82 + ["b"] * 6 + ["a"] * 6, 0.1, LEARNT),  # a tie with the floor, at a low loss
        (["b"] * 6 + ["a"] * 82 + ["b"] * 6 + ["a"] * 6, 0.4, COLLAPSED),  # the same tie at the loss of guessing
        (["a"] * 100, None, NOTHING),
        (["a"] * 100, math.nan, COLLAPSED),
    ],
)
def test_two_classes_of_which_one_has_88_percent(answers: list[str], loss: float | None, verdict: str) -> None:
    guess = format_of("classification").guess_loss(features(label=("unit", [0] * 88 + [1] * 12)), 8)
    assert guess == pytest.approx(0.3669, abs=1e-4)
    found = said("classification", "accuracy", answers, UNBALANCED, loss, guess)
    assert found["verdict"] == verdict
    assert found["floor"] == 88
    assert (found["why"] is None) == (verdict == LEARNT)


def test_a_loss_near_that_of_guessing_is_not_called_higher() -> None:
    gold = ["a", "b"] * 50
    near = said("classification", "accuracy", ["a"] * 100, gold, 0.682, math.log(2))
    assert near["why"].endswith("its loss of 0.682 is hardly below that of guessing (0.693)")
    above = said("classification", "accuracy", ["a"] * 100, gold, 0.706, math.log(2))
    assert above["why"].endswith("its loss of 0.706 is not below that of guessing (0.693)")


def test_a_high_loss_alone_is_no_collapse() -> None:
    gold = ["a", "b"] * 50
    found = said("classification", "accuracy", gold[:88] + ["a"] * 12, gold, 0.69, math.log(2))
    assert found["score"] == 94
    assert found["verdict"] == LEARNT


def test_few_rows_of_other_labels_say_nothing_by_themselves() -> None:
    assert said("classification", "accuracy", ["a"] * 20, ["a"] * 18 + ["b"] * 2, 0.01, 0.3)["verdict"] == LEARNT
    assert said("classification", "accuracy", ["a"] * 20, ["a"] * 20, 0.01, 0.3)["verdict"] == LEARNT


def test_outputs_that_are_no_numbers_are_a_collapse() -> None:
    found = said("classification", "accuracy", ["a", "b"], ["a", "b"], 0.1, 0.69, finite=False)
    assert found["verdict"] == COLLAPSED
    assert "no numbers" in found["why"]


@pytest.mark.parametrize("loss", [0.2, 1.5])
def test_tagging_that_finds_no_entity(loss: float) -> None:
    gold = [["B-PER", "I-PER", "O", "O", "O"]] * 6
    nothing = said("tagging", "chunk_f1", [["O"] * 5] * 6, gold, loss, 1.0)
    assert nothing["score"] == 0
    assert nothing["verdict"] == (COLLAPSED if loss > 1 else NOTHING)
    assert "every word is given the tag O" in nothing["why"]
    junk = said("tagging", "chunk_f1", [["O", "O", "O", "B-PER", "O"]] * 6, gold, 0.2, 1.0)
    assert (junk["verdict"], junk["why"]) == (NOTHING, "no answer is right")
    assert said("tagging", "chunk_f1", [["B-PER", "I-PER", "O", "O", "B-PER"]] * 6, gold, 1.5, 1.0)["verdict"] == LEARNT


def test_the_floor_of_tagging_is_the_best_single_tag() -> None:
    """Of the most frequent tag, O, chunk F1 is nothing; of another one it is not."""
    gold = [["B-PER", "O", "O", "O"]] * 6
    found = said(
        "tagging", "chunk_f1", [["B-PER", "B-PER", "B-PER", "B-PER"]] * 5 + [["B-PER", "O", "O", "O"]], gold, 9, 1
    )
    assert found["floor"] == pytest.approx(40.0)
    assert found["verdict"] == LEARNT
    guess = format_of("tagging").guess_loss(features(tag=("token", [-100, 0, 1, 1, 1, -1, -100])), 4)
    assert guess == pytest.approx(entropy("abbb"))


def qa(count: int) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    """Questions of which every second one has no answer."""
    ids = [str(at) for at in range(count)]
    rows = {"id": ids, "context": [f"first word{at} last" for at in range(count)]}
    return rows, {key: [f"word{key}"] if at % 2 else [] for at, key in enumerate(ids)}


@pytest.mark.parametrize(("loss", "verdict"), [(0.1, NOTHING), (3.0, COLLAPSED)])
def test_no_answer_everywhere_is_half_of_squad_v2_and_means_nothing(loss: float, verdict: str) -> None:
    rows, gold = qa(40)
    found = said("qa", "squad_v2", dict.fromkeys(gold, ""), gold, loss, 2.5, rows=rows)
    assert (found["score"], found["floor"], found["verdict"]) == (50, 50, verdict)
    assert "no question is given an answer" in found["why"]
    better = {key: texts[0] if texts and at < 30 else "" for at, (key, texts) in enumerate(gold.items())}
    assert said("qa", "squad_v2", better, gold, 3.0, 2.5, rows=rows)["verdict"] == LEARNT


def test_the_first_word_everywhere_is_a_floor_of_questions() -> None:
    rows, gold = qa(40)
    gold = {key: [f"word{key}"] for key in gold}
    first = said("qa", "squad", dict.fromkeys(gold, "first"), gold, 2.6, 2.5, rows=rows)
    assert (first["verdict"], first["score"]) == (COLLAPSED, 0)
    assert "every question is given the answer 'first'" in first["why"]
    gold["0"] = ["first"]
    varied = {key: "first" if key == "0" else f"last {key}" for key in gold}
    low = said("qa", "squad", varied, gold, 2.6, 2.5, rows=rows)
    assert low["score"] <= low["floor"]
    assert low["verdict"] == COLLAPSED
    assert said("qa", "squad", varied, gold, 1.0, 2.5, rows=rows)["verdict"] == LEARNT


def test_the_guess_of_questions_counts_windows_without_an_answer() -> None:
    starts = features(start=("unit", [0] * 6 + [3] * 2))
    long = Features(
        ids=np.zeros(8 * 11, np.int32), lengths=np.full(8, 11), units=np.ones(8, np.int64), labels=starts.labels
    )
    assert format_of("qa").guess_loss(long, 4) == pytest.approx(entropy("aaaaaabb") + 0.25 * math.log(10))


def test_the_same_choice_everywhere() -> None:
    gold = ["0", "1"] * 20
    found = said("choice", "accuracy", ["0"] * 40, gold, 0.69, math.log(2))
    assert found["verdict"] == COLLAPSED
    assert "every row is given choice 0" in found["why"]
    assert said("choice", "accuracy", ["0"] * 40, gold, 0.3, math.log(2))["verdict"] == NOTHING
    assert said("choice", "accuracy", gold[:30] + ["1"] * 10, gold, 0.69, math.log(2))["verdict"] == LEARNT


def test_rankings_and_neighbours_of_equal_vectors() -> None:
    gold = {f"q{at}": [f"c{at}"] for at in range(10)}
    same = {key: [f"c{at}" for at in range(10)] for key in gold}
    found = said("ranking", "map_at_20", same, gold, 2.4, math.log(10))
    assert found["verdict"] == COLLAPSED
    assert "every query is given the candidate c0 first" in found["why"]
    right = {key: [own, "c3"] for key, (own,) in gold.items()}
    assert said("ranking", "map_at_20", right, gold, 0.1, math.log(10))["verdict"] == LEARNT
    assert said("ranking", "map_at_20", {key: [] for key in gold}, gold, 0.1, 2.3)["verdict"] == NOTHING
    assert (
        format_of("retrieval").shows_nothing([4] * 10, list(range(10)))
        == "every query finds sentence 4, counted from 0"
    )
    assert format_of("retrieval").shows_nothing(list(range(10)), list(range(10))) is None
    assert format_of("bitext").shows_nothing([], [("a", "b")] * 9) == "no pair is found"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.data())
def test_what_is_above_the_floor_and_has_two_labels_never_collapsed(gold: list[str], data: Any) -> None:
    answers = data.draw(st.lists(st.sampled_from("abc"), min_size=len(gold), max_size=len(gold)))
    found = said("classification", "accuracy", answers, gold, data.draw(st.floats(0, 5)), 1.0)
    if found["verdict"] != LEARNT:
        assert found["score"] <= found["floor"] or found["score"] == 0

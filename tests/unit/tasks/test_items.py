"""Scores item by item: their sums are the official scores."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.metrics import METRICS

LABELS = st.sampled_from(["a", "b", "c"])
TAGS = st.sampled_from(["O", "B-PER", "I-PER", "I-LOC", "X", "NOUN", "CCONJ", "SCONJ"])
WORDS = st.text("ab .的é", max_size=6)


@st.composite
def pairs(draw, what, least=1, empty=False):
    """Predictions and gold of the same rows."""
    n = draw(st.integers(least, 8))
    return [draw(what) for _ in range(n)], [draw(what) for _ in range(n)]


@st.composite
def sentences(draw):
    sizes = draw(st.lists(st.integers(0, 5), min_size=1, max_size=6))
    return tuple([[draw(TAGS) for _ in range(size)] for size in sizes] for _ in range(2))


def items(metric, *arguments):
    scorer = METRICS[metric].items
    assert scorer is not None
    return scorer(*arguments)


def same(metric, predictions, gold, language=None):
    found = items(metric, predictions, gold, language)
    assert found.score == pytest.approx(METRICS[metric].main_score(predictions, gold, language), abs=1e-9)
    assert len(found.ids) == len(set(found.ids)) == len(found.above) == len(found.below)
    return found


@given(pairs(LABELS))
def test_labels(data):
    assert same("accuracy", *data).ids == [str(n) for n in range(len(data[0]))]


@settings(max_examples=300)
@given(sentences())
def test_chunks_and_tags(data):
    same("chunk_f1", *data)
    if any(data[0]):
        same("pos_f1", *data)
        same("token_accuracy", *data)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=3), st.booleans()), min_size=1, max_size=6))
def test_answers(rows):
    gold = {f"q{n}": golds for n, (_, golds, _) in enumerate(rows)}
    answers = {f"q{n}": text for n, (text, _, there) in enumerate(rows) if there}
    for metric, language in (("squad", "en"), ("squad_v2", None), ("mlqa", "zh"), ("mlqa", "ar")):
        assert same(metric, answers, gold, language).ids == list(gold)


PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), min_size=1, max_size=8)


@given(PAIRS, PAIRS)
def test_pairs(found, wanted):
    same("bitext_f1", found, wanted)


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abcdef"), max_size=8), st.sets(st.sampled_from("abcdef"), min_size=1)),
        min_size=1,
    )
)
def test_queries(rows):
    gold = {f"q{n}": sorted(right) for n, (_, right) in enumerate(rows)}
    ranked = {f"q{n}": ids for n, (ids, _) in enumerate(rows) if ids}
    same("map_at_20", ranked, gold)


def test_what_a_weighted_sample_scores_is_what_the_rows_taken_that_often_score():
    predictions, gold = [["B-PER", "O"], ["O"], ["B-LOC"]], [["B-PER", "B-LOC"], ["B-PER"], ["B-LOC"]]
    found = items("chunk_f1", predictions, gold, None)
    often = np.array([2, 0, 3])
    again = [n for n, times in enumerate(often) for _ in range(times)]
    weighed = 100 * (often @ found.above) / (often @ found.below)
    assert weighed == pytest.approx(
        METRICS["chunk_f1"].main_score([predictions[n] for n in again], [gold[n] for n in again])
    )


def test_other_rows_are_refused():
    with pytest.raises(StiltsError, match="2 labels are predicted for 1 gold"):
        items("accuracy", ["a", "b"], ["a"], None)
    with pytest.raises(StiltsError, match="another number of predicted"):
        items("pos_f1", [["A", "B"]], [["A"]], None)


def test_metrics_can_be_sent_to_another_process():
    for name, metric in METRICS.items():
        assert pickle.loads(pickle.dumps(metric)).name == name

"""Floors by hand, on odd text, and the rule that caps the training rows."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.floors import common
from stilts_xtreme.tasks.floors import fit as F
from stilts_xtreme.tasks.floors.overlap import fit_numbers, nearest, overlap_features, sliding_window, trigrams, words
from stilts_xtreme.tasks.metrics.metric import METRICS
from stilts_xtreme.tasks.metrics.question_answering import QA_METRICS
from stilts_xtreme.tasks.question_answering.floors import right_type

TEXT = st.one_of(
    st.text(max_size=15),
    st.sampled_from(["", " ", "สวัสดีครับ น้ำ", "北京 is big", "السلام عليكم", "😀👍", "नमस्ते दुनिया", "한국어 말"]),
)


def floors(format, metric, train, test, labels, language):
    return F.fit(format, metric, train, labels)(test, language)


def pairs(rows):
    return {
        "id": [str(i) for i in range(len(rows))],
        "text_a": [a for a, _, _ in rows],
        "text_b": [b for _, b, _ in rows],
        "label": [y for _, _, y in rows],
    }


def qa(rows):
    return {
        "id": [str(i) for i in range(len(rows))],
        "context": [c for c, _, _ in rows],
        "question": [q for _, q, _ in rows],
        "answer_texts": [a for _, _, a in rows],
        "answer_starts": [[0] * len(a) for _, _, a in rows],
    }


def tagging(rows):
    return {"id": [str(i) for i in range(len(rows))], "tokens": [t for t, _ in rows], "tags": [y for _, y in rows]}


def choice(rows):
    names = ("context", "question", "choices", "label")
    return {"id": [str(i) for i in range(len(rows))], **{n: [r[j] for r in rows] for j, n in enumerate(names)}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The DOG's_tail, 3x!", ["the", "dog", "s", "tail", "3x"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # vowel signs stay on their word
        ("น้ำดี", ["น้", "ํา", "ดี"]),
        ("北京 ok", ["北", "京", "ok"]),
        ("ｆｕｌｌ ﬁ", ["full", "fi"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("😀 … ,", []),
        ("", []),
    ],
)
def test_words_of_any_script(text, expected):
    assert words(text) == expected


def test_trigrams_are_padded():
    assert trigrams("  Ab \n c") == [" ab", "ab ", "b c", " c "]
    assert trigrams("") == []


def test_overlap_features_by_hand():
    shares = overlap_features("the dog the", "the cat sat down")
    assert shares[0] == pytest.approx(1 / 3)
    assert shares[1] == pytest.approx(1 / 4)
    assert shares[2] == pytest.approx(-0.2231435)  # log(4 / 5)
    assert overlap_features("ab", "ab b")[3] == pytest.approx(2 * 2 / (2 + 4))
    assert shares[4:] == [3, 4, 2, 3, 0, 3]
    assert overlap_features("a b c", "b c a")[4:] == [3, 3, 0, 0, 1, 1]
    assert not any(overlap_features("", ""))


def test_classification_majority_comes_from_train():
    train = pairs([("a", "a", 1), ("b", "c", 2), ("d", "e", 2), ("x", "y", -1), ("x", "y", -1), ("x", "y", -1)])
    test = pairs([("a", "a", 1), ("c", "c", 1), ("p", "q", 2), ("p", "q", 0)])
    scores = floors("classification", "accuracy", train, test, ("x", "y", "z"), "sw")
    assert scores["majority"] == 25.0


def test_overlap_learns_paraphrase_from_english_and_carries_over_to_thai():
    rng = random.Random(0)
    vocabulary = [f"w{i}" for i in range(200)]
    rows = []
    for i in range(300):
        a = rng.sample(vocabulary, 6)
        b = [*a[:4], *rng.sample(vocabulary, 2)] if i % 2 else rng.sample(vocabulary, 6)
        rows.append((" ".join(a), " ".join(b), i % 2))
    thai = [
        ("แมวกินปลา", "แมวกินปลาแล้ว", 1),
        ("แมวกินปลา", "ฝนตกหนัก", 0),
        ("บ้านสวย", "บ้านสวยมาก", 1),
        ("หมูหวย", "โรงเรียน", 0),
    ]
    scores = floors("classification", "accuracy", pairs(rows), pairs(thai), ("no", "yes"), "th")
    assert (scores["majority"], scores["overlap"]) == (50.0, 100.0)


def test_bag_of_words_learns_words_and_knows_none_of_another_language():
    rows = [(f"the {a} dog", f"a {b} dog", int(b == "sad")) for a in ("red", "old") for b in ("sad", "gay")] * 5
    scores = floors("classification", "accuracy", pairs(rows), pairs(rows), ("no", "yes"), "en")
    assert scores["bag_of_words"] == 100.0
    # words seen in the second text alone tell: two texts of the same words differ only in which comes first
    turned = [(b, a, y) for a, b, y in rows]
    assert floors("classification", "accuracy", pairs(rows), pairs(turned), ("no", "yes"), "en")["bag_of_words"] == 50.0
    foreign = pairs([("แมว", "ปลา", 0), ("แมว", "นก", 1)])
    assert floors("classification", "accuracy", pairs(rows), foreign, ("no", "yes"), "th")["bag_of_words"] == 50.0


def test_bag_of_words_of_choices_alone():
    rows = [("c", "q", ["good", "bad"][:: 1 if i % 2 else -1], 1 - i % 2) for i in range(20)]
    assert floors("choice", "accuracy", choice(rows), choice(rows), (), "en")["bag_of_words"] == 100.0
    assert "bag_of_words" not in floors("choice", "accuracy", {}, choice(rows), (), "en")


def test_right_type_is_the_mean_over_its_rivals():
    assert right_type("squad", [["the farmer"]], [["the farmer", "the old farmer", "a king"]], "en") == pytest.approx(
        100 * (1 + (0 + 2 / 3) / 2 + 0) / 3  # articles do not count: of two words one is right
    )
    for name in QA_METRICS:  # as the headline that it stands beside
        scores = METRICS[name].score([("1", "a b")], [("1", ["b"])], "en")
        assert right_type(name, [["b"]], [["a b"]], "en") == pytest.approx(METRICS[name].headline(scores))
    assert right_type("squad", [["x"], ["y"]], [["x"], []], "en") == 50.0


def test_overlap_without_any_overlap_is_the_majority():
    train = pairs([("a", "", 2)] * 5 + [("a", "", 0)] * 3)
    scores = floors("classification", "accuracy", train, pairs([("b", None, 2), ("c", "", 0), ("d", "", 0)]), (), "de")
    assert scores["overlap"] == scores["majority"] == pytest.approx(100 / 3)


def test_choice_by_hand():
    test = choice(
        [
            ("The dog barked at the postman.", "Why?", ["cats sleep", "the postman came"], 1),
            ("北京是首都", "哪里", ["上海", "北京"], 1),
            ("none", "none", ["x", "y", "z", "q"], 0),  # ties go to the first choice
            ("abcdef x", "", ["abcdeg", "x zzzzzz"], 1),  # a shared word counts before shared trigrams
            ("running", "", ["zz", "runner"], 0),  # no word in common: trigrams decide, and are wrong here
        ]
    )
    scores = floors("choice", "accuracy", {}, test, (), "en")
    assert scores == {"chance": 100 * (0.5 + 0.5 + 0.25 + 0.5 + 0.5) / 5, "overlap": 80.0}


def test_tagging_by_hand():
    labels = ("O", "B-PER", "I-PER")
    train = tagging(
        [(["Ann", "runs", "far"], [1, 0, 0]), (["Ann", "x"], [1, -1]), (["runs", "far"], [0, 0]), (["far"], [1])]
    )
    test = tagging([(["Ann", "far", "Bob"], [1, 0, 1]), ([], [])])
    scores = floors("tagging", "chunk_f1", train, test, labels, "de")
    assert scores["majority"] == 0.0  # everything is O
    assert scores["lexicon"] == pytest.approx(200 / 3)  # finds Ann, misses Bob


def test_sliding_window_by_hand():
    text = "Tom likes green tea. Paris is the capital of France."
    assert sliding_window(text, "What is the capital of France?", 1) == "Paris"
    assert sliding_window("alpha beta gamma", "delta?", 2) == "alpha beta"  # ties: longest, then earliest
    assert sliding_window("alpha", "delta?", 5) == "alpha"
    assert sliding_window("...😀", "x", 3) == ""
    # "rare" is in the context once and outweighs the frequent "the"; with equal weights "a" would win.
    assert sliding_window("the a the b the c rare d", "rare the", 1) == "c"


def test_qa_span_length_is_the_median_of_training_answers():
    test = qa([("alpha beta gamma delta", "?", ["alpha beta gamma"])])
    train = qa([("", "", ["one"]), ("", "", ["one two three", "x"]), ("", "", ["a b c d e"]), ("", "", [])])
    assert floors("qa", "squad", train, test, (), "en") == {"sliding_window": 100.0}
    short = qa([("", "", ["one"])])
    assert floors("qa", "squad", short, test, (), "en") == {"sliding_window": pytest.approx(25.0)}  # EM 0, F1 50
    assert floors("qa", "mlqa", qa([]), test, (), "en") == {"sliding_window": pytest.approx(25.0)}


def test_retrieval_by_hand():
    test = {
        "id": list("0123"),
        "text_a": ["Rom 1999", "Anna trinkt Tee", "Hotel Berlin", "zzz"],
        "text_b": ["Rome 1999", "Anna drinks tea", "a hotel in Berlin", "unrelated"],
    }
    scores = floors("retrieval", "retrieval_accuracy", {}, test, (), "de")
    assert scores == {"tfidf": 75.0, "chance": 25.0}
    # From English: row 0 finds row 0, and so does row 1. The other way round, neither row would find its own.
    one_way = {"id": ["0", "1"], "text_a": ["bbbb cc x", "zz"], "text_b": ["bbbb", "bbbb cc"]}
    assert floors("retrieval", "accuracy", {}, one_way, (), "de")["tfidf"] == 50.0
    assert nearest(one_way["text_a"], one_way["text_b"]) == [1, 0]
    assert nearest(["xx", "xx yy"], ["xx yy", "q"]) == [0, 0]
    assert nearest(["q", "xx"], ["xx yy", "q"]) == [1, 0]
    # A word of every row weighs less than a rare one.
    assert nearest(["common rare"], ["common thing", "other rare", "common x", "common y"]) == [1]


def test_the_cap_takes_rows_at_equal_steps(monkeypatch):
    monkeypatch.setattr(common, "TRAIN_CAP", 3)
    assert common.spread(list(range(9))) == [0, 3, 6]
    assert common.spread([4, 5]) == [4, 5]
    # Sorted by tag: the first three sentences alone would never show the second tag.
    train = tagging([([f"w{i}"], [int(i > 4)]) for i in range(9)])
    test = tagging([(["w6"], [1]), (["w0"], [0]), (["w5"], [1])])
    assert floors("tagging", "pos_f1", train, test, ("A1", "B2"), "en")["lexicon"] == pytest.approx(200 / 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 2)), min_size=1, max_size=5), st.data())
def test_any_text_gives_the_same_percentages_twice(rows, data):
    a, b = [r[0] for r in rows], [r[1] for r in rows]
    ids = [str(i) for i in range(len(rows))]
    cases = [
        ("classification", "accuracy", pairs(rows)),
        ("retrieval", "retrieval_accuracy", {"id": ids, "text_a": a, "text_b": b}),
        ("qa", "squad_v2", qa([(x, y, [x] if n else []) for x, y, n in rows])),
        ("choice", "accuracy", choice([(x, y, [y, x, ""], n) for x, y, n in rows])),
        ("tagging", "pos_f1", tagging([([x, y], [n, 0]) for x, y, n in rows])),
    ]
    for format, metric, columns in cases:
        scores = floors(format, metric, columns, columns, ("O", "B-A", "X"), "en")
        assert scores
        assert all(0 <= value <= 100 for value in scores.values())
        assert scores == floors(format, metric, columns, columns, ("O", "B-A", "X"), "en")
    for context, question, n in rows:
        answer = sliding_window(context, question, n + 1)
        assert answer in context
        assert len(words(answer)) <= n + 1


ONE = pairs([("a", "b", 0)])
TAGGED = tagging([(["a"], [0])])


@pytest.mark.parametrize(
    ("format", "metric", "train", "test", "text"),
    [
        ("clasification", "accuracy", {}, {}, "did you mean 'classification'"),
        ("text", "accuracy", {}, {}, "format=text"),
        ("qa", "accuracy", {}, {}, "metric=accuracy"),
        ("qa", "squad", qa([]), {"id": []}, "test rows lack 4 columns"),
        ("qa", "squad", {}, qa([("c", "q", [])]), "training rows lack 5 columns"),
        ("qa", "squad", qa([]), qa([]), "0 test rows"),
        ("classification", "accuracy", pairs([]), ONE, "a label; there are 0"),
        ("classification", "accuracy", ONE, pairs([("a", "b", -1)]), "1 of 1 gold labels are withheld"),
        ("tagging", "chunk_f1", TAGGED, tagging([(["a", "b"], [-1, -1])]), "2 test tags are withheld"),
        ("tagging", "chunk_f1", tagging([(["a"], [])]), TAGGED, "1 training sentences"),
        ("tagging", "chunk_f1", TAGGED, tagging([(["a"], [3])]), "1 test tags are beyond the 1"),
        ("choice", "accuracy", {}, choice([("c", "q", [], 0)]), "1 of 1 rows have no choices"),
        ("retrieval", "accuracy", {}, {"id": ["1"], "text_a": ["a"], "text_b": []}, "other lengths"),
    ],
)
def test_refusals(format, metric, train, test, text):
    with pytest.raises(StiltsError, match=text):
        floors(format, metric, train, test, ("O",), "en")


def test_thousands_of_rows_take_seconds():
    rng = random.Random(5)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(2, 9))) for _ in range(3000)]

    def text(n):
        return " ".join(rng.choices(vocabulary, k=n))

    begin = time.process_time()
    test = {"id": [], "text_a": [text(8) for _ in range(1000)], "text_b": [text(8) for _ in range(1000)]}
    test["id"] = [str(i) for i in range(1000)]
    floors("retrieval", "retrieval_accuracy", {}, test, (), "en")
    rows = pairs([(text(20), text(10), i % 3) for i in range(1000)])
    floors("classification", "accuracy", rows, rows, ("a", "b", "c"), "en")
    rows = qa([(text(120), text(10), [text(3)]) for _ in range(500)])
    floors("qa", "squad", rows, rows, (), "en")
    assert time.process_time() - begin < 15


def test_trees_answer_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[float(at)] for at in range(40)]
    predict, threads = HistGradientBoostingClassifier.predict_proba, []

    def watched(self: HistGradientBoostingClassifier, x: np.ndarray) -> np.ndarray:
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp")
        return predict(self, x)

    monkeypatch.setattr(HistGradientBoostingClassifier, "predict_proba", watched)
    with threadpool_limits(2, "openmp"):
        probabilities = fit_numbers(rows, [int(at >= 20) for at in range(40)])
        assert (probabilities(rows).argmax(axis=1) == [int(at >= 20) for at in range(40)]).all()
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"} == {2}
    assert threads
    assert set(threads) == {1}

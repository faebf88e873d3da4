"""The official metrics against their reference packages, independent restatements and hand-computed cases."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.official import brute_mlqa_tokens, brute_qa, brute_squad_tokens, seqeval_scores

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.metrics import METRICS
from stilts_xtreme.tasks.metrics import scores as S
from stilts_xtreme.tasks.metrics.question_answering import mlqa_tokens, squad_tokens
from stilts_xtreme.tasks.metrics.ranking import average_precision, map_at_20

ALPHABETS = {
    "iob2": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "broken": ["O", "I-PER", "I-LOC", "B-PER", "E-PER", "S-LOC", "B", "I", "E-LOC", ".", "B-X-Y", "B-"],
    "bare": ["NOUN", "INTJ", "SCONJ", "CCONJ", "X", "SYM", "PUNCT", "O", "VERB", "B", "_"],
}
TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="aAthen T.,!'-$ \t", max_size=14),
    st.text(alphabet="กขาำ่้ ๆ", max_size=8),
    st.text(alphabet="ال كتاب،؟ ـ", max_size=10),
    st.text(alphabet="中国人 a。，龥龦", max_size=8),
    st.sampled_from(["", " ", "😀", "👩‍👩‍👧 x", "the", "a", "der Hund", "el la", "của bạn"]),
)


@st.composite
def tag_corpora(draw):
    tags = st.sampled_from(ALPHABETS[draw(st.sampled_from(sorted(ALPHABETS)))])
    lengths = draw(st.lists(st.integers(0, 6), min_size=1, max_size=7))
    return tuple([draw(st.lists(tags, min_size=n, max_size=n)) for n in lengths] for _ in range(2))


@settings(max_examples=250, deadline=None)
@given(tag_corpora())
def test_chunk_f1_is_seqeval(corpus):
    pred, gold = corpus
    assert S.chunk_f1(pred, gold) == pytest.approx(seqeval_scores(pred, gold), abs=1e-9)


@pytest.mark.parametrize("name", sorted(ALPHABETS))
def test_chunk_f1_is_seqeval_on_a_large_noisy_corpus(name):
    rng = random.Random(name)
    gold = [[rng.choice(ALPHABETS[name]) for _ in range(rng.randrange(12))] for _ in range(400)]
    pred = [[t if rng.random() < 0.8 else rng.choice(ALPHABETS[name]) for t in s] for s in gold]
    scores = S.chunk_f1(pred, gold)
    assert 0 < scores["f1"] < 100
    assert scores == pytest.approx(seqeval_scores(pred, gold), abs=1e-9)


def test_bare_tags_by_hand():
    # CCONJ and SCONJ share the type CONJ; two NOUNs in a row are one chunk; the share of right tokens differs.
    gold, pred = [["NOUN", "NOUN", "CCONJ"]], [["NOUN", "VERB", "SCONJ"]]
    scores = S.pos_f1(pred, gold)
    assert scores["precision"] == pytest.approx(100 / 3)  # predicted: OUN(0) ERB(1) CONJ(2); gold: OUN(0-1) CONJ(2)
    assert scores["recall"] == pytest.approx(50)
    assert scores["token_accuracy"] == pytest.approx(100 / 3)
    assert METRICS["pos_f1"].headline(scores) == pytest.approx(40)


def test_a_chunk_of_x_takes_the_start_of_the_latest_chunk_as_in_seqeval():
    gold = [["NOUN", "VERB"], ["X", "NOUN"]]
    pred = [["NOUN", "NOUN"], ["X", "NOUN"]]
    assert S.chunk_f1(pred, gold)["f1"] == pytest.approx(seqeval_scores(pred, gold)["f1"])
    assert S.chunk_f1(pred[1:], gold[1:])["f1"] == pytest.approx(100)


def test_accuracy_by_hand():
    assert S.accuracy(["a", "b", "c", "c"], ["a", "b", "a", "c"]) == {"accuracy": 75.0}
    assert S.accuracy([0, 1], [1, 0]) == {"accuracy": 0.0}
    assert S.retrieval_accuracy([2, 1, 0], [0, 1, 2]) == pytest.approx({"accuracy": 100 / 3})


# --- question answering -----------------------------------------------------------------------------------------------


GOLDS = st.dictionaries(st.sampled_from("abcdefg"), st.lists(TEXTS, max_size=3), min_size=1)
PREDS = st.dictionaries(st.sampled_from("abcdefg"), TEXTS)


@settings(max_examples=250, deadline=None)
@given(PREDS, GOLDS, st.booleans())
def test_squad_is_the_restated_script(predictions, gold, copy):
    if copy:  # near misses: gold answers with an article before them
        predictions = {**predictions, **{k: "The " + v[0] + "!" for k, v in gold.items() if v}}
    assert S.squad(predictions, gold) == pytest.approx(brute_qa(brute_squad_tokens, predictions, gold))
    both = S.squad_v2(predictions, gold)
    assert {k: both[k] for k in ("exact_match", "f1")} == pytest.approx(
        brute_qa(brute_squad_tokens, predictions, gold, version2=True)
    )


@settings(max_examples=250, deadline=None)
@given(PREDS, GOLDS, st.sampled_from(["en", "es", "hi", "vi", "de", "ar", "zh"]))
def test_mlqa_is_the_restated_script(predictions, gold, language):
    expected = brute_qa(lambda text: brute_mlqa_tokens(text, language), predictions, gold)
    assert S.mlqa(predictions, gold, language) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "prediction", "golds", "language", "exact", "f1"),
    [
        ("squad", "The Eiffel Tower!", ["eiffel  tower"], "en", 100, 100),
        ("squad", "tower", ["the Eiffel tower", "a bridge"], "en", 0, 200 / 3),
        ("squad", "x x y", ["x y y"], "en", 0, 200 / 3),
        ("squad", "the", ["a"], "en", 100, 0),  # v1.1: no shared token is F1 0, though both normalise to nothing
        ("squad", "«tower»", ["tower"], "fr", 0, 0),  # only ASCII punctuation is removed
        ("squad", "", [], "en", 100, 100),
        ("squad", "tower", [], "en", 0, 0),
        ("squad_v2", "the", ["a"], "en", 100, 100),
        ("mlqa", "«der Turm»", ["Turm"], "de", 100, 100),
        ("mlqa", "der Turm", ["Turm"], "en", 0, 200 / 3),
        ("mlqa", "北京市", ["北京"], "zh", 0, 80),
        ("mlqa", "北京市", ["北京"], "hi", 0, 0),
        ("mlqa", "北京市", ["北京"], "qag", 0, 80),
        ("mlqa", "the tower", ["tower"], "qaa", 0, 200 / 3),
        ("mlqa", "IBM公司", ["ibm 公司"], "zh", 100, 100),
        ("mlqa", "الكتاب", ["كتاب"], "ar", 100, 100),
        ("mlqa", "مالك", ["م ك"], "ar", 100, 100),  # the letters go anywhere in a word, as in the script
        ("mlqa", "el perro", ["perro"], "es", 100, 100),
        ("mlqa", "cái nhà", ["nhà"], "vi", 100, 100),
    ],
)
def test_answers_by_hand(metric, prediction, golds, language, exact, f1):
    scores = METRICS[metric].score({"q": prediction}, {"q": golds}, language)
    assert (scores["exact_match"], scores["f1"]) == pytest.approx((exact, f1))
    assert METRICS[metric].headline(scores) == pytest.approx((exact + f1) / 2)


@pytest.mark.parametrize(
    ("language", "articles"),
    [
        ("en", "a an the"),
        ("es", "un una unos unas el la los las"),
        ("vi", "của là cái chiếc những"),
        ("de", "ein eine einen einem eines einer der die das den dem des"),
        ("hi", ""),
        ("zh", ""),
    ],
)
def test_mlqa_removes_just_these_articles(language, articles):
    everything = (
        "a an the un una unos unas el la los las của là cái chiếc những "
        "ein eine einen einem eines einer der die das den dem des"
    )
    kept = [word for word in everything.split() if word not in articles.split()]
    assert mlqa_tokens(everything.upper(), language) == kept
    assert mlqa_tokens("thea xun", language) == ["thea", "xun"]


def test_squad_and_chinese_tokens():
    assert squad_tokens("A an THE, bath.the x-y") == ["baththe", "xy"]
    assert mlqa_tokens("一龥龦龧 ab中c。", "zh") == ["一", "龥", "龦龧", "ab", "中", "c"]


def test_missing_answers_score_zero_even_for_unanswerable_questions(caplog):
    gold = {"1": ["yes"], "2": []}
    assert S.squad({"1": "yes", "9": "?"}, gold) == {"exact_match": 50.0, "f1": 50.0}
    assert "1 of 2 questions have no predicted answer" in caplog.text
    assert "1 predicted answers belong to no question" in caplog.text


def test_squad_v2_breakdown():
    scores = S.squad_v2({"1": "big dog", "2": "", "3": "x"}, {"1": ["dog"], "2": [], "3": []})
    assert scores["has_ans_total"] == 1
    assert scores["no_ans_total"] == 2
    assert scores["has_ans_exact_match"] == 0
    assert scores["has_ans_f1"] == pytest.approx(200 / 3)
    assert scores["no_ans_exact_match"] == scores["no_ans_f1"] == 50
    assert scores["f1"] == pytest.approx((200 / 3 + 100) / 3)
    assert "no_ans_f1" not in S.squad_v2({"1": "a"}, {"1": ["a"]})


# --- retrieval --------------------------------------------------------------------------------------------------------


def test_bitext_f1_by_hand():
    gold = [("de-1", "en-1"), ("de-2", "en-2"), ("de-2", "en-2"), ("de-3", "en-4")]
    pred = [("de-1", "en-1"), ("de-1", "en-1"), ("de-3", "en-3")]
    # distinct pairs count: 1 right of 2 predicted and of 3 gold ones
    assert S.bitext_f1(pred, gold) == pytest.approx({"f1": 40, "precision": 50, "recall": 100 / 3})
    assert S.bitext_f1([], gold) == {"f1": 0, "precision": 0, "recall": 0}


def test_average_precision_by_hand(caplog):
    gold = {"a": ["x", "y"], "b": ["z"], "c": ["w"]}
    ranked = {"a": ["y", "n", "x"], "b": ["n"] * 20 + ["z"], "d": ["z"]}
    # a: (1/1 + 2/3) / 2; b: the right one stands at rank 21; c: no ranking
    assert map_at_20(ranked, gold)["map_at_20"] == pytest.approx(100 * (5 / 6) / 3)
    assert "1 of 3 queries have no ranking" in caplog.text
    assert "1 rankings belong to no query" in caplog.text
    many = {"q": [str(n) for n in range(30)]}
    assert map_at_20(many, many)["map_at_20"] == pytest.approx(100)  # 20 of the 30 can be found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=40), st.sets(st.integers(0, 30), min_size=1), st.sampled_from([None, 20]))
def test_average_precision_is_the_restated_script(ranked, gold, k):
    seen = ranked[:k]
    total = hits = 0
    for i, candidate in enumerate(seen):
        if candidate in gold and candidate not in seen[:i]:
            hits += 1
            total += hits / (i + 1)
    expected = total / (min(len(gold), k) if k else len(gold))
    found = average_precision([str(c) for c in ranked], {str(c) for c in gold}, k)
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(25)), st.sets(st.integers(0, 24), min_size=1, max_size=24))
def test_full_average_precision_is_sklearns(ranked, gold):
    from sklearn.metrics import average_precision_score

    truth = [int(c in gold) for c in ranked]
    expected = average_precision_score(truth, [-rank for rank in range(len(ranked))])
    assert average_precision([str(c) for c in ranked], {str(c) for c in gold}) == pytest.approx(expected)


# --- refusals and the registry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: S.accuracy([1], [1, 2]), "1 labels are predicted for 2"),
        (lambda: S.accuracy([], []), "0 rows"),
        (lambda: S.accuracy(["a"], [1]), "texts and the gold labels are numbers"),
        (lambda: S.accuracy([1, "a"], [1, 2]), "number, text"),
        (lambda: S.accuracy([1.0], [1]), "float"),
        (lambda: S.accuracy([0, 0, 0], [-1, 0, -1]), "2 of 3 gold labels are withheld"),
        (lambda: S.accuracy("ab", "ab"), "a list of labels"),
        (lambda: S.retrieval_accuracy(["0"], [0]), "positions are needed"),
        (lambda: S.chunk_f1([["O"]], [["O"], ["O"]]), "1 sentences are predicted for 2"),
        (
            lambda: S.chunk_f1([["O"], [], ["O"]], [["O", "O"], [], []]),
            "2 of 3 sentences .* sentence 0 .1 predicted, 2",
        ),
        (lambda: S.chunk_f1([["O", 3]], [["O", "O"]]), r"1 predicted tags .* 3 \(int\) in sentence 0"),
        (lambda: S.chunk_f1([["O"]], [[""]]), "1 gold tags"),
        (lambda: S.chunk_f1(["O"], ["O"]), "1 of 1 predicted sentences"),
        (lambda: S.chunk_f1([], []), "0 sentences"),
        (lambda: S.token_accuracy([[]], [[]]), "0 tokens to score in 1"),
        (lambda: S.squad([("a", "x"), ("a", "y"), ("b", "")], {"a": []}), "1 predicted ids occur more than once.*'a'"),
        (lambda: S.squad({"a": 3}, {"a": ["x"]}), "1 predicted answers are not text, first id 'a'"),
        (lambda: S.squad({"a": "x"}, {"a": "x"}), "1 lists of gold answers"),
        (lambda: S.squad({}, {}), "0 questions"),
        (lambda: S.bitext_f1([], []), "0 gold pairs"),
        (lambda: map_at_20({}, {}), "0 queries"),
        (lambda: map_at_20({}, {"a": ["x"], "b": []}), "1 of 2 queries have no right candidate, first 'b'"),
        (lambda: S.mlqa({}, {"a": ["x"]}, "fr"), "mlqa metric=fr is not known"),
        (lambda: S.squad(["x"], ["x"]), "The predicted answers have no ids; a mapping"),
        (lambda: S.squad({"a": "x"}, [["x"]]), "The gold answers have no ids; a mapping"),
        (lambda: map_at_20([["x"]], {"a": ["x"]}), "The predicted candidates have no ids; a mapping"),
        (lambda: map_at_20({"a": ["x"]}, [["x"]]), "The gold candidates have no ids; a mapping"),
        (lambda: METRICS["squad"].headline({"f1": 1.0}), "1 main scores of 'squad' are missing: exact_match"),
    ],
)
def test_refusals_say_what_and_how_many(call, text):
    with pytest.raises(StiltsError, match=text):
        call()


def test_registry_names_and_headlines():
    names = {"accuracy", "chunk_f1", "pos_f1", "token_accuracy", "squad", "squad_v2", "mlqa", "retrieval_accuracy"}
    names |= {"bitext_f1", "map_at_20"}
    assert set(METRICS) == names
    assert all(METRICS[name].name == name for name in METRICS)
    assert METRICS["accuracy"].score([1, 2], [1, 1]) == {"accuracy": 50.0}
    assert METRICS["squad"].headline({"exact_match": 10.0, "f1": 40.0}) == 25.0

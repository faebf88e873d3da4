"""Question answering: windows, gold positions, the loss, and decoding against its definition."""

from __future__ import annotations

import math
import unicodedata
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st
from support.encoders import FAMILY_OF, TOKENIZERS, odd_texts, token_slice, unigram
from support.features import feature_maker, tries
from support.heads import ROWS, inputs_of, module_of, whole_batch

from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.hf_heads import assemble
from stilts_xtreme.tasks.module import Step
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.tasks.question_answering.module import QuestionAnsweringModule


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_qa_loss_is_over_real_tokens(tokenizer):
    module = module_of("qa", FAMILY_OF[tokenizer])
    features = module.features(ROWS["qa"], TOKENIZERS[tokenizer]())
    batch = whole_batch(features)
    assert len(features) > 4
    assert (batch.labels["start"] > 0).any()
    assert (batch.labels["start"] == 0).any()
    whole = assemble(module.encoder, module.head).eval()
    with torch.no_grad():
        expected = whole(**inputs_of(batch))
        total = torch.zeros(())
        for row, size in enumerate(batch.lengths.tolist()):
            for side in ("start", "end"):
                real = expected[f"{side}_logits"][row, :size]
                total += 0.5 * (real.exp().sum().log() - real[batch.labels[side][row]])
        torch.testing.assert_close(module.loss(batch), total, atol=1e-4, rtol=1e-5)
        assert module.terms(Step("qa", features, np.arange(3), 0)) == 3


def qa_rows(context: str, question: str, begin: int | None, finish: int | None) -> dict[str, list]:
    answers = ([], []) if begin is None else ([context[begin:finish]], [begin])
    return {
        "id": ["q"],
        "context": [context],
        "question": [question],
        "answer_texts": [answers[0]],
        "answer_starts": [answers[1]],
    }


def one_hot(features: Features, unit: int) -> list[np.ndarray]:
    """Logits that point to a window's gold positions."""
    outputs = [np.zeros(len(features.ids), np.float32) for _ in range(2)]
    where = token_slice(features, unit)
    for output, side in zip(outputs, ("start", "end"), strict=True):
        output[where[features.labels[side][1][unit]]] = 10
    return outputs


DROPPED = {"Cc", "Cf", "Cn", "Co", "Cs"}


@pytest.mark.parametrize("name", TOKENIZERS)
@tries(120)
@given(data=st.data())
def test_gold_positions_give_back_the_answer(name, data):
    tokenizer = TOKENIZERS[name]()
    context, question = data.draw(odd_texts), data.draw(odd_texts)
    length, stride = data.draw(st.sampled_from([8, 12, 24, 64, 128])), data.draw(st.sampled_from([0, 1, 8, 1000]))
    begin = data.draw(st.integers(0, max(0, len(context) - 1)))
    finish = data.draw(st.integers(min(begin + 1, len(context)), len(context)))
    answer = context[begin:finish]
    module = feature_maker(
        QuestionAnsweringModule,
        FAMILY_OF[name],
        max_length=length,
        stride=stride,
        max_query_length=16,
        max_answer_length=10**6,
    )
    rows = qa_rows(context, question, begin, finish)
    features = module.features(rows, tokenizer)
    assert features.lengths.max() <= length
    assert set(features.rows) == {0}
    first, last = np.asarray(features.extra["first"]), np.asarray(features.extra["last"])
    assert ((first >= 0) == (last > first)).all()
    covered = np.zeros(len(context), bool)
    for a, b in zip(first, last, strict=True):
        covered[max(a, 0) : max(b, 0)] = True
        assert a < 0 or not (context[a].isspace() or context[b - 1].isspace())
    for position in np.flatnonzero(~covered):
        character = context[position]
        # white space, what a cleaning tokenizer drops, and marks that have nothing before them to be composed with
        assert character.isspace() or unicodedata.category(character) in DROPPED, ascii(character)
    solid = [at for at in range(begin, finish) if covered[at]]
    wanted = context[solid[0] : solid[-1] + 1] if solid else None
    spans_of = set(zip(first.tolist(), last.tolist(), strict=True))
    answered = exact = 0
    for unit in range(len(features)):
        start, end = (int(features.labels[side][1][unit]) for side in ("start", "end"))
        where = token_slice(features, unit)
        if (start, end) == (0, 0):
            continue
        answered += 1
        assert wanted is not None
        assert first[where[start]] >= 0
        assert start <= end
        text = module.decode(rows, features, one_hot(features, unit))["q"]
        assert wanted in text
        assert text in context
        crossed = [(a, b) for a, b in spans_of if a < solid[0] < b or a < solid[-1] + 1 < b]
        if not crossed:
            exact += 1
            assert text == wanted
    event(f"answered {answered > 0}, exact {exact > 0}")
    alone = tokenizer(context, add_special_tokens=False)["input_ids"]
    if wanted and length == 128 and len(alone) < 60:  # a window that takes the whole context finds the answer
        assert answered, ascii(answer)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_windows_overlap_and_end_with_the_context(name):
    tokenizer = TOKENIZERS[name]()
    context = " ".join(f"fox{at} jumps" for at in range(60))
    module = feature_maker(QuestionAnsweringModule, FAMILY_OF[name], max_length=40, stride=10)
    begin = context.index("fox30 jumps")
    features = module.features(qa_rows(context, "the fox?", begin, begin + len("fox30 jumps")), tokenizer)
    first, last = np.asarray(features.extra["first"]), np.asarray(features.extra["last"])
    spans_of = []
    for unit in range(len(features)):
        where = token_slice(features, unit)
        inside = where[first[where] >= 0]
        spans_of.append((int(first[inside[0]]), int(last[inside[-1]]), len(inside)))
    assert spans_of[0][0] == 0
    assert spans_of[-1][1] == len(context)
    for before, after in pairwise(spans_of):
        assert after[0] < before[1] < after[1]
    found = (features.labels["start"][1] > 0).sum()
    assert 1 <= found < len(features)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("length", [8, 16, 128])
@pytest.mark.parametrize("question", ["why " * 300, "ﷺ" * 80, "😀" * 80, "中" * 200, "", "   ", "\x00", "w" * 500])
def test_long_and_empty_questions_leave_room(name, length, question):
    tokenizer = TOKENIZERS[name]()
    context = "Nairobi is the capital of Kenya. " * 8
    for stride in (0, 5000):
        module = feature_maker(
            QuestionAnsweringModule,
            FAMILY_OF[name],
            max_length=length,
            stride=stride,
            max_query_length=64,
            max_answer_length=200,
        )
        features = module.features(qa_rows(context, question, 0, 7), tokenizer)
        assert features.lengths.max() <= length
        assert len(features) < 400
        first, last = np.asarray(features.extra["first"]), np.asarray(features.extra["last"])
        covered = {at for a, b in zip(first, last, strict=True) for at in range(max(a, 0), max(b, 0))}
        assert covered >= {at for at, character in enumerate(context) if not character.isspace()}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_short_question_is_not_cut(name):
    tokenizer = TOKENIZERS[name]()
    features = feature_maker(QuestionAnsweringModule, FAMILY_OF[name], max_length=64, max_query_length=32).features(
        qa_rows("Kenya", " What is the capital? ", 0, 5), tokenizer
    )
    assert features.ids.tolist() == tokenizer("What is the capital?", "Kenya")["input_ids"]
    if name == "word_piece":
        assert features.types.tolist() == tokenizer("What is the capital?", "Kenya")["token_type_ids"]
        assert set(features.types.tolist()) == {0, 1}
    else:
        assert features.types is None


@pytest.mark.parametrize("name", TOKENIZERS)
def test_unanswerable_empty_and_spaced_answers(name):
    tokenizer = TOKENIZERS[name]()
    module = feature_maker(QuestionAnsweringModule, FAMILY_OF[name], max_length=64)

    def golds(context: str, begin: int | None, finish: int | None) -> list[tuple[int, int]]:
        features = module.features(qa_rows(context, "why?", begin, finish), tokenizer)
        return list(zip(features.labels["start"][1].tolist(), features.labels["end"][1].tolist(), strict=True))

    assert golds("Nairobi is the capital", None, None) == [(0, 0)]
    assert golds("", None, None) == [(0, 0)]
    assert golds("   \n", None, None) == [(0, 0)]
    assert golds("   \n", 0, 3) == [(0, 0)]
    plain = golds("Nairobi is the capital", 11, 14)
    assert plain != [(0, 0)]
    assert golds("Nairobi is the capital", 10, 15) == plain  # white space around the answer
    empty = module.features(qa_rows("", "why?", None, None), tokenizer)
    outputs = [np.ones(len(empty.ids), np.float32)] * 2
    assert module.decode(qa_rows("", "why?", None, None), empty, outputs) == {"q": ""}
    unlabelled = {name: values for name, values in qa_rows("a b", "c", 0, 1).items() if not name.startswith("answer")}
    assert module.features(unlabelled, tokenizer).labels["start"][1].tolist() == [0]


@pytest.mark.parametrize("text", ["cafe\u0301", "\u1112\u1161\u11ab", "Vie\u0323\u0302t"])
def test_an_answer_keeps_its_combining_marks(text):
    module = feature_maker(QuestionAnsweringModule, max_length=64)
    context = f"the {text}, fox"
    rows = qa_rows(context, "why?", 4, 4 + len(text))
    features = module.features(rows, unigram())
    assert module.decode(rows, features, one_hot(features, 0)) == {"q": text}


def brute_force(features: Features, rows: Any, outputs: list[np.ndarray], setting: HeadOptions) -> dict[str, str]:
    """The definition: all spans of all windows, one after the other."""
    first, last = np.asarray(features.extra["first"]), np.asarray(features.extra["last"])
    answers = {}
    for row, name in enumerate(rows["id"]):
        best, text, null = -math.inf, "", math.inf
        for unit in np.flatnonzero(features.rows == row):
            where = token_slice(features, int(unit))
            starts, ends = (output[where] for output in outputs)
            null = min(null, starts[0] + ends[0])
            inside = [at for at in range(len(where)) if first[where[at]] >= 0]
            tops = sorted(inside, key=lambda at: -starts[at])[: setting.n_best]
            bottoms = sorted(inside, key=lambda at: -ends[at])[: setting.n_best]
            for a in tops:
                for b in bottoms:
                    if a <= b < a + setting.max_answer_length and starts[a] + ends[b] > best:
                        best, text = starts[a] + ends[b], rows["context"][row][first[where[a]] : last[where[b]]]
        refuse = setting.null_threshold is not None and null - best > setting.null_threshold
        answers[name] = "" if refuse else text
    return answers


@tries(60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 2, 5, 20, 1000]),
    st.sampled_from([1, 2, 5, 30, 1000]),
    st.sampled_from([None, -2.0, 0.0, 1.0]),
)
def test_decoding_equals_brute_force(seed, n_best, max_answer_length, null_threshold):
    module = feature_maker(
        QuestionAnsweringModule, n_best=n_best, max_answer_length=max_answer_length, null_threshold=null_threshold
    )
    features = module.features(ROWS["qa"], unigram())
    generator = np.random.default_rng(seed)
    outputs = [generator.normal(size=len(features.ids)).astype(np.float32) for _ in range(2)]
    if null_threshold is not None:  # null scores among the best spans, so that the threshold decides
        for output in outputs:
            output[np.cumsum(features.lengths) - features.lengths] += 2
    expected = brute_force(features, ROWS["qa"], outputs, module.options)
    assert module.decode(ROWS["qa"], features, outputs) == expected


def test_null_threshold_takes_and_withholds():
    rows = qa_rows("fox", "why?", None, None)
    for threshold, answered in ((None, True), (1.5, True), (0.5, False)):
        module = feature_maker(QuestionAnsweringModule, null_threshold=threshold)
        features = module.features(rows, unigram())
        score = np.zeros(len(features.ids), np.float32)
        score[0] = 0.5  # the null score is one above the best span
        assert bool(module.decode(rows, features, [score, score])["q"]) == answered

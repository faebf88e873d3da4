"""Every head against plain definitions: features of odd text, losses, steps in pieces, and decoding."""

from __future__ import annotations

import math
import unicodedata
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import event, example, given
from hypothesis import strategies as st
from support.encoders import (
    FAMILIES,
    FAMILY_OF,
    ODD_WORDS,
    TOKENIZERS,
    bare_encoder,
    odd_texts,
    odd_words,
    scramble,
    token_slice,
    unigram,
)
from support.features import CLASSES, LABELS, TAGS, feature_maker, options, tries
from torch.nn.functional import cross_entropy, log_softmax
from torch.nn.utils.rnn import pad_sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.hf_heads import assemble
from stilts_xtreme.tasks import predictions
from stilts_xtreme.tasks.head import position_limit
from stilts_xtreme.tasks.joint import JointModule
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.module import Optimisation, StageModule, Step
from stilts_xtreme.tasks.modules import HEADS, HeadOptions
from stilts_xtreme.tasks.question_answering.module import QAModule
from stilts_xtreme.tasks.tagging.module import TaggingModule
from stilts_xtreme.training.predict import predict

LABELS |= dict.fromkeys(("qa", "retrieval", "bitext", "ranking"), ())
ROWS: dict[str, dict[str, list]] = {
    "classification": {
        "id": [*"abcdefg"],
        "text_a": ["Nairobi is the capital.", "北京", "ภาษาไทย", "fox", "it sleeps, and then", "Kenya", "lazy dog"],
        "text_b": ["the sea", "", "القاهرة هي عاصمة مصر وأكبر مدنها", "dog", "fox", "", "क़िला पुराना है"],
        "label": [0, 1, 2, 1, 0, 2, 1],
    },
    "choice": {
        "id": [*"abcde"],
        "context": ["The fox jumps.", "", "ประเทศไทย", "", "Москва"],
        "question": ["Why?", "What is the capital of Kenya?", "北京", "quick", ""],
        "choices": [["a", "bb"], ["Nairobi", "Dodoma", "Ankara"], ["1", "2", "3", "4"], ["x", "y"], [*"abcde"]],
        "label": [1, 0, 3, 0, 4],
    },
    "tagging": {
        "id": [*"abcdef"],
        "tokens": [["Nairobi", "is", "a", "city"], [], ["ภาษาไทย", "", "北京"], ["x"] * 30, ["w" * 60, "b"], ["fox"]],
        "tags": [[1, 0, 0, 3], [], [1, 2, 3], [0, 1] * 15, [2, 0], [0]],
    },
    "qa": {
        "id": [*"abcd"],
        "context": ["Nairobi is the capital of Kenya. " * 6, "北京是中华人民共和国的首都。", "", "No answer in here."],
        "question": ["What is the capital?", "首都?", "Why?", "Who?"],
        "answer_texts": [["Kenya"], ["北京", "x"], [], []],
        "answer_starts": [[26], [0, 1], [], []],
    },
    "bitext": {
        "id": ["f1", "f2", "f3", "e1", "e2"],
        "text": ["北京是首都", "ภาษาไทย", "القاهرة هي عاصمة مصر", "the lazy dog sleeps, and then", "Kenya"],
        "side": ["foreign"] * 3 + ["english"] * 2,
        "gold": [["e2"], [], ["e1"], [], []],
    },
    "ranking": {
        "id": [*"abcd"],
        "query": ["What is the capital?", "首都?", "", "ภาษาไทย"],
        "text": ["Nairobi is.", "北京是中华人民共和国的首都。", "x", "القاهرة"],
        "context": ["Nairobi is. Cairo is.", "北京", "", "هي عاصمة مصر"],
        "gold": [["1_0"], ["2_0"], ["3_0"], ["2_0", "4_0"]],
    },
    "retrieval": {
        "id": [*"abcd"],
        "text_a": ["北京是", "القاهرة هي عاصمة", "Mji mkuu", "  Ankara'dır "],
        "text_b": ["Beijing is", "Cairo is the capital", "the capital", "Ankara is"],
    },
}


def module_of(kind: str, family: str = "xlm-roberta", **changes: Any) -> Any:
    """A head with large random weights on a tiny encoder, without dropout."""
    module = HEADS[kind](bare_encoder(family), LABELS[kind], options(**changes))
    scramble(module, 7)
    return module.eval()


def spec(budget: int = 8192) -> TrainerSpec:
    return TrainerSpec(accelerator="cpu", precision="32-true", micro_batch_tokens=budget)


def whole_batch(features: Features, task: str = "") -> Any:
    return features.take(np.arange(len(features)), task)


def inputs_of(batch: Any) -> dict[str, torch.Tensor]:
    parts = batch.ids.split(batch.lengths.tolist())
    found = {
        "input_ids": pad_sequence(parts, batch_first=True, padding_value=1),
        "attention_mask": pad_sequence([torch.ones_like(part) for part in parts], batch_first=True),
    }
    if batch.types is not None:
        found["token_type_ids"] = pad_sequence(batch.types.split(batch.lengths.tolist()), batch_first=True)
    return found


# ---- losses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_loss_equals_hugging_faces(kind, tokenizer):
    module = module_of(kind, FAMILY_OF[tokenizer])
    features = module.features(ROWS[kind], TOKENIZERS[tokenizer]())
    batch = whole_batch(features)
    step = Step(kind, features, np.arange(len(features)), 0)
    whole = assemble(module.encoder, module.head).eval()
    labels = batch.labels["label" if kind == "classification" else "tag"]
    if kind == "tagging":
        labels = pad_sequence(labels.split(batch.lengths.tolist()), batch_first=True, padding_value=-100)
        assert module.terms(step) == sum(map(len, ROWS[kind]["tokens"]))
    with torch.no_grad():
        expected = whole(**inputs_of(batch), labels=labels)
        found = module.loss(batch) / module.terms(step)
    torch.testing.assert_close(found, expected.loss, atol=1e-5, rtol=1e-5)
    if kind == "classification":
        rows = log_softmax(expected.logits, -1)
        by_hand = -sum(rows[at, label] for at, label in enumerate(ROWS[kind]["label"])) / len(rows)
    else:
        rows = log_softmax(expected.logits, -1)
        terms = [-rows[a, b, tag] for a, row in enumerate(labels.tolist()) for b, tag in enumerate(row) if tag != -100]
        by_hand = sum(terms) / len(terms)
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_choice_loss_equals_hugging_faces(family):
    module = module_of("choice", family)
    rows = {name: [values[at] for at in (0, 3)] for name, values in ROWS["choice"].items()}
    features = module.features(rows, unigram())
    batch = whole_batch(features)
    whole = assemble(module.encoder, module.head).eval()
    inputs = {name: value.view(2, 2, -1) for name, value in inputs_of(batch).items()}
    with torch.no_grad():
        expected = whole(**inputs, labels=batch.labels["label"]).loss
        torch.testing.assert_close(module.loss(batch) / 2, expected, atol=1e-5, rtol=1e-5)


def test_choice_loss_with_any_number_of_choices():
    module = module_of("choice")
    features = module.features(ROWS["choice"], unigram())
    batch = whole_batch(features)
    with torch.no_grad():
        scores = module.outputs(batch)[0].split(batch.units.tolist())
        by_hand = sum(-log_softmax(part, 0)[label] for part, label in zip(scores, ROWS["choice"]["label"], strict=True))
        torch.testing.assert_close(module.loss(batch), by_hand, atol=1e-5, rtol=1e-5)
    assert [len(part) for part in scores] == [2, 3, 4, 2, 5]
    assert len({round(float(score), 4) for part in scores for score in part}) > 8
    decoded = module.decode(ROWS["choice"], features, [torch.cat(scores).numpy()])
    assert decoded == [str(int(part.argmax())) for part in scores]


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


def mlm_module() -> MLMModule:
    return MLMModule(bare_encoder(), unigram(), options(), 0.15).eval()


def test_mlm_loss_masks_and_scores_the_chosen_tokens(monkeypatch):
    module, tokenizer = mlm_module(), unigram()
    features = module.features({"text": ROWS["qa"]["context"][:2] * 20}, tokenizer)
    batch = whole_batch(features)
    seen: list[Any] = []
    original = module.encoder.forward
    monkeypatch.setattr(module.encoder, "forward", lambda masked: seen.append(masked) or original(masked))
    torch.manual_seed(5)
    special = torch.isin(batch.ids, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(batch.ids.shape) < 0.15) & ~special
    torch.manual_seed(5)
    with torch.no_grad():
        loss = module.loss(batch)
    ids = seen[0].ids
    changed = ids != batch.ids
    assert not changed[~chosen].any()
    share = (ids[chosen] == tokenizer.mask_token_id).float().mean()
    assert 0.7 < share < 0.9
    assert 0.02 < (changed & (ids != tokenizer.mask_token_id)).sum() / chosen.sum() < 0.2
    whole = assemble(module.encoder, module.head).eval()
    inputs = inputs_of(seen[0])
    labels = pad_sequence(
        batch.ids.where(chosen, -100).split(batch.lengths.tolist()), batch_first=True, padding_value=-100
    )
    with torch.no_grad():
        expected = whole(**inputs, labels=labels).loss
    torch.testing.assert_close(loss / len(features), expected, atol=1e-4, rtol=1e-5)


def test_a_batch_always_has_a_term_and_never_a_special_one():
    module = mlm_module()
    module.probability = 0.0
    features = module.features({"text": ["fox"] * 3}, unigram())
    batch = whole_batch(features)
    seen: list[Any] = []
    module.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for seed in range(20):
        torch.manual_seed(seed)
        draw = torch.rand(batch.ids.shape)
        special = module.special[batch.ids]
        where = int(draw.masked_fill(special, 2).argmin())
        torch.manual_seed(seed)
        with torch.no_grad():
            loss = module.loss(batch)
        assert torch.isfinite(loss)
        assert seen[-1].shape[1] == 1
        assert not special[where]
        with torch.no_grad():
            expected = cross_entropy(module.head(seen[-1]).logits[0], batch.ids[[where]]) * 3
        torch.testing.assert_close(loss, expected)


# ---- a step in pieces -----------------------------------------------------------------------------------------------


def gradients(module: StageModule, step: Step, **how: Any) -> tuple[float, list[torch.Tensor]]:
    settings = {"budget": 8192, "accumulation": None, **how}
    module.optimisation = Optimisation(1e-3, 10, 1, 0.0, 1e-8, 1.0, 0, **settings)
    module.zero_grad()
    module.manual_backward = lambda loss: loss.backward()
    loss = float(module._accumulate(step))
    return loss, [weight.grad.clone() for weight in module.parameters() if weight.grad is not None]


@pytest.mark.parametrize("kind", ["classification", "qa", "tagging", "choice"])
def test_a_step_does_not_depend_on_its_pieces(kind):
    module = module_of(kind)
    with torch.no_grad():  # smaller weights keep the gradients near one
        for weight in module.parameters():
            weight.mul_(0.5)
    features = module.features(ROWS[kind], unigram())
    step = Step(kind, features, np.arange(len(features))[::-1][:-1].copy(), 0)
    pieces = []
    original = features.take
    features.take = lambda chosen, task="": pieces.append(len(chosen)) or original(chosen, task)
    loss, expected = gradients(module, step, budget=10**9)
    assert len(expected) > 20
    largest = max(float(part.abs().max()) for part in expected)
    assert largest > 1e-5
    for how, number in (({"budget": 1}, len(step.units)), ({"accumulation": 3}, 3), ({"budget": 64}, None)):
        pieces.clear()
        again, found = gradients(module, step, **how)
        micro = pieces[1:] if kind == "tagging" else pieces  # counting the words takes the units once
        assert sum(micro) == len(step.units)
        assert number is None or len(micro) == number
        assert again == pytest.approx(loss, rel=1e-5)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, atol=min(1e-5, 1e-3 * largest), rtol=1e-3)


def test_more_pieces_than_units_is_one_piece_each():
    module = module_of("classification")
    features = module.features(ROWS["classification"], unigram())
    step = Step("x", features, np.asarray([4, 2]), 0)
    module.optimisation = Optimisation(1e-3, 10, 1, 0.0, 1e-8, 1.0, 0, 8192, 5)
    assert [len(batch.units) for batch in module.micro_batches(step)] == [1, 1]


def test_a_joint_module_hands_steps_to_their_heads():
    encoder = bare_encoder()
    heads = {f"{kind}.x": HEADS[kind](encoder, LABELS[kind], options()) for kind in ("classification", "tagging", "qa")}
    joint = JointModule(encoder, heads).eval()
    assert joint.head("qa.x") is heads["qa.x"]
    for name, head in heads.items():
        features = head.features(ROWS[name[:-2]], unigram())
        step = Step(name, features, np.arange(len(features)), 0)
        loss, found = gradients(joint, step)
        alone, expected = gradients(head, step)
        assert loss == pytest.approx(alone, rel=1e-6)
        assert len(found) == len(expected)
    names = [name for name, _ in joint.named_parameters()]
    assert sum("word_embeddings" in name for name in names) == 1


def test_no_decay_on_biases_and_norms():
    module = module_of("classification")
    module.optimisation = Optimisation(1e-3, 10, 2, 0.1, 1e-8, 1.0, 0, 8192)
    (found,) = module.configure_optimizers()
    decayed, plain = found["optimizer"].param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    weights = {id(weight): name for name, weight in module.named_parameters()}
    exempt = {name for name in weights.values() if name.endswith("bias") or "LayerNorm" in name}
    assert {weights[id(weight)] for weight in plain["params"]} == exempt
    assert {weights[id(weight)] for weight in decayed["params"]} == set(weights.values()) - exempt
    rates = []
    for _ in range(11):
        rates.append(found["lr_scheduler"].get_last_lr()[0] / 1e-3)
        found["optimizer"].step()
        found["lr_scheduler"].step()
    assert rates == pytest.approx([0, 0.5, 1, *(1 - at / 8 for at in range(1, 9))])


# ---- tagging ---------------------------------------------------------------------------------------------------------


def pieces_of(tokenizer: Any, name: str, sentence: list[str]) -> list[list[int]]:
    """The tokens of each word, tokenised on its own as it stands in running text."""
    found = []
    for at, word in enumerate(sentence):
        text = f" {word}" if name == "byte_level_bare" and at and word else word
        found.append(tokenizer(text, add_special_tokens=False)["input_ids"] or [tokenizer.unk_token_id])
    return found


@pytest.mark.parametrize("name", TOKENIZERS)
@tries(60)
@given(data=st.data())
@example(data=None)
def test_every_word_gets_one_tag(name, data):
    tokenizer = TOKENIZERS[name]()
    if data is None:
        sentences, length, policy = [ODD_WORDS, [], [""], ODD_WORDS[::-1]], 9, "content"
    else:
        sentences = data.draw(st.lists(st.lists(odd_words, max_size=12), min_size=1, max_size=4))
        length, policy = data.draw(st.sampled_from([8, 9, 17, 64])), data.draw(st.sampled_from(["any", "content"]))
    module = feature_maker(TaggingModule, FAMILY_OF[name], max_length=length, first_token=policy)
    rows = {"tokens": sentences, "tags": [[at % len(TAGS) for at in range(len(words))] for words in sentences]}
    features = module.features(rows, tokenizer)
    word, tag = np.asarray(features.extra["word"]), features.labels["tag"][1]
    assert features.lengths.max(initial=0) <= length
    assert ((word >= 0) == (tag != -100)).all()
    seen: dict[int, tuple[list[int], list[tuple[int, int]]]] = {row: ([], []) for row in range(len(sentences))}
    for unit, row in enumerate(features.rows.tolist()):
        where = token_slice(features, unit)
        assert features.ids[where[0]] == 0
        assert features.ids[where[-1]] == 2
        assert (word[where[[0, -1]]] == -1).all()
        tokens, tagged = seen[row]
        tagged += [(len(tokens) + at, int(word[where[1:-1]][at])) for at in np.flatnonzero(word[where[1:-1]] >= 0)]
        tokens += features.ids[where[1:-1]].tolist()
    lone = tokenizer.get_vocab().get("▁") if policy == "content" else None
    for row, sentence in enumerate(sentences):
        expected = [tokens[: length - 2] for tokens in pieces_of(tokenizer, name, sentence)]
        tokens, tagged = seen[row]
        assert tokens == [token for part in expected for token in part]
        at = 0
        for position, part in enumerate(expected):
            skip = int(lone is not None and part[0] == lone and len(part) > 1)
            assert tagged[position] == (at + skip, position)
            at += len(part)
        assert len(tagged) == len(sentence)
    outputs = [np.where(tag >= 0, tag, 0).astype(np.int16)]
    assert module.decode(rows, features, outputs) == predictions.gold("tagging", rows, TAGS)


def test_words_are_not_split_between_windows():
    module = feature_maker(TaggingModule, max_length=10)
    tokenizer = unigram()
    words = ["metres", "above", "Nairobi", "Dodoma", "jumps", "learning"] * 3
    features = module.features({"tokens": [words]}, tokenizer)
    assert len(features) > 2
    assert "tag" not in features.labels
    word = np.asarray(features.extra["word"])
    starts = [int(word[token_slice(features, unit)[1]]) for unit in range(len(features))]
    assert all(start >= 0 for start in starts)
    assert starts == sorted(set(starts))


def test_content_tags_what_follows_the_lone_mark():
    tokenizer = unigram()
    lone = tokenizer.get_vocab()["▁"]
    sentence = ["Ж" + "ไ", "the", "▁"]
    assert tokenizer(sentence[0], add_special_tokens=False)["input_ids"][0] == lone
    for policy, place in (("any", 1), ("content", 2)):
        features = feature_maker(TaggingModule, first_token=policy).features({"tokens": [sentence]}, tokenizer)
        assert np.flatnonzero(np.asarray(features.extra["word"]) == 0).tolist() == [place]


def test_unknown_words_are_no_lone_marks():
    """A tokenizer without '▁' answers its unknown token when asked for it."""
    tokenizer = TOKENIZERS["word_piece"]()
    sentence = ["𝕏𝕏中国☃", "fox"]
    assert tokenizer(sentence[0], add_special_tokens=False)["input_ids"][0] == tokenizer.unk_token_id
    features = feature_maker(TaggingModule, "bert", first_token="content").features({"tokens": [sentence]}, tokenizer)
    assert np.asarray(features.extra["word"])[1] == 0


def test_unlabelled_words_count_for_nothing():
    module = module_of("tagging")
    rows = {"id": ["a"], "tokens": [["Nairobi", "fox", "sea"]], "tags": [[1, -1, 2]]}
    features = module.features(rows, unigram())
    assert module.terms(Step("t", features, np.asarray([0]), 0)) == 2
    batch = whole_batch(features)
    with torch.no_grad():
        rows_of = log_softmax(module._logits(module.encoder(batch)), -1)
        word = np.asarray(features.extra["word"])
        by_hand = -rows_of[int(np.flatnonzero(word == 0)[0]), 1] - rows_of[int(np.flatnonzero(word == 2)[0]), 2]
        torch.testing.assert_close(module.loss(batch), by_hand)


# ---- question answering ----------------------------------------------------------------------------------------------


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
        QAModule, FAMILY_OF[name], max_length=length, stride=stride, max_query_length=16, max_answer_length=10**6
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
    module = feature_maker(QAModule, FAMILY_OF[name], max_length=40, stride=10)
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
            QAModule, FAMILY_OF[name], max_length=length, stride=stride, max_query_length=64, max_answer_length=200
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
    features = feature_maker(QAModule, FAMILY_OF[name], max_length=64, max_query_length=32).features(
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
    module = feature_maker(QAModule, FAMILY_OF[name], max_length=64)

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
    module = feature_maker(QAModule, max_length=64)
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
    module = feature_maker(QAModule, n_best=n_best, max_answer_length=max_answer_length, null_threshold=null_threshold)
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
        module = feature_maker(QAModule, null_threshold=threshold)
        features = module.features(rows, unigram())
        score = np.zeros(len(features.ids), np.float32)
        score[0] = 0.5  # the null score is one above the best span
        assert bool(module.decode(rows, features, [score, score])["q"]) == answered


# ---- single texts, pairs, choices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOKENIZERS)
def test_pairs_and_single_texts(name):
    tokenizer = TOKENIZERS[name]()
    module = feature_maker(HEADS["classification"], FAMILY_OF[name], max_length=16)
    rows = ROWS["classification"]
    features = module.features(rows, tokenizer)
    for unit, (a, b) in enumerate(zip(rows["text_a"], rows["text_b"], strict=True)):
        expected = tokenizer(*([a, b] if b else [a]), truncation=True, max_length=16)
        where = token_slice(features, unit)
        assert features.ids[where].tolist() == expected["input_ids"]
        if name == "word_piece":
            assert features.types[where].tolist() == expected["token_type_ids"]
    assert features.lengths.max() == 16
    assert features.labels["label"][1].tolist() == rows["label"]
    assert features.rows.tolist() == list(range(7))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_choices_are_paired_with_their_context(name):
    tokenizer = TOKENIZERS[name]()
    module = feature_maker(HEADS["choice"], FAMILY_OF[name])
    rows = ROWS["choice"]
    features = module.features(rows, tokenizer)
    expected = []
    for context, question, choices in zip(rows["context"], rows["question"], rows["choices"], strict=True):
        for choice in choices:
            pair = (context, f"{question} {choice}" if question else choice) if context else (question, choice)
            expected.append(tokenizer(*pair, truncation=True, max_length=32)["input_ids"])
    sequences = np.split(features.ids, np.cumsum(features.lengths)[:-1])
    assert [part.tolist() for part in sequences] == expected
    assert features.units.tolist() == [2, 3, 4, 2, 5]


# ---- retrieval -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("layer", [0, 1, 2, None])
def test_retrieval_vectors_equal_a_loop(pooling, layer):
    module = module_of("retrieval", pooling=pooling, layer=layer)
    assert module.head is None
    assert module.layer == (1 if layer is None else layer)  # 14/24 of two layers
    tokenizer = unigram()
    features = module.features(ROWS["retrieval"], tokenizer)
    vectors = predict(module, features, spec(1), None)[0]
    texts = [text.strip() for text in (*ROWS["retrieval"]["text_a"], *ROWS["retrieval"]["text_b"])]
    expected = []
    with torch.no_grad():
        for text in texts:
            output = module.encoder.base(
                **tokenizer(text, return_tensors="pt", truncation=True, max_length=32), output_hidden_states=True
            )
            hidden = output.hidden_states[module.layer][0]
            vector = hidden[0] if pooling == "cls" else hidden.mean(0)
            expected.append((vector / vector.norm()).numpy())
    np.testing.assert_allclose(vectors, np.stack(expected), atol=1e-5)
    nearest = []
    for query in expected[4:]:
        cosines = [float(query @ candidate) for candidate in expected[:4]]
        nearest.append(str(cosines.index(max(cosines))))
    assert module.decode(ROWS["retrieval"], features, [vectors]) == nearest


def test_retrieval_in_chunks(monkeypatch):
    monkeypatch.setattr("stilts_xtreme.models.search.BLOCK_BYTES", 50)
    module = module_of("retrieval")
    generator = np.random.default_rng(0)
    candidates = generator.normal(size=(10, 4)).astype(np.float32)
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    truth = generator.permutation(10)
    vectors = np.concatenate([candidates, candidates[truth]])
    rows = {"text_a": [""] * 10, "text_b": [""] * 10}
    assert module.decode(rows, None, [vectors]) == [str(at) for at in truth]


@pytest.mark.parametrize("layer", [3, -1, 100])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(StiltsError, match=rf"retrieval\.layer={layer} .*hidden_states\[2\]"):
        module_of("retrieval", layer=layer)


@pytest.mark.parametrize(("family", "limit"), [("xlm-roberta", 128), ("roberta", 128), ("xlm-roberta-xl", 128)])
def test_positions_behind_the_padding_id(family, limit):
    encoder = bare_encoder(family)
    assert position_limit(encoder) == limit
    HEADS["classification"](encoder, CLASSES, options(max_length=limit))
    with pytest.raises(StiltsError, match=f"max_length={limit + 1} .* {limit} tokens"):
        HEADS["classification"](encoder, CLASSES, options(max_length=limit + 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_sequence_can_be_encoded(family):
    encoder = bare_encoder(family)
    limit = position_limit(encoder)
    assert limit in (128, 130)
    ids = np.full(limit, 7, np.int64)
    features = Features(ids, np.asarray([limit]), np.asarray([1]))
    with torch.no_grad():
        assert encoder(whole_batch(features)).shape == (limit, 32)
    if family in ("bert", "roberta", "xlm-roberta", "xlm-roberta-xl"):
        longer = Features(np.full(limit + 1, 7), np.asarray([limit + 1]), np.asarray([1]))
        with pytest.raises((IndexError, RuntimeError)), torch.no_grad():
            encoder(whole_batch(longer))


def test_a_tiny_max_length_is_refused():
    with pytest.raises(StiltsError, match="max_length=7"):
        HEADS["qa"](bare_encoder(), (), options(max_length=7))


# ---- prediction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HEADS)
def test_predictions_do_not_depend_on_the_budget(kind):
    module = module_of(kind).train()
    features = module.features(ROWS[kind], unigram())
    expected = None
    for budget in (1, 20, 10**6):
        found = predict(module, features, spec(budget), None)
        assert module.training
        assert all(len(array) == features.count(module.over) for array in found)
        if expected is None:
            expected = found
            one_by_one = []
            module.eval()
            with torch.no_grad():
                for unit in range(len(features)):
                    one_by_one.append(module.predict_step(features.take(np.asarray([unit]))))
            module.train()
            for position, array in enumerate(found):
                np.testing.assert_allclose(array, np.concatenate([part[position] for part in one_by_one]), atol=1e-5)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
        one, other = (module.decode(ROWS[kind], features, outputs) for outputs in (found, expected))
        if kind == "bitext":  # pairs with scores, as exact as what they are made of
            assert [score for *_, score in one] == pytest.approx([score for *_, score in other], abs=1e-3)
            one, other = ([pair[:2] for pair in pairs] for pairs in (one, other))
        assert one == other


@pytest.mark.parametrize("kind", HEADS)
def test_no_rows_give_no_predictions(kind, tmp_path):
    module = module_of(kind)
    rows = {name: [] for name in ROWS[kind]}
    features = module.features(rows, unigram())
    assert len(features) == 0
    outputs = predict(module, features, spec(), None)
    like = predict(module, module.features(ROWS[kind], unigram()), spec(), None)
    assert [(o.shape[1:], o.dtype, len(o)) for o in outputs] == [(o.shape[1:], o.dtype, 0) for o in like]
    answers = module.decode(rows, features, outputs)
    assert answers == ({} if kind in ("qa", "ranking") else [])
    predictions.write(tmp_path, "t", "en", kind, answers)
    assert predictions.read(tmp_path, "t", "en", kind, predictions.gold(kind, rows, module.labels)) == answers


def test_decoded_classes_are_names():
    module = module_of("classification")
    features = module.features(ROWS["classification"], unigram())
    logits = np.eye(3, dtype=np.float32)[ROWS["classification"]["label"]]
    assert module.decode(ROWS["classification"], features, [logits]) == predictions.gold(
        "classification", ROWS["classification"], CLASSES
    )


def test_grouped_cross_entropy_by_hand():
    from stilts_xtreme.tasks.head import grouped_cross_entropy

    scores = torch.tensor([1.0, 2.0, -1.0, 0.5, 3.0], requires_grad=True)
    found = grouped_cross_entropy(scores, torch.tensor([2, 1, 2]), torch.tensor([0, 0, 1]))
    parts = [cross_entropy(scores[None, a:b], torch.tensor([g])) for a, b, g in ((0, 2, 0), (2, 3, 0), (3, 5, 1))]
    torch.testing.assert_close(found, sum(parts))
    found.backward()
    assert torch.isfinite(scores.grad).all()

"""Tagging: every word gets one tag, whatever the tokenizer and however long the sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from support.encoders import FAMILY_OF, ODD_WORDS, TOKENIZERS, odd_words, token_slice, unigram
from support.features import TAGS, feature_maker, tries
from support.heads import module_of, whole_batch
from torch.nn.functional import log_softmax

from stilts_xtreme.tasks import predictions
from stilts_xtreme.tasks.module import Step
from stilts_xtreme.tasks.tagging.module import TaggingModule


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
        rows_of = log_softmax(module._logits(batch), -1)
        word = np.asarray(features.extra["word"])
        by_hand = -rows_of[int(np.flatnonzero(word == 0)[0]), 1] - rows_of[int(np.flatnonzero(word == 2)[0]), 2]
        torch.testing.assert_close(module.loss(batch), by_hand)

"""A tokenizer is tried on rows of the languages at hand: what it cannot read is named, or refused."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.encoders import TEXTS, TOKENIZERS, bare_encoder, byte_level, unigram, word_piece
from support.features import CLASSES, TAGS, options
from transformers import PreTrainedTokenizerFast

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.tokenizer import (
    PROBED,
    compare_unknown,
    lone_mark,
    refuse_unknown,
    tell_length,
    unknown_share,
)
from stilts_xtreme.tasks import format_of

ENGLISH, AMHARIC = ["The quick brown fox", "Nairobi is the capital"], ["አዲስ አበባ ዋና ከተማ ናት", "ኢትዮጵያ"]


def features(tokenizer: Any, texts: list[str], kind: str = "classification") -> Any:
    rows: dict[str, list[Any]] = {"text_a": texts, "text_b": [""] * len(texts)}
    labels: tuple[str, ...] = CLASSES
    if kind == "tagging":
        rows, labels = {"tokens": [text.split() for text in texts]}, TAGS
    return format_of(kind).module()(bare_encoder(), labels, options()).features(rows, tokenizer)


@pytest.mark.parametrize("kind", ["classification", "tagging"])
@pytest.mark.parametrize("tokenizer", [unigram, word_piece])
def test_a_script_that_a_tokenizer_lacks_is_unknown(tokenizer: Any, kind: str) -> None:
    assert unknown_share(features(tokenizer(), ENGLISH, kind), tokenizer()) < 0.1
    share = unknown_share(features(tokenizer(), AMHARIC, kind), tokenizer())
    assert share == 1.0


def test_bytes_are_always_known() -> None:
    assert unknown_share(features(byte_level(), AMHARIC), byte_level()) == 0


def test_a_tokenizer_without_an_unknown_token() -> None:
    bare = PreTrainedTokenizerFast(
        tokenizer_object=byte_level().backend_tokenizer, cls_token="<s>", sep_token="</s>", pad_token="<pad>"
    )
    assert bare.unk_token_id is None
    assert unknown_share(features(bare, AMHARIC), bare) == 0


def test_text_without_any_sub_token_is_unknown() -> None:
    assert unknown_share(features(unigram(), ["", ""]), unigram()) == 1.0
    assert unknown_share(features(unigram(), []), unigram()) == 0.0


def test_the_first_rows_decide() -> None:
    texts = AMHARIC * PROBED
    assert unknown_share(features(word_piece(), texts + ENGLISH * 500), word_piece()) == 1.0


def test_rows_that_are_all_unknown_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StiltsError, match=r"encoder /enc does not read xnli in am: 100 % of the sub-tokens"):
        refuse_unknown(features(word_piece(), AMHARIC), word_piece(), "/enc", "xnli in am")
    refuse_unknown(features(word_piece(), ENGLISH), word_piece(), "/enc", "xnli in en")
    assert not caplog.records


def test_one_unknown_language_is_named_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        compare_unknown({"en": 0.0, "am": 1.0, "ja": 0.6, "de": 0.4}, "/enc", "xnli", True)
    said = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in said] == ["xnli in am", "xnli in ja"]
    assert all("/enc" in text for text in said)


def test_languages_that_are_all_unknown_are_refused() -> None:
    with pytest.raises(StiltsError, match=r"does not read xnli in any language \(en, am\): at least 95 %"):
        compare_unknown({"en": 0.95, "am": 1.0}, "/enc", "xnli", True)
    compare_unknown({"am": 1.0}, "/enc", "xnli", False)  # a head that was trained on another language
    compare_unknown({}, "/enc", "xnli", True)


def test_a_shorter_length_of_the_tokenizer_is_said(caplog: pytest.LogCaptureFixture) -> None:
    tell_length(unigram(), 128, "/enc")
    assert not caplog.records
    tell_length(unigram(), 129, "/enc")
    assert "max_length=129 is more than the 128 tokens" in caplog.text
    assert TEXTS


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_lone_mark_is_that_of_the_vocabulary(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    assert lone_mark(tokenizer) == tokenizer.get_vocab().get("▁")


def test_a_vocabulary_is_not_copied_for_each_language(monkeypatch: pytest.MonkeyPatch) -> None:
    known = unigram()
    units = features(known, AMHARIC)
    expected = unknown_share(units, known)

    def refuse(self: object) -> None:
        raise AssertionError("copying 250,002 sub-tokens takes longer than the rows of a language")

    monkeypatch.setattr(type(known), "get_vocab", refuse)
    assert unknown_share(units, known) == expected

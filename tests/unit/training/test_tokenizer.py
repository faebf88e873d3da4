"""The tokenizer of ``mini``: every script of the synthetic world, and frequent words in one piece."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from support.cells import cell_of
from transformers import PreTrainedTokenizerFast

from stilts_xtreme.data.synthetic import LANGUAGES, World, corpus, rows
from stilts_xtreme.data.synthetic.languages import INVENTORY, Language
from stilts_xtreme.training.pretrain import SPECIALS, texts_of, train_tokenizer, whole_words

VOCABULARY = 10_000
UNSEEN = "qah"


@cache
def text(code: str, sentences: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(corpus(World(sentences=sentences), code)))


@cache
def tokenizer(sentences: int) -> PreTrainedTokenizerFast:
    return train_tokenizer([line for code in LANGUAGES for line in text(code, sentences)], VOCABULARY, 512)


@pytest.mark.parametrize("language", INVENTORY, ids=lambda language: language.code)
def test_every_script_has_pieces(language: Language) -> None:
    world = World(train=20, validation=20, test=200)
    known = tokenizer(20_000)
    for dataset, column in (("xnli", "text_a"), ("tatoeba", "text_a"), ("lareqa", "query")):
        if language.code == "qaa" and dataset == "tatoeba":
            continue
        lines = rows(world, dataset, "test", language.code)[column]
        unknown = sum(known(line).input_ids.count(known.unk_token_id) for line in lines)
        # Not each of hundreds of characters occurs in little text; those of an alphabet do, the unseen one's too.
        allowed = 0.01 * sum(map(len, lines)) if language.script in ("CJK", "HANGUL") else 0
        assert unknown <= allowed


# With five times as much text the pieces would fill the vocabulary on their own.
@pytest.mark.slow
@pytest.mark.parametrize("sentences", [20_000, 100_000])
@pytest.mark.parametrize("language", [one for one in INVENTORY if one.spaces and one.share], ids=lambda one: one.code)
def test_frequent_words_are_one_piece(language: Language, sentences: int) -> None:
    known = tokenizer(sentences)
    ends = language.stop + language.mark
    counts = Counter(word.strip(ends) for line in text(language.code, sentences) for word in line.split())
    frequent = {word: count for word, count in counts.items() if word and count >= 5}
    whole = {word for word in frequent if len(known.tokenize(word)) == 1}
    assert len(frequent) > (50 if language.share < 0.1 else 300)
    assert sum(frequent[word] for word in whole) > 0.98 * sum(frequent.values())
    assert len(whole) > 0.9 * len(frequent)
    assert len(known) <= VOCABULARY


def test_whole_words_by_hand() -> None:
    told = ["the dog, the dog!", "«dog» ran", "น้ำดี น้ำดี", "😀 😀", "— — …", "", "ｄｏｇ don't don't", "ran"]
    found = dict(whole_words(told, {"▁the"}))
    # 14 words: the 2, dog 4 (one in full width), ran 2, the Thai one 2, the emoji 2, don't 2; dashes are no words.
    assert found == pytest.approx(
        {
            "▁dog": math.log(4 / 14),
            "▁don't": math.log(2 / 14),
            "▁ran": math.log(2 / 14),
            "▁น้ําดี": math.log(2 / 14),
            "▁😀": math.log(2 / 14),
        }
    )
    first, *others = found
    assert first == "▁dog"
    assert others == sorted(others), "equal counts in the order of the words"
    assert whole_words([], set()) == whole_words(["", " ", "… !"], set()) == whole_words(["once"], set()) == []


def test_pieces_and_words_share_the_vocabulary_by_score() -> None:
    """All letters stay however small the vocabulary is, and then the most likely pieces and words."""
    many = [f"{first}{second}{third}" for first in "bdfgkl" for second in "aeiou" for third in "mnrst"]
    told = [" ".join(many[at : at + 5]) for at in range(len(many) - 4)] * 3 + ["zuzuzu " * 8] * 40
    small = train_tokenizer(told, 60, 128)
    assert len(small) <= 60
    assert len(small.tokenize("zuzuzu")) == 1
    assert small.unk_token_id not in small("".join(sorted(set("".join(told))))).input_ids
    roomy = train_tokenizer(told, 400, 128)
    assert all(len(roomy.tokenize(word)) == 1 for word in many)
    assert set(SPECIALS) <= set(roomy.get_vocab())


def test_pretraining_passes_over_a_language_without_text(run_tiny: Callable[..., dict[str, Any]]) -> None:
    world = "++data.world.languages=8"
    cell = cell_of("+target=tatoeba", "trainer=cpu", world, "++data.world.sentences=300")
    texts = texts_of((), cell.data, 10_000)
    assert texts[UNSEEN] == []
    assert texts_of((), cell.data, 10_000, ["qac", "qaa"]) == {code: texts[code] for code in ("qac", "qaa")}
    assert all(texts[code] for code in texts if code != UNSEEN)
    result = run_tiny("+target=tatoeba", world)
    assert UNSEEN in {row["language"] for row in result["rows"]}

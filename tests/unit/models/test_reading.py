"""What a tokenizer makes of rows, on small texts whose numbers can be counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.encoders import TEXTS, TOKENIZERS, unigram, word_piece

from stilts_xtreme.models.reading import LOOKED_AT, read

AMHARIC = "ሰላም ለዓለም ነው"


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_text_that_a_tokenizer_knows_comes_back(kind: str) -> None:
    found = read(TOKENIZERS[kind](), [[TEXTS[0]], [TEXTS[1]]], 128)
    assert (found.rows, found.long, found.unknown, found.offsets) == (2, 0, 0, 0)
    assert found.round_trip == (0 if kind == "unigram" else None), "the others have nothing that puts pieces together"
    assert found.empty == 0


def test_unknown_text() -> None:
    found = read(unigram(), [[AMHARIC], [TEXTS[0]], [TEXTS[1]], [TEXTS[7]]], 128)
    assert found.round_trip == 0.25
    assert 0 < found.unknown < 0.5
    assert read(unigram(), [[AMHARIC]], 128).unknown == 1
    assert read(word_piece(), [[AMHARIC]], 128).unknown == 1


def test_long_rows_are_counted_with_special_tokens() -> None:
    ids = unigram()(TEXTS[0], TEXTS[1])["input_ids"]
    assert read(unigram(), [[TEXTS[0], TEXTS[1]]], len(ids)).long == 0
    assert read(unigram(), [[TEXTS[0], TEXTS[1]], [TEXTS[0]]], len(ids) - 1).long == 0.5


def test_words() -> None:
    tokenizer = unigram()
    words = ["fox", "京", "\u200b"]
    counts = [len(tokenizer(word, add_special_tokens=False)["input_ids"]) for word in words]
    found = read(tokenizer, [[words]], 128)
    assert found.fertility == sum(counts) / 3
    assert found.continued == sum(count > 1 for count in counts) / 3
    assert found.empty == sum(count == 0 for count in counts) / 3
    running = read(tokenizer, [["京京"]], 128, spaced=False)
    assert (running.fertility, running.continued, running.lone_mark, running.empty) == (None,) * 4


def test_a_lone_mark_before_a_word() -> None:
    tokenizer = unigram()
    words = [word for text in TEXTS for word in text.split()]
    pieces = [tokenizer.convert_ids_to_tokens(tokenizer(word, add_special_tokens=False)["input_ids"]) for word in words]
    lone = sum(len(found) > 1 and found[0] == "▁" for found in pieces)
    assert lone
    assert read(tokenizer, [[words]], 512).lone_mark == lone / len(words)
    assert read(word_piece(), [[words]], 512).lone_mark == 0


class Shifted:
    """A tokenizer whose places are one character too far to the right."""

    def __init__(self) -> None:
        self.own = unigram()

    def __getattr__(self, name: str):
        return getattr(self.own, name)

    def __call__(self, *texts, **more):
        found = self.own(*texts, **more)
        if "offset_mapping" in found:
            found["offset_mapping"] = [[(a + 1, b + 1) for a, b in places] for places in found["offset_mapping"]]
        return found


def test_places_that_do_not_fit() -> None:
    assert read(Shifted(), [[TEXTS[0]], [TEXTS[1]]], 128).offsets == 1


def test_nothing_to_look_at() -> None:
    assert read(unigram(), [], 128).rows == 0
    assert read(unigram(), [[""]], 128).fertility is None
    assert read(unigram(), [["a"]] * 999, 128).rows == LOOKED_AT


@given(st.lists(st.lists(st.text(max_size=30), min_size=1, max_size=2), max_size=5))
def test_shares_are_shares(rows: list[list[str]]) -> None:
    found = read(unigram(), rows, 12)
    for name, value in found.line("en").items():
        if name not in ("language", "rows", "fertility") and value is not None:
            assert 0 <= value <= 1, name

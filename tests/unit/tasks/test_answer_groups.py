"""Groups of answers to questions: rules that hold in every script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.question_answering.groups import kind, length

CASES = {
    "": ("no answer", "no answer"),
    "  ": ("no answer", "no answer"),
    "—": ("neither letter nor number", "neither letter nor number"),
    "Paris": ("1 word", "with a capital"),
    "the Denver Broncos": ("2-3 words", "with a capital"),
    "a red - brown fox": ("4-7 words", "no capital"),
    "one two three four five six seven eight": ("8 words and more", "no capital"),
    "4.5 million": ("2-3 words", "with a number"),
    "«Ωμέγα»": ("1 word", "with a capital"),
    "मुंबई शहर": ("2-3 words", "script without capitals"),
    "१९५१": ("1 word", "with a number"),
    "١٩٥١": ("1 word", "with a number"),
    "القاهرة": ("1 word", "script without capitals"),
    "東京都": ("script without spaces", "script without capitals"),
    "1951年": ("script without spaces", "with a number"),
    "กรุงเทพ": ("script without spaces", "script without capitals"),
    "서울 시": ("2-3 words", "script without capitals"),
}


@pytest.mark.parametrize("text", CASES)
def test_an_answer_is_in_one_group_by_length_and_one_by_kind(text: str) -> None:
    assert (length([text]), kind([text])) == CASES[text]
    assert length([text, "another accepted answer"]) == length([text])


@given(st.lists(st.text()))
def test_every_answer_has_a_group_that_is_listed(texts: list[str]) -> None:
    answering = format_of("qa")
    for grouping, group in answering.groups(texts).items():
        assert group in answering.groupings[grouping]

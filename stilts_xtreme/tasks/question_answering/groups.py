"""Groups of answers by length and by kind, by rules that hold in every script."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

NO_ANSWER, NO_WORD = "no answer", "neither letter nor number"
UNSPACED = "script without spaces"
LENGTHS = ("1 word", "2-3 words", "4-7 words", "8 words and more", UNSPACED, NO_WORD, NO_ANSWER)
"""By length, the shortest first."""
NUMBER, CAPITAL, SMALL, UNCASED = "with a number", "with a capital", "no capital", "script without capitals"
KINDS = (NUMBER, CAPITAL, SMALL, UNCASED, NO_WORD, NO_ANSWER)
"""By kind; the first one that fits is taken."""
ABOUT = (
    "Groups are those of the right answer, of several the first. Words are what spaces separate; a Vietnamese word is "
    "often two of them. Answers in scripts that do not separate words (Chinese, Japanese, Thai, Lao, Khmer, Burmese, "
    "Tibetan) are not counted in words. With a number: has a digit or another sign for a number, as most dates do; "
    "number words are not recognised. With a capital: no number, and a word begins with a capital, as most names do, "
    "and every German noun. Scripts without capitals do not show what is a name."
)
"""What the groups are, for a reader."""
_UNSPACED = (
    *("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO", "IDEOGRAPHIC"),
    *("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"),
)
"""How the Unicode names of the letters begin that stand in scripts without spaces between words."""


def length(texts: Sequence[str]) -> str:
    """The group of a right answer by its length, one of :data:`LENGTHS`.

    Args:
        texts: The accepted answers, of which the first one counts; empty: there is no answer.
    """
    text = _first(texts)
    if not text:
        return NO_ANSWER
    if any(unicodedata.name(char, "").startswith(_UNSPACED) for char in text if char.isalpha()):
        return UNSPACED
    words = sum(any(unicodedata.category(char)[0] in "LN" for char in word) for word in text.split())
    places = ((0, NO_WORD), (1, LENGTHS[0]), (3, LENGTHS[1]), (7, LENGTHS[2]))
    return next((name for most, name in places if words <= most), LENGTHS[3])


def kind(texts: Sequence[str]) -> str:
    """The group of a right answer by its kind, one of :data:`KINDS`; its argument is that of :func:`length`."""
    text = _first(texts)
    if not text:
        return NO_ANSWER
    if any(unicodedata.category(char)[0] == "N" for char in text):
        return NUMBER
    words = [[char for char in word if char.isalpha()] for word in text.split()]
    letters = [char for word in words for char in word]
    if not letters:
        return NO_WORD
    if any(unicodedata.category(word[0]) in ("Lu", "Lt") for word in words if word):
        return CAPITAL
    return SMALL if any(char.lower() != char.upper() for char in letters) else UNCASED


def _first(texts: Sequence[str]) -> str:
    return texts[0].strip() if texts else ""

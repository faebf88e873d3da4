"""What a tokenizer makes of the rows of a language: what it cuts, does not know, and does not give back."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stilts_xtreme.models.tokenizer import lone_mark

LOOKED_AT = 200
"""Rows of a language that are looked at, the first ones."""
GLANCE = 50
"""Rows of a language that are looked at before a training, where somebody waits."""
MOST_WORDS = 2_000
"""Words of a language that are looked at, the first ones."""
FIELDS = (
    "language",
    "rows",
    "long",
    "unknown",
    "fertility",
    "continued",
    "lone_mark",
    "empty",
    "round_trip",
    "offsets",
)
"""The columns of a table of readings."""


@dataclass(frozen=True)
class Reading:
    """What a tokenizer makes of some rows. All but ``rows`` and ``fertility`` are shares, from 0 to 1.

    Attributes:
        rows: Rows that were looked at.
        long: Rows with more sub-tokens than a sequence may have.
        unknown: Unknown sub-tokens, among those of text.
        fertility: Sub-tokens per word; None where words are not known, as in running text without spaces.
        continued: Words of several sub-tokens (Rust et al. 2021, arXiv 2012.15613); None as for ``fertility``.
        lone_mark: Words whose first sub-token is a lone ``▁``, without a letter; None as for ``fertility``.
        empty: Words without any sub-token; None as for ``fertility``.
        round_trip: Rows that are another text once their sub-tokens are put together again. White space, characters
            that are not seen, and forms that Unicode takes for one (NFKC) make no difference. None where the
            tokenizer cannot put them together.
        offsets: Rows in which the places of sub-tokens are outside of the text, go back, or leave a character out.
    """

    rows: int
    long: float
    unknown: float
    fertility: float | None
    continued: float | None
    lone_mark: float | None
    empty: float | None
    round_trip: float | None
    offsets: float

    def line(self, language: str) -> dict[str, Any]:
        """A row of a table."""
        shares = {name: None if value is None else round(value, 4) for name, value in asdict(self).items()}
        return {"language": language, **shares}


def read(tokenizer: Any, rows: Sequence[Sequence[Any]], max_length: int, spaced: bool = True) -> Reading:
    """Looks at the first rows of a language.

    Args:
        tokenizer: The encoder's fast tokenizer.
        rows: The texts of each row; a text that is a list is one of words.
        max_length: Sub-tokens that a sequence may have.
        spaced: Whether the language has spaces between words.
    """
    rows = rows[:LOOKED_AT]
    texts = [[" ".join(text) if isinstance(text, list) else text for text in row] for row in rows]
    words = [word for row in rows for text in row for word in _words(text, spaced)][:MOST_WORDS]
    flat = [text for row in texts for text in row]
    if not flat:
        return Reading(0, 0.0, 0.0, None, None, None, None, None, 0.0)
    found = tokenizer(flat, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    joins = tokenizer.backend_tokenizer.decoder is not None
    whole = tokenizer.batch_decode(found["input_ids"], clean_up_tokenization_spaces=False)
    nothing = tokenizer.unk_token_id  # looked up once: a tokenizer of transformers searches for it each time
    silent = {*tokenizer.all_special_ids, lone_mark(tokenizer)} - {nothing}
    unknown = seen = long = changed = astray = at = 0
    for row in texts:
        own = slice(at, at := at + len(row))
        ids = found["input_ids"][own]
        count = sum(map(len, ids)) + tokenizer.num_special_tokens_to_add(pair=len(row) > 1)
        long += count > max_length
        pieces = [piece for part in ids for piece in part if piece not in silent]
        seen += len(pieces)
        unknown += pieces.count(nothing)
        changed += any(not _alike(again, text) for again, text in zip(whole[own], row, strict=True))
        astray += any(not _covers(places, text) for places, text in zip(found["offset_mapping"][own], row, strict=True))
    size = max(1, len(rows))
    return Reading(
        rows=len(rows),
        long=long / size,
        unknown=unknown / max(1, seen),
        **_of_words(tokenizer, words),
        round_trip=changed / size if joins else None,
        offsets=astray / size,
    )


def _words(text: Any, spaced: bool) -> list[str]:
    """The words of a text, as far as they are known."""
    if isinstance(text, list):
        return [word for word in text if word]
    return text.split() if spaced else []


def _of_words(tokenizer: Any, words: Sequence[str]) -> dict[str, float | None]:
    if not words:
        return dict.fromkeys(("fertility", "continued", "lone_mark", "empty"))
    often = Counter(words)
    pieces = tokenizer(list(often), add_special_tokens=False, verbose=False)["input_ids"]
    found = list(zip(pieces, often.values(), strict=True))
    mark = lone_mark(tokenizer)
    size = len(words)
    return {
        "fertility": sum(len(ids) * count for ids, count in found) / size,
        "continued": sum(count for ids, count in found if len(ids) > 1) / size,
        "lone_mark": sum(count for ids, count in found if len(ids) > 1 and ids[0] == mark) / size,
        "empty": sum(count for ids, count in found if not ids) / size,
    }


def _alike(one: str, other: str) -> bool:
    return one == other or _plain(one) == _plain(other)


def _plain(text: str) -> str:
    """A text without what is not seen, in one form of Unicode's."""
    text = unicodedata.normalize("NFKC", text)
    return "".join(sign for sign in text if not sign.isspace() and unicodedata.category(sign) not in ("Cf", "Cc"))


def _covers(places: Sequence[tuple[int, int]], text: str) -> bool:
    """Whether places are in a text, in its order, and leave no letter, number or sign out."""
    at = 0
    for begin, end in places:
        if not 0 <= begin <= end <= len(text) or _seen(text[at:begin]):
            return False
        at = max(at, end)
    return not _seen(text[at:])


def _seen(text: str) -> bool:
    """Whether there is something in a text but space, and marks that belong to a letter."""
    return any(unicodedata.category(sign)[0] in "LNPS" for sign in text)

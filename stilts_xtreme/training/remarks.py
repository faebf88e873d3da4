"""What a tokenizer makes of the rows of a target, language by language: a table, and what is worth a word."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Target
from stilts_xtreme.core.text import csv_table
from stilts_xtreme.models.reading import FIELDS, LOOKED_AT, Reading, read
from stilts_xtreme.tasks import format_of

UNSPACED = ("bo", "dz", "ja", "km", "lo", "my", "th", "yue", "zh")
"""Languages that are written without spaces between words."""
SHOWN = 8
"""Languages that a sentence names."""


def readings(target: Target, tokenizer: Any, rows: Mapping[str, Columns], most: int = LOOKED_AT) -> dict[str, Reading]:
    """Language -> what the tokenizer makes of its first rows.

    Args:
        target: What the rows are of.
        tokenizer: The encoder's tokenizer.
        rows: Language -> canonical rows.
        most: Rows of a language that are looked at.
    """
    names, found = format_of(target.head).rows.texts, {}
    for language, columns in rows.items():
        sides = [columns[name][:most] for name in names]
        texts = [[text for text in row if text] for row in zip(*sides, strict=True)]
        spaced = base(language) not in UNSPACED
        found[language] = read(tokenizer, texts, target.recipe.max_length, spaced)
    return found


def base(language: str) -> str:
    """A language's code without its script or country."""
    return language.replace("_", "-").partition("-")[0]


def table(found: Mapping[str, Reading]) -> str:
    """A row for each language, as CSV."""
    return csv_table(FIELDS, [reading.line(language) for language, reading in found.items()])


def remarks(
    target: Target, found: Mapping[str, Reading], known: Collection[str] | None, lone_is_tagged: bool
) -> list[str]:
    """What is worth a word before a training, a sentence each.

    Args:
        target: What the rows are of.
        found: Language -> what the tokenizer makes of its rows.
        known: Languages that the encoder was pretrained on; None: they are not known.
        lone_is_tagged: Whether a lone mark before a word has the word's tag.
    """
    format = format_of(target.head)
    long = f"longer than max_length={target.recipe.max_length} sub-tokens"
    long = f"rows that are {long} and {'read in several windows' if format.windows else 'cut'}"

    def most(share: Callable[[Reading], float | None], least: float) -> str:
        shares = {language: share(reading) or 0.0 for language, reading in found.items()}
        named = sorted((one for one in shares if shares[one] >= least), key=lambda one: -shares[one])
        texts = [f"{one} {100 * shares[one]:.3g} %" for one in named[:SHOWN]]
        return ", ".join(texts) + (f" and {len(named) - SHOWN} languages more" if len(named) > SHOWN else "")

    told = {
        long: most(lambda r: r.long, 0.05),
        "sub-tokens that are unknown to the tokenizer": most(lambda r: r.unknown, 0.01),
        "words without any sub-token": most(lambda r: r.empty, 1e-9),
        "rows that are another text once their sub-tokens are put together": most(lambda r: r.round_trip, 0.05),
        "rows in which the places of sub-tokens do not fit the text": most(lambda r: r.offsets, 0.01),
    }
    if lone_is_tagged:
        lone = "words that begin with a lone '▁', which gets the tag (tagging.first_token=content tags what follows)"
        told[lone] = most(lambda r: r.lone_mark, 0.5)
    lines = [f"{what}: {where}" for what, where in told.items() if where]
    strange = [] if known is None else [language for language in found if base(language) not in known]
    if strange:
        more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
        lines.append(f"languages that the encoder was not pretrained on: {', '.join(strange[:SHOWN])}{more}")
    return lines

"""Comparable corpora of the synthetic world: most sentences of either language have no translation in the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.readers import bitext

PAIRED = 3
"""One of so many sentences has a translation in the other corpus (BUCC has far fewer: about one of forty)."""


def rows(meanings: Sequence[Any], foreign: Callable[[Any], str], english: Callable[[Any], str], name: str) -> Columns:
    """Makes two corpora with a row for each meaning.

    Args:
        meanings: Drawn sentences.
        foreign: Says one in the other language.
        english: Says one in the source language.
        name: Begins every id.

    Returns:
        Rows of the format ``bitext``: of each two meanings the first is said in the other language; in the source
        language either the same one (a pair) or the second.
    """
    sides: tuple[list, list] = ([], [])
    gold = []
    for at, meaning in enumerate(meanings):
        key = f"{name}-{at}"
        if at % 2 == 0:
            sides[0].append((key, foreign(meaning)))
            continue
        paired = at // 2 % PAIRED == 0
        sides[1].append((key, english(meanings[at - 1] if paired else meaning)))
        if paired:
            gold.append((f"{name}-{at - 1}", key))
    if not sides[1]:
        return {"id": [], "text": [], "side": [], "gold": []}
    return bitext.columns(*sides, gold, name)

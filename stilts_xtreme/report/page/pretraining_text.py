"""What is known of a language that results name: family, script, and how much text of it pretraining saw.

Real languages stand in the table of :mod:`stilts_xtreme.data.language_table`, synthetic ones in their inventory.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stilts_xtreme.data.language_table import RESOURCES, Language, languages
from stilts_xtreme.data.synthetic.languages import BY_CODE

UNKNOWN = "not known"
JOSHI = {5: "class 5", 4: "class 4", 3: "class 3", 2: "class 2", 1: "class 1", None: "class 0 or not listed"}
"""Class of Joshi et al. 2020 -> how it is said. The table does not tell class 0 from a language that it lacks."""
SEEN, NOT_SEEN = "script seen", "script not seen"
CLASSES = {
    "level": (*RESOURCES, UNKNOWN),
    "joshi": (*JOSHI.values(), UNKNOWN),
    "seen": (SEEN, NOT_SEEN, UNKNOWN),
}
"""Field of :class:`Known` -> its classes, from much to no text."""
SHARES = {1.0: "high", 0.1: "mid", 0.01: "low", 0.0: "unseen"}
"""The class of a synthetic language, by its text relative to that of the source language."""


@dataclass(frozen=True)
class Known:
    """What is known of a language.

    Attributes:
        code: As results name it.
        name: In English; the code where it is not known.
        family: Its family; of a synthetic language its word order.
        script: What it is written in, by ISO 15924; of a synthetic language by name.
        size: GiB of CC-100, or the share of text of a synthetic language; 0: pretraining had none; None: not known.
        level: Its class by size.
        joshi: Its class of Joshi et al. 2020 in words; of a synthetic language not known.
        seen: Whether pretraining had text of any language in its script, in words.
    """

    code: str
    name: str
    family: str
    script: str
    size: float | None
    level: str
    joshi: str = UNKNOWN
    seen: str = UNKNOWN


@functools.cache
def _by_any_code() -> Mapping[str, Language]:
    """The lines of the table by their own codes, those of FLORES-200, and these without their script."""
    found = {language.flores.partition("_")[0]: language for language in reversed(list(languages().values()))}
    found |= {language.flores: language for language in languages().values()}
    return {**found, **languages()}


@functools.cache
def _seen() -> frozenset[str]:
    """The scripts that pretraining had text in: of CC-100, and of the synthetic languages."""
    real = {language.script for language in languages().values() if language.cc100_gib}
    return frozenset(real | {own.script for own in BY_CODE.values() if own.share})


def known(code: str) -> Known:
    """What is known of a language.

    Args:
        code: A code of the catalogue, of FLORES-200 or of ISO 639-3.
    """
    if code in BY_CODE:
        own = BY_CODE[code]
        script = "Han" if own.script == "CJK" else own.script.capitalize()
        seen = SEEN if own.script in _seen() else NOT_SEEN
        return Known(code, code, f"{own.order} order", script, own.share, SHARES[own.share], seen=seen)
    found = _by_any_code().get(code) if code else None
    if found is None:
        return Known(code, code, UNKNOWN, UNKNOWN, None, UNKNOWN)
    joshi, seen = JOSHI[found.joshi], SEEN if found.script in _seen() else NOT_SEEN
    return Known(code, found.name, found.family, found.script, found.cc100_gib, found.resources, joshi, seen)


def in_order(codes: Iterable[str]) -> list[Known]:
    """Languages, those with the most pretraining text first."""
    return sorted(map(known, codes), key=lambda language: (-_or(language.size), language.code))


def _or(size: float | None) -> float:
    return -math.inf if size is None else size

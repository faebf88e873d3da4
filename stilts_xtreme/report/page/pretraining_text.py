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
CLASSES = (*RESOURCES, UNKNOWN)
"""From much to no pretraining text."""
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
        level: One of :data:`CLASSES`.
        joshi: The class of Joshi et al. 2020, where it is known.
    """

    code: str
    name: str
    family: str
    script: str
    size: float | None
    level: str
    joshi: int | None = None


@functools.cache
def _by_any_code() -> Mapping[str, Language]:
    """The lines of the table by their own codes, those of FLORES-200, and these without their script."""
    found = {language.flores.partition("_")[0]: language for language in reversed(list(languages().values()))}
    found |= {language.flores: language for language in languages().values()}
    return {**found, **languages()}


def known(code: str) -> Known:
    """What is known of a language.

    Args:
        code: A code of the catalogue, of FLORES-200 or of ISO 639-3.
    """
    if code in BY_CODE:
        own = BY_CODE[code]
        script = "Han" if own.script == "CJK" else own.script.capitalize()
        return Known(code, code, f"{own.order} order", script, own.share, SHARES[own.share])
    found = _by_any_code().get(code) if code else None
    if found is None:
        return Known(code, code, UNKNOWN, UNKNOWN, None, UNKNOWN)
    return Known(code, found.name, found.family, found.script, found.cc100_gib, found.resources, found.joshi)


def in_order(codes: Iterable[str]) -> list[Known]:
    """Languages, those with the most pretraining text first."""
    return sorted(map(known, codes), key=lambda language: (-_or(language.size), language.code))


def _or(size: float | None) -> float:
    return -math.inf if size is None else size

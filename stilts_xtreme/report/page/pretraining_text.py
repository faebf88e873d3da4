"""What is known of languages beforehand: name, family, script, and how much text of them pretraining saw.

``languages.csv`` has the sizes of CC-100, the pretraining data of XLM-R (Conneau et al. 2020, arXiv 1911.02116, table
6, with the authors' corrections of Ukrainian and Swedish), and the classes of Joshi et al. 2020 for the languages of
XTREME-R. A language without a size is not in CC-100. Families are branches where Indo-European would hold most.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from stilts_xtreme.data.synthetic.languages import BY_CODE

CLASSES = ("high", "mid", "low", "very low", "unseen", "not known")
"""From much to no pretraining text."""
CUTS = ((40.0, "high"), (10.0, "mid"), (2.0, "low"), (0.0, "very low"))
"""At least so many GiB of CC-100 -> class. These cuts were chosen here, before any result."""
SHARES = {1.0: "high", 0.1: "mid", 0.01: "low", 0.0: "unseen"}
"""The same of a synthetic language, by its text relative to that of the source language."""
SCRIPTS = {
    **{"Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Cyrl": "Cyrillic", "Deva": "Devanagari"},
    **{"Ethi": "Ethiopic", "Geor": "Georgian", "Grek": "Greek", "Gujr": "Gujarati", "Guru": "Gurmukhi"},
    **{"Hang": "Hangul", "Hans": "Han", "Hant": "Han", "Hebr": "Hebrew", "Jpan": "Japanese", "Khmr": "Khmer"},
    **{"Knda": "Kannada", "Laoo": "Lao", "Latn": "Latin", "Mlym": "Malayalam", "Mymr": "Burmese", "Olck": "Ol Chiki"},
    **{"Orya": "Odia", "Sinh": "Sinhala", "Taml": "Tamil", "Telu": "Telugu", "Tfng": "Tifinagh", "Thai": "Thai"},
    "Tibt": "Tibetan",
}
"""Code of ISO 15924 -> script."""


@dataclass(frozen=True)
class Known:
    """What is known of a language.

    Attributes:
        code: As results name it.
        name: In English; the code where it is not known.
        family: Its branch; of a synthetic language its word order.
        script: What it is written in.
        size: GiB of CC-100, or the share of text of a synthetic language; 0: pretraining had none; None: not known.
        level: One of :data:`CLASSES`.
        joshi: The class of Joshi et al. 2020, from 0 to 5, where it is known.
    """

    code: str
    name: str
    family: str
    script: str
    size: float | None
    level: str
    joshi: int | None = None


@lru_cache(maxsize=1)
def _table() -> dict[str, Known]:
    text = resources.files(__package__).joinpath("languages.csv").read_text(encoding="utf-8")
    found = {}
    for line in csv.DictReader(text.splitlines()):
        size = float(line["cc100_gib"] or 0)
        level = next(name for cut, name in CUTS if size >= cut) if size else "unseen"
        joshi = int(line["joshi"]) if line["joshi"] else None
        known = Known(line["code"], line["name"], line["family"], line["script"], size, level, joshi)
        found[line["code"]] = found[line["iso3"]] = known
    return found


def known(code: str) -> Known:
    """What is known of a language.

    Args:
        code: A code of ISO 639, with a script of ISO 15924 behind an underscore or a hyphen where results name one.
    """
    if code in BY_CODE:
        own = BY_CODE[code]
        script = "Han" if own.script == "CJK" else own.script.capitalize()
        return Known(code, code, f"{own.order} order", script, own.share, SHARES[own.share])
    base, _, script = code.replace("-", "_").partition("_")
    found = _table().get(base)
    written = SCRIPTS.get(script)
    if found is None:
        return Known(code, code, "not known", written or "not known", None, "not known")
    name = found.name if written in (None, found.script) else f"{found.name}, {written}"
    return Known(code, name, found.family, written or found.script, found.size, found.level, found.joshi)


def in_order(codes: Iterable[str]) -> list[Known]:
    """Languages, those with the most pretraining text first."""
    return sorted(map(known, codes), key=lambda language: (-(_or(language.size)), language.code))


def _or(size: float | None) -> float:
    return -math.inf if size is None else size

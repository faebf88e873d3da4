"""What is known of languages: family, script, and how much text of them encoders such as XLM-R have seen.

``language_table.tsv`` beside this file has a line for each language of SIB-200, and for those of the other data sets of
``benchmark=beyond``. Languages go by the codes of the catalogue. Where the columns come from:

=============  =====================================================================================================
``flores``     The code in FLORES-200 and SIB-200; empty where these do not have the language.
``name``       In English, as FLORES-200 calls it, shortened.
``family``     The family at the top of the tree, creoles and constructed languages apart. UNVERIFIED: from memory.
``script``     ISO 15924.
``cc100_gib``  GiB of text in CC-100, the pretraining data of XLM-R (Conneau et al. 2020, arXiv 1911.02116, table 6,
               with the authors' corrections for Swedish and Ukrainian; read). Norwegian counts as Bokmål. 0: CC-100
               does not name the language, though text of it may be among that of a close relative.
``joshi``      Class of Joshi et al. 2020 (arXiv 2004.09095), 1 to 5 with 5 the richest, from a transcription whose
               codes a language model added (MaLA-LM/LangResourceAtlas, read). Empty: class 0, or not in the list.
=============  =====================================================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLASSES: Mapping[str, float] = {"high": 40.0, "mid": 10.0, "low": 2.0, "very low": 0.0}
"""Resource class -> the GiB of CC-100 that it begins at. The bounds are this project's own, not published ones."""
UNSEEN = "unseen"
"""The resource class of languages that CC-100 does not have."""
RESOURCES = (*CLASSES, UNSEEN)
"""All resource classes, the richest first."""


@dataclass(frozen=True)
class Language:
    """A line of the table; see the module for what the fields mean and where they come from."""

    code: str
    flores: str
    name: str
    family: str
    script: str
    cc100_gib: float
    joshi: int | None

    @property
    def resources(self) -> str:
        """The resource class, one of :data:`RESOURCES`."""
        if not self.cc100_gib:
            return UNSEEN
        return next(name for name, least in CLASSES.items() if self.cc100_gib >= least)


@functools.cache
def languages() -> Mapping[str, Language]:
    """All languages by their codes."""
    lines = Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines[1:]:
        code, flores, name, family, script, size, joshi = line.split("\t")
        found[code] = Language(code, flores, name, family, script, float(size), int(joshi) if joshi else None)
    return found

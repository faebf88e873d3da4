"""The rows of bitext mining: the sentences of two corpora.

``side`` says which corpus a sentence is of; ``gold`` of a foreign sentence has the ids of its translations.
"""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import Finding, RowFormat

FOREIGN, ENGLISH = "foreign", "english"
"""The sides."""


class CorpusRows(RowFormat):
    """Sentences of both corpora."""

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Sentences of neither corpus, and translations that are none of the English sentences."""
        sides = columns["side"]
        neither = [at for at, side in enumerate(sides) if side not in (FOREIGN, ENGLISH)]
        english = {key for key, side in zip(columns["id"], sides, strict=True) if side == ENGLISH}
        lost = [at for at, right in enumerate(columns["gold"]) if not english.issuperset(right)]
        return columns, [
            Finding(f"side is neither {FOREIGN} nor {ENGLISH}", neither, drop=True),
            Finding("gold names no English sentence", lost),
        ]

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No sentence has a translation."""
        return None if any(columns["gold"]) else f"none of its {len(columns['gold'])} sentences has a translation"


ROWS = CorpusRows(
    name="bitext", columns=("id", "text", "side", "gold"), texts=("text",), required=("text",), lists=("gold",)
)

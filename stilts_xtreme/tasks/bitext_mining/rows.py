"""The rows of bitext mining: the sentences of two corpora.

``side`` says which corpus a sentence is of; ``gold`` of a foreign sentence has the ids of its translations.
"""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import RowFormat

FOREIGN, ENGLISH = "foreign", "english"
"""The sides."""


class CorpusRows(RowFormat):
    """Sentences of both corpora."""

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No sentence has a translation."""
        return None if any(columns["gold"]) else f"none of its {len(columns['gold'])} sentences has a translation"


ROWS = CorpusRows(
    name="bitext", columns=("id", "text", "side", "gold"), texts=("text",), required=("text",), lists=("gold",)
)

"""The rows of retrieval: a sentence in another language (``text_a``) and its English translation (``text_b``)."""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import RowFormat

SIDES = ("text_a", "text_b")


class PairRows(RowFormat):
    """Sentences and their translations."""

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No sentence has a translation."""
        if any(one.strip() and other.strip() for one, other in zip(*(columns[side] for side in SIDES), strict=True)):
            return None
        return f"none of its {len(columns[SIDES[0]])} sentences has a translation"


ROWS = PairRows(name="retrieval", columns=("id", *SIDES), texts=SIDES, required=SIDES)

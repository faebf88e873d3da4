"""The rows of retrieval: a sentence in another language (``text_a``) and its English translation (``text_b``)."""

from __future__ import annotations

from stilts_xtreme.tasks.rows import RowFormat

SIDES = ("text_a", "text_b")
ROWS = RowFormat(name="retrieval", columns=("id", *SIDES), texts=SIDES, required=SIDES)

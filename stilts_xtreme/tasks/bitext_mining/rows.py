"""The rows of bitext mining: the sentences of two corpora.

``side`` says which corpus a sentence is of; ``gold`` of a foreign sentence has the ids of its translations.
"""

from __future__ import annotations

from stilts_xtreme.tasks.rows import RowFormat

FOREIGN, ENGLISH = "foreign", "english"
"""The sides."""

ROWS = RowFormat(
    name="bitext", columns=("id", "text", "side", "gold"), texts=("text",), required=("text",), lists=("gold",)
)

"""The rows of masked language modelling: text."""

from __future__ import annotations

from stilts_xtreme.tasks.rows import RowFormat

ROWS = RowFormat(name="text", columns=("text",), texts=("text",), required=("text",))

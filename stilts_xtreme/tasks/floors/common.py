"""What the floors of several formats share: how many rows are learned from, and the check of columns."""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import RowFormat

TRAIN_CAP = 5000
"""Training rows a floor learns from at most."""

PAIRS_CAP = 500_000_000
"""Pairs of texts that the floors of bitext mining and ranking compare at most: minutes on one core."""


def spread(rows: Sequence[int]) -> list[int]:
    """The rows, or where they are many :data:`TRAIN_CAP` of them at equal steps."""
    if len(rows) <= TRAIN_CAP:
        return list(rows)
    return [rows[i * len(rows) // TRAIN_CAP] for i in range(TRAIN_CAP)]


def trainable(rows: Sequence[int], what: str) -> list[int]:
    """The rows that are learned from.

    Raises:
        StiltsError: There are none.
    """
    if not rows:
        raise StiltsError(f"The floors need training rows with {what}; there are 0.")
    return spread(rows)


def count_rows(side: str, rows: RowFormat, columns: Columns) -> int:
    """The number of rows.

    Raises:
        StiltsError: Columns are missing, or have other lengths.
    """
    lacking = [name for name in rows.columns if name not in columns]
    if lacking:
        raise StiltsError(f"The {side} rows lack {len(lacking)} columns: {', '.join(lacking)}.")
    sizes = {name: len(columns[name]) for name in rows.columns}
    if len(set(sizes.values())) > 1:
        raise StiltsError(f"The {side} columns have other lengths: {sizes}.")
    return next(iter(sizes.values()))

"""Files of retrieval: one position per line, counted from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.files import read_labels, write_labels


def write_indices(path: Path, indices: Iterable[int]) -> Path:
    """Writes one position per line.

    Raises:
        StiltsError: Something other than a whole number from 0; names file and line.
    """
    rows = list(indices)
    for n, index in enumerate(rows, 1):
        if not isinstance(index, Integral) or int(index) < 0:
            raise StiltsError(f"{path} line {n}: {index!r} is not a position; use whole numbers from 0.")
    return write_labels(path, rows)


def read_indices(path: Path, rows: int | None = None) -> list[int]:
    """Reads one position per line; arguments and refusals as :func:`read_labels`, and for what is not a position."""
    labels = read_labels(path, rows)
    for n, label in enumerate(labels, 1):
        if not re.fullmatch("[0-9]+", label):
            raise StiltsError(f"{path} line {n}: {label!r} is not a position; use whole numbers from 0.")
    return [int(label) for label in labels]

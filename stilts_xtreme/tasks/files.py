"""Files of lines with one label on each, and what other files of lines have in common with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from numbers import Integral
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import text_of, write_atomic

UNKNOWN = ("-1", "_", "?")
"""What files say in the place of a label that is withheld."""
MANY = 10
"""Rows that cannot all have one label by chance."""


def lines_of(path: Path) -> list[str]:
    """The lines of a file, without white space at their ends."""
    # Only "\n" ends a line: splitlines() would also cut at U+2028 and others that a tag may hold.
    lines = text_of(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.strip() for line in lines]  # as the benchmark's own script reads them


def is_line(text: str) -> bool:
    """Whether a label can be a line, or a cell of one."""
    return bool(text) and text == text.strip() and not re.search(r"[\t\r\n]", text)


def line_of(path: Path, where: str, label: object) -> str:
    """A label as it stands in a line; lines are stripped when read, so white space at the ends is refused too."""
    text = str(int(label)) if isinstance(label, Integral) else label
    if not isinstance(text, str) or not is_line(text):
        raise StiltsError(
            f"{path} {where}: {label!r} cannot be one line; labels have no tabs, line ends or outer spaces."
        )
    return text


def write_labels(path: Path, labels: Iterable[str | int]) -> Path:
    """Writes one label per line; a number is written in decimal digits.

    Raises:
        StiltsError: A label that is empty or holds a tab, a line end or white space at an end; names file and line.
    """
    cells = [line_of(path, f"line {n}", label) for n, label in enumerate(labels, 1)]
    write_atomic(path, "".join(cell + "\n" for cell in cells))
    return path


def read_labels(path: Path, rows: int | None = None) -> list[str]:
    """Reads one label per line.

    Args:
        path: The file.
        rows: How many there must be; None takes what is there.

    Raises:
        StiltsError: No such file, an empty line, a tab, or another number of lines; names file and line.
    """
    labels = [line_of(path, f"line {n}", line) for n, line in enumerate(lines_of(path), 1)]
    if rows is not None and len(labels) != rows:
        where = f"line {rows + 1} is one too many" if len(labels) > rows else f"line {len(labels) + 1} is missing"
        raise StiltsError(
            f"{path}: {len(labels)} lines for {rows} rows; {where}: bring one line for each row, in the order of the "
            "labels, and no header."
        )
    return labels


def withheld_labels(labels: Sequence[str | int], known: Collection[str]) -> str | None:
    """Why labels say nothing of what is right.

    Args:
        labels: The labels of a file.
        known: The labels that there may be; empty where that is not known.

    Returns:
        A clause; None where answers can be scored by them.
    """
    found = [str(label) for label in labels]
    mark = next((mark for mark in UNKNOWN if mark in found and mark not in known), None)
    if mark is not None:
        return f"{found.count(mark)} of its {len(found)} labels are '{mark}'"
    only = found[0] if len(set(found)) == 1 else None
    if only is not None and len(found) >= MANY and only not in known:
        return f"all of its {len(found)} labels are '{only}'"
    return None

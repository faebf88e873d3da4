"""Files of bitext mining: one pair of sentence ids per line, a tab between them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.tasks.files import line_of, lines_of


def write_pairs(path: Path, pairs: Iterable[tuple[str, str]]) -> Path:
    """Writes one pair of ids per line, a tab between them.

    Raises:
        StiltsError: An id that is empty or holds a tab, a line end or white space at an end; names file and line.
    """
    lines = ["\t".join(line_of(path, f"line {n}", side) for side in pair) for n, pair in enumerate(pairs, 1)]
    write_atomic(path, "".join(line + "\n" for line in lines))
    return path


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Reads one pair of ids per line; an empty file has none.

    Raises:
        StiltsError: No such file, or a line that is not two ids with a tab between them; names file and line.
    """
    pairs = []
    for n, line in enumerate(lines_of(path), 1):
        sides = line.split("\t")
        if len(sides) != 2 or not all(sides):
            raise StiltsError(f"{path} line {n}: {line!r} is not two ids with a tab between them.")
        pairs.append((sides[0], sides[1]))
    return pairs

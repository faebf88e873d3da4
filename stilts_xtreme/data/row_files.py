"""Files of rows: their formats, their digests, how many rows they have, and where in them a row is."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core import files


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def extension(path: Path) -> str:
    """What follows the last dot of a file's name, a final ``.gz`` left out; "" without a dot."""
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[-1] if "." in name else ""


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file: what is remembered of it holds as long as these stay."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def digest(path: Path) -> str:
    """SHA-256 of a file, computed once as long as the file stays as it is."""
    return _digest(path, *stamp(path))


@functools.lru_cache(maxsize=4096)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    return files.digest(path)


def rows_in(path: Path) -> int | None:
    """Rows of a file, from its metadata where there is any; None where only reading it would tell."""
    return _rows_in(path, *stamp(path))


@functools.lru_cache(maxsize=4096)
def _rows_in(path: Path, size: int, mtime_ns: int) -> int | None:
    suffix = extension(path)
    if suffix == "parquet":
        import pyarrow.parquet as pq

        return pq.read_metadata(path).num_rows
    if suffix in ("jsonl", "tsv"):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            return sum(bool(line.strip()) for line in file)
    return None


def place(paths: Sequence[Path], row: int) -> str:
    """Where a row, counted from 0 over some files, is: a line of a file where there are lines, else a row of it."""
    for path in paths[:-1]:
        rows = rows_in(path)
        if rows is None:  # only reading it would tell
            return f"{paths[0].parent}, row {row + 1}"
        if row < rows:
            break
        row -= rows
    else:
        path = paths[-1]
    return f"{path}, {'line' if extension(path) == 'jsonl' else 'row'} {row + 1}"

"""Files of rows as tables: jsonl, json, csv, tsv, txt, parquet, arrow; one sentence for what fails, with its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.row_files import extension
from stilts_xtreme.data.tables import arrow, text
from stilts_xtreme.data.tables.types import Table

FORMATS: Mapping[str, Callable[[Path], Table]] = {
    "jsonl": text.read_jsonl,
    "json": text.read_json,
    "csv": text.read_csv,
    "tsv": text.read_tsv,
    "parquet": arrow.read_parquet,
    "arrow": arrow.read_arrow,
    "txt": text.read_txt,
}
"""What a file's name ends with -> how it is read."""

_COUNTS: Mapping[str, Callable[[Path], int | None]] = {
    "jsonl": text.count_lines,
    "csv": text.count_csv,
    "tsv": text.count_tsv,
    "txt": text.count_txt,
    "parquet": arrow.count_parquet,
    "arrow": arrow.count_arrow,
}


def is_table(path: Path) -> bool:
    """Whether a file's name ends as those of tables do."""
    return extension(path).lower() in FORMATS


def check_format(path: Path) -> None:
    """Refuses a file of another format.

    Raises:
        StiltsError: Its name ends in none of :data:`FORMATS`.
    """
    if not is_table(path):
        raise StiltsError(
            f"{path} is of no known format: its name must end in one of .{', .'.join(FORMATS)} (those of text also "
            "with .gz), or be a folder written by datasets.save_to_disk."
        )


def read(
    path: Path, wanted: Sequence[str] | None = None, limit: int | None = None, between: str | None = None
) -> Table:
    """The rows of a file.

    Args:
        path: A file of one of :data:`FORMATS`.
        wanted: The columns that are needed; None: all. More may be read.
        limit: How many rows are needed; more may be read.
        between: What stands between the fields of a csv or tsv file, where that is not what its name says.

    Raises:
        StiltsError: The file cannot be read or is of no known format; names file, line, cause and remedy.
    """
    check_format(path)
    suffix = extension(path).lower()
    if suffix == "parquet":
        return arrow.read_parquet(path, wanted, limit)
    if suffix == "arrow":
        return arrow.read_arrow(path, wanted, limit)
    if suffix in ("csv", "tsv") and between is not None:
        return text.read_separated(path, between)
    return FORMATS[suffix](path)


def count(path: Path) -> int | None:
    """Rows of a file, as far as they can be counted without reading values.

    Raises:
        StiltsError: As :func:`read`.
    """
    check_format(path)
    suffix = extension(path).lower()
    return _COUNTS[suffix](path) if suffix in _COUNTS else len(read(path))

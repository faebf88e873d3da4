"""Files of rows read as tables: one door for each format, and one sentence with file, line and cause for what fails."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.local import saved
from stilts_xtreme.data.local.types import Table, feature_of
from stilts_xtreme.data.readers.base import Type
from stilts_xtreme.data.row_files import extension, first_line
from stilts_xtreme.tasks.question_answering.squad import read_squad


def read(path: Path, split: str) -> Table:
    """The rows of a file, or of a folder that ``datasets`` has saved.

    Args:
        path: A file of one of :data:`FORMATS`, or a folder.
        split: The split to take of a folder that has several.

    Raises:
        StiltsError: The file cannot be read or is of no known format; names file, line, cause and remedy.
    """
    return saved.read(path, split) if path.is_dir() else reader_for(path)(path)


def reader_for(path: Path) -> Callable[[Path], Table]:
    """The reader of a file's format, which its name ends with.

    Raises:
        StiltsError: The format is none of those that are known.
    """
    found = FORMATS.get(extension(path).lower())
    if found is None:
        raise StiltsError(
            f"{path} is of no known format: its name must end in one of .{', .'.join(FORMATS)} (jsonl, json, csv and "
            "tsv also with .gz), or be a folder written by datasets.save_to_disk."
        )
    return found


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, unpacked, without a byte-order mark.

    Raises:
        StiltsError: The file is empty, packed wrongly, in another encoding, or only a pointer to a file.
    """
    data = _bytes_of(path)
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise StiltsError(f"{path} is no whole gzip file ({first_line(error)}); bring it again.") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise StiltsError(f"{path} is in UTF-16; save it in UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise StiltsError(f"{path} line {line}: not UTF-8 (byte 0x{byte:02x}); save the file in UTF-8.") from error
    if not text.strip():
        raise StiltsError(f"{path} is empty; bring a file with rows.")
    return text


def _bytes_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StiltsError(f"{path} cannot be read ({error.strerror or error}).") from error
    if data.startswith(b"version https://git-lfs"):
        raise StiltsError(f"{path} is only Git LFS's pointer to the file; bring the file with 'git lfs pull'.")
    return data


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of all lines that are not empty; only a line feed ends one, as in JSON and CoNLL."""
    for n, line in enumerate(text_of(path).split("\n"), 1):
        if line.strip():
            yield n, line.rstrip("\r")


def _jsonl(path: Path) -> Table:
    rows, numbers = [], []
    for n, line in lines_of(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise StiltsError(f"{path} line {n}: not JSON ({first_line(error)}); mend the line.") from error
        if not isinstance(row, dict):
            raise StiltsError(f'{path} line {n}: a {_name(row)}, and a row is an object, as in {{"text": "..."}}.')
        if "\\ud" in line.lower():
            _refuse_halves(row, f"{path} line {n}")
        rows.append(row)
        numbers.append(n)
    return _of_rows(rows, lambda at: f"{path} line {numbers[at]}")


def _json(path: Path) -> Table:
    text = text_of(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return _jsonl(path)  # an object a line, whatever the file's name
        raise StiltsError(f"{path}: not JSON ({first_line(error)}); mend the file.") from error
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        return _squad(path)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise StiltsError(f'{path} holds a {_name(found)}, and rows are a list of objects, as in [{{"text": "..."}}].')
    halves = "\\ud" in text.lower()
    for at, row in enumerate(found):
        if not isinstance(row, dict):
            raise StiltsError(f'{path} row {at + 1}: a {_name(row)}, and a row is an object, as in {{"text": "..."}}.')
        if halves:
            _refuse_halves(row, f"{path} row {at + 1}")
    return _of_rows(found, lambda at: f"{path} row {at + 1}")


def _refuse_halves(row: object, where: str) -> None:
    """Refuses half of a character of two escapes, which no tokenizer and no file takes."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise StiltsError(f"{where}: half a character (a lone surrogate such as \\ud800); mend the text.") from None


def _squad(path: Path) -> Table:
    columns = read_squad(path)
    features = {name: Type() for name in columns}
    lists: dict[str, object] = {"answer_texts": [Type()], "answer_starts": [Type("int64")]}
    return Table(columns, {**features, **lists}, lambda at: f"{path} question {columns['id'][at]!r}")


def _name(value: object) -> str:
    return {list: "list", str: "text", type(None): "null"}.get(type(value), "number")


def _of_rows(rows: list[dict[str, Any]], at: Callable[[int], str]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return Table(columns, {name: feature_of(name, values, at) for name, values in columns.items()}, at)


def _csv(path: Path) -> Table:
    columns, numbers = _separated(path)
    return Table(columns, dict.fromkeys(columns, Type()), lambda at: f"{path} line {numbers[at]}", text=True)


def _separated(path: Path) -> tuple[Columns, list[int]]:
    """Columns and the lines that rows begin in. A tsv has no quotes: a quote mark in it is text."""
    tabs = extension(path).lower() == "tsv"
    rows = _records(path, tabs)
    _, header = next(rows)
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise StiltsError(f"{path} line 1: the column '{twice}' occurs more than once; give each a name of its own.")
    columns: Columns = {name: [] for name in header}
    numbers = []
    for n, fields in rows:
        if len(fields) != len(header):
            between = "tabs" if tabs else "commas"
            raise StiltsError(
                f"{path} line {n}: {len(fields)} fields with {between} between them, and line 1 names {len(header)} "
                f"columns ({', '.join(header)}); mend the line."
            )
        numbers.append(n)
        for values, field in zip(columns.values(), fields, strict=True):
            values.append(field)
    return columns, numbers


def _records(path: Path, tabs: bool) -> Iterator[tuple[int, list[str]]]:
    """The line that a record begins in, and its fields; words such as None, null, NA are text as all others."""
    if tabs:
        for n, line in lines_of(path):
            yield n, line.split("\t")
        return
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    n = 1
    try:
        for fields in reader:
            if fields:
                yield n, fields
            n = reader.line_num + 1
    except csv.Error as error:
        raise StiltsError(f"{path} line {n}: not csv ({error}); mend the line's quotes.") from error


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features

    _check_parquet(path)
    try:
        table = pq.read_table(path)
        for at, field in enumerate(table.schema):
            if pa.types.is_dictionary(field.type):  # categories of pandas
                table = table.set_column(at, field.name, table[field.name].cast(field.type.value_type))
        features = dict(Features.from_arrow_schema(table.schema))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StiltsError(f"{path} cannot be read as parquet ({first_line(error)}); bring it again.") from error
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return Table(columns, features, lambda at: f"{path} row {at + 1}")


def _check_parquet(path: Path) -> None:
    with path.open("rb") as file:
        begin = file.read(64)
    if begin.startswith(b"version https://git-lfs"):
        _bytes_of(path)
    if not begin:
        raise StiltsError(f"{path} is empty; bring a file with rows.")


def count(path: Path, split: str) -> int | None:
    """Rows of a file, as far as they can be counted without reading values.

    Raises:
        StiltsError: As :func:`read`.
    """
    if path.is_dir():
        return saved.count(path, split)
    reader_for(path)
    suffix = extension(path).lower()
    if suffix == "jsonl":
        return sum(1 for _ in lines_of(path))
    if suffix in ("csv", "tsv"):
        return sum(1 for _ in _records(path, suffix == "tsv")) - 1
    if suffix == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        _check_parquet(path)
        try:
            return pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError) as error:
            raise StiltsError(f"{path} cannot be read as parquet ({first_line(error)}); bring it again.") from error
    return len(_json(path))


FORMATS: Mapping[str, Callable[[Path], Table]] = {
    "jsonl": _jsonl,
    "json": _json,
    "csv": _csv,
    "tsv": _csv,
    "parquet": _parquet,
}
"""What a file's name ends with -> how it is read."""

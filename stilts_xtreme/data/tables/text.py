"""Tables in files of text: jsonl, json, csv, tsv, txt. A text is what the file has, whatever it looks like."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.readers.raw import Type
from stilts_xtreme.data.row_files import json_in, lines_of, text_of
from stilts_xtreme.data.tables.types import Table, feature_of
from stilts_xtreme.tasks.question_answering.squad import rows_of_squad

_TAB, _COMMA = "\t", ","


def read_jsonl(path: Path) -> Table:
    """An object a line."""
    rows, numbers = [], []
    for n, line in lines_of(path):
        row = json_in(line, f"{path} line {n}")
        if not isinstance(row, dict):
            raise StiltsError(f'{path} line {n}: a {_name(row)}, and a row is an object, as in {{"text": "..."}}.')
        rows.append(row)
        numbers.append(n)
    return _of_rows(rows, lambda at: f"{path} line {numbers[at]}")


def read_json(path: Path) -> Table:
    """A list of objects, an object with the rows under ``data``, or SQuAD's form."""
    text = text_of(path)
    try:
        found = json_in(text, str(path))
    except StiltsError:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return read_jsonl(path)  # an object a line, whatever the file's name
        raise
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        if not found["data"] or _has(found["data"][0], "paragraphs"):
            return _squad(path, text)
        found = found["data"]
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise StiltsError(f'{path} holds a {_name(found)}, and rows are a list of objects, as in [{{"text": "..."}}].')
    for at, row in enumerate(found):
        if not isinstance(row, dict):
            raise StiltsError(f'{path} row {at + 1}: a {_name(row)}, and a row is an object, as in {{"text": "..."}}.')
    return _of_rows(found, lambda at: f"{path} row {at + 1}")


def _has(value: object, key: str) -> bool:
    return isinstance(value, dict) and key in value


def _squad(path: Path, text: str) -> Table:
    """The columns that copies on the hub have, and the canonical ones of question answering."""
    columns = rows_of_squad(path, text)
    texts, starts = columns["answer_texts"], columns["answer_starts"]
    columns["answers"] = [{"text": one, "answer_start": two} for one, two in zip(texts, starts, strict=True)]
    lists: dict[str, object] = {"answer_texts": [Type()], "answer_starts": [Type("int64")]}
    lists["answers"] = {"text": lists["answer_texts"], "answer_start": lists["answer_starts"]}
    features = {name: lists.get(name, Type()) for name in columns}
    return Table(columns, features, lambda at: f"{path} question {columns['id'][at]!r}")


def _name(value: object) -> str:
    return {list: "list", str: "text", type(None): "null"}.get(type(value), "number")


def _of_rows(rows: list[dict[str, Any]], at: Callable[[int], str]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    features = {name: feature_of(values) for name, values in columns.items()}
    return Table(columns, features, at, rows=len(rows))


def read_txt(path: Path) -> Table:
    """A text a line, in the column ``text``; lines without text are rows, too, as ``datasets`` has it."""
    rows = list(lines_of(path, blank=True))
    return Table({"text": [line for _, line in rows]}, {"text": Type()}, lambda at: f"{path} line {rows[at][0]}")


def read_csv(path: Path) -> Table:
    """Commas between fields, and quotes around those with commas, quotes or line feeds in them."""
    return read_separated(path, _COMMA)


def read_tsv(path: Path) -> Table:
    """Tabs between fields. A tsv has no quotes: a quote mark in it is text."""
    return _fielded(path, lambda: _tabbed(path), _TAB)


def read_separated(path: Path, between: str) -> Table:
    """As csv, with something else between fields."""
    return _fielded(path, lambda: _records(path, between), between)


def _fielded(path: Path, records: Callable[[], Iterator[tuple[int, list[str]]]], between: str) -> Table:
    """Columns of text alone; words such as None, null, NA, 007, 1e5 are text as all others."""
    word = _word(between)
    rows = records()
    _, header = next(rows)
    _refuse_header(path, header, between)
    columns: Columns = {name: [] for name in header}
    numbers = []
    for n, fields in rows:
        if len(fields) != len(header):
            raise StiltsError(
                f"{path} line {n}: {len(fields)} fields with {word} between them, and line 1 names {len(header)} "
                f"columns ({', '.join(header)}); mend the line."
            )
        numbers.append(n)
        for values, field in zip(columns.values(), fields, strict=True):
            values.append(field)
    return Table(
        columns,
        dict.fromkeys(columns, Type()),
        lambda at: f"{path} line {numbers[at] if at < len(numbers) else 1}",
        text=True,
    )


def _word(mark: str) -> str:
    return {_TAB: "tabs", _COMMA: "commas"}.get(mark, repr(mark))


def _refuse_header(path: Path, header: list[str], between: str) -> None:
    """Refuses names of columns that are not apart."""
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise StiltsError(f"{path} line 1: the column '{twice}' occurs more than once; give each a name of its own.")
    other = next((mark for mark in (";", _TAB, _COMMA, "|") if mark != between and mark in header[0]), None)
    if len(header) == 1 and other is not None:
        word = _word(between)
        raise StiltsError(
            f"{path} line 1: {_word(other)} between the names of columns, where {word} are needed; save the file with "
            f"{word}."
        )


def _tabbed(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of a line and its fields."""
    for n, line in lines_of(path):
        yield n, line.split(_TAB)


def _records(path: Path, between: str) -> Iterator[tuple[int, list[str]]]:
    """The line that a record begins in, and its fields."""
    if len(between) != 1:
        raise StiltsError(f"{path}: {between!r} cannot stand between fields; one character can.")
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True, delimiter=between)
    n = 1
    try:
        for fields in reader:
            if fields:
                yield n, fields
            n = reader.line_num + 1
    except csv.Error as error:
        raise StiltsError(f"{path} line {n}: not csv ({error}); mend the line's quotes.") from error


def count_lines(path: Path) -> int:
    """Lines with text."""
    return sum(1 for _ in lines_of(path))


def count_txt(path: Path) -> int:
    """All lines."""
    return sum(1 for _ in lines_of(path, blank=True))


def count_csv(path: Path) -> int:
    """Records without the header."""
    return _rows(path, _records(path, _COMMA), _COMMA)


def count_tsv(path: Path) -> int:
    """Lines without the header."""
    return _rows(path, _tabbed(path), _TAB)


def _rows(path: Path, records: Iterator[tuple[int, list[str]]], between: str) -> int:
    """How many records are below the header; a wrong header is told first, as it makes what is below look damaged."""
    _refuse_header(path, next(records)[1], between)
    return sum(1 for _ in records)

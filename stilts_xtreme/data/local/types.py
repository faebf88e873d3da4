"""Tables of rows, and the types of their columns where files do not name them: each value is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.readers.base import Type, kind

_NULL = Type("null")


@dataclass(frozen=True)
class Table:
    """Rows as a file holds them.

    Attributes:
        columns: Column -> values.
        features: Column -> its type.
        at: Where a row is, in words.
        text: Whether the file knows no types, so that lists are written as text.
    """

    columns: Columns
    features: Mapping[str, object]
    at: Callable[[int], str]
    text: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


class _Mixed(Exception):
    """Two values have types that do not go together."""


def feature_of(name: str, values: Sequence[object], at: Callable[[int], str]) -> object:
    """The type of a column: :class:`Type`, a list of one for lists, a mapping for objects.

    Args:
        name: The column.
        values: Its values; None is of every type.
        at: Where a row is, in words.

    Raises:
        StiltsError: A row's type is another than that of the rows before.
    """
    found: object = _NULL
    for row, value in enumerate(values):
        own = _type(value)
        try:
            found = _merged(found, own)
        except _Mixed:
            raise StiltsError(
                f"{at(row)}: the column '{name}' holds {_words(own)}, and the rows before it hold {_words(found)}; "
                "give all rows one type."
            ) from None
    return found


def _words(feature: object) -> str:
    return kind(feature).replace("float64", "number").replace("struct", "object")


def _type(value: object) -> object:
    if value is None:
        return _NULL
    if isinstance(value, str):
        return Type()
    if isinstance(value, bool):
        return Type("bool")
    if isinstance(value, int):
        return Type("int64")
    if isinstance(value, list):
        inner: object = _NULL
        for element in value:
            try:
                inner = _merged(inner, _type(element))
            except _Mixed:
                inner = Type("mixed values")
                break
        return [inner]
    return {key: _type(part) for key, part in value.items()} if isinstance(value, dict) else Type("float64")


def _merged(one: object, other: object) -> object:
    if one == other or other == _NULL:
        return one
    if one == _NULL:
        return other
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: _merged(one.get(key, _NULL), other.get(key, _NULL)) for key in {**one, **other}}
    if {getattr(feature, "dtype", "") for feature in (one, other)} == {"int64", "float64"}:
        return Type("float64")
    raise _Mixed


def with_lists(table: Table, names: Iterable[str]) -> Table:
    """A table of a file without types, with its lists, which are written as JSON, read.

    Args:
        table: The rows.
        names: The columns that hold lists; those that the table lacks are passed over.

    Raises:
        StiltsError: A cell holds no list.
    """
    if not table.text:
        return table
    columns, features = dict(table.columns), dict(table.features)
    for name in names:
        if name in columns:
            columns[name] = [_list(cell, name, table, row) for row, cell in enumerate(columns[name])]
            features[name] = feature_of(name, columns[name], table.at)
    return replace(table, columns=columns, features=features, text=False)


def _list(cell: str, name: str, table: Table, row: int) -> list:
    if not cell.strip():
        return []
    try:
        value = json.loads(cell)
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise StiltsError(
            f'{table.at(row)}: the column \'{name}\' must hold lists, which csv and tsv write as ["a", "b"]; found '
            f"'{cell[:40]}'. Write it so, or take jsonl."
        )
    return value

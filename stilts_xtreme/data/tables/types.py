"""Tables of rows, and the types of their columns where files do not name them: each value is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.readers.raw import Type, kind, lacks

_NULL = Type("null")


@dataclass(frozen=True)
class Table:
    """Rows as a file holds them.

    Attributes:
        columns: Column -> values.
        features: Column -> its type.
        at: Where a row is, in words.
        text: Whether the file knows no types, so that lists are written as text.
        rows: The number of rows, where no column may tell it.
    """

    columns: Columns
    features: Mapping[str, object]
    at: Callable[[int], str]
    text: bool = False
    rows: int | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), [])) if self.rows is None else self.rows

    def taken(self, rows: Sequence[int]) -> Table:
        """Some of the rows."""
        if len(rows) == len(self):
            return self
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, at=lambda at: self.at(rows[at]), rows=len(rows))


def feature_of(values: Iterable[object]) -> object:
    """The type of a column: :class:`Type`, a list of one for lists, a mapping for objects.

    It is the type of most values and, within lists and objects, of most of what these hold. What becomes of a value of
    another type its reader says.

    Args:
        values: Its values; None is of every type.
    """
    groups: dict[type, list[Any]] = {}
    for value in values:
        if value is not None:
            groups.setdefault(type(value), []).append(value)
    if not groups:
        return _NULL
    most = max(groups, key=lambda own: len(groups[own]))
    if most is list:
        return [feature_of(element for value in groups[list] for element in value)]
    if most is dict:
        keys = dict.fromkeys(key for value in groups[dict] for key in value)
        return {key: feature_of(value.get(key) for value in groups[dict]) for key in keys}
    return Type({str: "string", bool: "bool", int: "int64"}.get(most, "float64"))


def joined(parts: Sequence[Table], limit: int | None = None) -> Table:
    """Some tables below one another, at most so many of their rows.

    Raises:
        StiltsError: One lacks a column that another has, or names labels in another way.
    """
    first, origin = parts[0], [(part, row) for part in parts for row in range(len(part))][:limit]
    for part in parts[1:]:
        for name in [*first.columns, *part.columns]:
            if name not in first.columns or name not in part.columns:
                short = part if name in first.columns else first
                raise lacks(short.at(0), "column", name, list(short.columns))
            names = [_label_names(own.features[name]) for own in (first, part)]
            if names[0] != names[1]:
                raise StiltsError(
                    f"{part.at(0)}: the column '{name}' has the label names {names[1]}, and {first.at(0)} has "
                    f"{names[0]}; bring the files of one release."
                )
    if len(parts) == 1 and len(origin) == len(first):
        return first
    columns = {name: [part.columns[name][row] for part, row in origin] for name in first.columns}
    features = dict(first.features)
    for name in columns:  # a file without a value in a column knows no type of it
        types = [part.features[name] for part in parts if not kind(part.features[name]).endswith("null")]
        features[name] = types[0] if types else first.features[name]
    return Table(columns, features, lambda at: origin[at][0].at(origin[at][1]), first.text, len(origin))


def _label_names(feature: object) -> object:
    """The label names that a type has; None where it has none."""
    feature = getattr(feature, "feature", feature)
    return getattr(feature, "names", None)


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
            features[name] = feature_of(columns[name])
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

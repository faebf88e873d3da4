"""Rows as a source holds them, and the values of their columns by type: what has another type is a wrong row."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.tasks.rows import WRONG

WORDS = "list of string"
KINDS: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "string", "integer"),
    "tags": ("list of label", "list of string", "list of integer"),
    "tokens": (WORDS,),
    "choices": (WORDS, "string"),
    "answer_texts": (WORDS,),
    "answer_starts": ("list of integer",),
    "id": ("string", "integer"),
}  # every other canonical column is a string
_VALUES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "label": (int, str),
    **dict.fromkeys(("float32", "float64"), (float, int)),
}


@dataclass(frozen=True)
class Type:
    """The type of a column in words, where no library describes it."""

    dtype: str = "string"


@dataclass(frozen=True)
class Raw:
    """Rows as the source holds them.

    Attributes:
        columns: Raw column -> values.
        features: Raw column -> the source's type of it, as the library ``datasets`` describes it.
        ids: One text per row that names it where the source has no ids.
        where: How an error names the source.
        at: Where a row is, in words: its file and line.
        wrong: Row -> what is wrong with a value of it, as far as its columns have been looked at.
    """

    columns: Columns
    features: Mapping[str, object]
    ids: Sequence[str]
    where: str
    at: Callable[[int], str] = lambda row: f"row {row + 1}"
    wrong: dict[int, str] = field(default_factory=dict)


def lacks(
    where: str, what: str, wanted: str, there: Sequence[str], error: type[StiltsError] = StiltsError
) -> StiltsError:
    """Builds the error for something that a source should hold, naming what is there and the nearest match."""
    near = difflib.get_close_matches(wanted, there, n=1, cutoff=0.5)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    shown = ", ".join(list(there)[:60]) + (", ..." if len(there) > 60 else "")
    return error(f"{where} has no {what} '{wanted}'{hint}; it holds: {shown or 'nothing'}.")


def joined(parts: Iterable[Columns]) -> Columns:
    """Canonical columns of several parts below one another; only some may have the column of wrong values."""
    out: Columns = {}
    rows = 0
    for part in parts:
        own = len(next(iter(part.values()), []))
        for name, values in part.items():
            before = [None] * rows if name == WRONG else []
            out.setdefault(name, before).extend(values)
        if WRONG in out and WRONG not in part:
            out[WRONG].extend([None] * own)
        rows += own
    return out


def raw_columns(spec: DatasetSpec, there: Sequence[str]) -> list[str]:
    """The raw columns that the spec needs, each once; a dotted name stands for a field of a struct column."""
    wanted = [part.strip() for names in spec.columns.values() for part in names.split(",")]
    return list(dict.fromkeys(name if name in there else name.split(".")[0] for name in wanted))


def names_of_rows(values: Sequence[object], raw: Raw) -> list[str]:
    """Ids as text; a row without one is known by its place."""
    return [own if value is None or value == "" else str(value) for value, own in zip(values, raw.ids, strict=True)]


def told(columns: Columns, raw: Raw) -> Columns:
    """Canonical columns with what is wrong with single rows, if something is."""
    if not raw.wrong:
        return columns
    return {**columns, WRONG: [raw.wrong.get(at) for at in range(len(raw.ids))]}


def kind(feature: object) -> str:
    """The type of a column in words: ``string``, ``integer``, ``label``, ``list of string``, ``struct`` ..."""
    if isinstance(feature, Mapping):
        return "struct"
    if isinstance(feature, list | tuple):
        return f"list of {kind(feature[0])}"
    name = type(feature).__name__
    if name == "ClassLabel":
        return "label"
    if hasattr(feature, "feature"):  # List, LargeList and the older Sequence
        return f"list of {kind(feature.feature)}"
    dtype = str(getattr(feature, "dtype", name))
    if dtype in ("string", "large_string", "string_view"):
        return "string"
    return "integer" if dtype.startswith(("int", "uint")) else dtype


def inner_of(feature: object) -> object:
    """The type of what a list holds; None where a column has no value that tells."""
    return feature[0] if isinstance(feature, list | tuple) else getattr(feature, "feature", None)


def _dig(raw: Raw, source: str) -> tuple[list, object]:
    """The values and the feature of a column, or of a field of a struct column (or of a list of structs)."""
    if source in raw.columns:
        return raw.columns[source], raw.features[source]
    column, _, key = source.partition(".")
    if column not in raw.columns:
        raise lacks(raw.where, "column", column, list(raw.features))
    values, feature = raw.columns[column], raw.features[column]
    if key and kind(feature) == "null":
        return values, Type("null")
    fields: Mapping | None = feature if isinstance(feature, Mapping) else None
    if fields is None and kind(feature) == "list of struct":
        fields = inner_of(feature)  # type: ignore[assignment]
    if not key or fields is None:
        expected = f"a struct with '{key}'" if key else "a column"
        raise StiltsError(f"{raw.where}: the column '{column}' holds {kind(feature)}; expected {expected}.")
    if key not in fields:
        raise lacks(f"{raw.where}, column '{column}'", "field", key, list(fields))
    if fields is feature:
        return [row.get(key) if isinstance(row, Mapping) else row for row in values], fields[key]
    return [
        [item.get(key) if isinstance(item, Mapping) else item for item in row] if isinstance(row, list) else row
        for row in values
    ], [fields[key]]


def column(raw: Raw, source: str, kinds: Sequence[str]) -> list:
    """The values of a raw column, which must hold one of some kinds (:func:`kind`).

    A value of another type is replaced by None or an empty list, and ``raw.wrong`` has its row.

    Raises:
        StiltsError: There is no such column, or it holds something else.
    """
    return typed(raw, source, kinds)[0]


def typed(raw: Raw, source: str, kinds: Sequence[str], null: bool = False) -> tuple[list, object]:
    """As :func:`column`, with the column's type; ``null`` says whether elements of a list may be None."""
    values, feature = _dig(raw, source)
    _expect(raw, source, feature, kinds)
    depth = kinds[0].count("list of ")
    types = tuple({part for name in kinds for part in _VALUES[name.rpartition(" ")[2]]})
    empty: list | None = [] if depth else None
    out = []
    for at, value in enumerate(values):
        problem = None if value is None else _problem(value, depth, types, null)
        if problem is not None:
            raw.wrong.setdefault(at, f"{source} {problem}")
        out.append((list(value) if depth else value) if value is not None and problem is None else empty)
    return out, feature


def _problem(value: object, depth: int, types: tuple[type, ...], null: bool) -> str | None:
    """What is wrong with a value that must be of some types, in lists so many deep."""
    if not depth:
        return None if isinstance(value, types) and not isinstance(value, bool) else f"is {_word(value)}"
    if not isinstance(value, list):
        return f"is {_word(value)}"
    for element in value:
        if depth > 1:
            inner = _problem(element, depth - 1, types, null)
            if inner is not None:
                return f"has {inner.partition(' ')[2]}"
        elif not (isinstance(element, types) and not isinstance(element, bool)) and not (null and element is None):
            return f"has {_word(element)}"
    return None


def _word(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", str: "text", list: "a list", dict: "an object", float: "a number", int: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")


def _expect(raw: Raw, source: str, feature: object, kinds: Sequence[str]) -> None:
    found = kind(feature)
    if found not in kinds and not found.endswith("null"):  # null: the file has no value to tell a type by
        wanted = " or ".join(kinds)
        raise StiltsError(
            f"{raw.where}: the column '{source}' holds {found}; expected {wanted}; mend it, or name another column."
        )

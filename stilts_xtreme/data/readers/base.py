"""What a reader is: it finds the rows of a data set and makes its columns canonical.

Labels are mapped by name, never by position.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.row_files import rows_in
from stilts_xtreme.tasks import row_format_of

WORDS = "list of string"
_KINDS: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "string", "integer"),
    "tags": ("list of label", "list of string", "list of integer"),
    "tokens": (WORDS,),
    "choices": (WORDS, "string"),
    "answer_texts": (WORDS,),
    "answer_starts": ("list of integer",),
    "id": ("string", "integer"),
}  # every other canonical column is a string


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
    """

    columns: Columns
    features: Mapping[str, object]
    ids: Sequence[str]
    where: str
    at: Callable[[int], str] = lambda row: f"row {row + 1}"


def lacks(where: str, what: str, wanted: str, there: Sequence[str]) -> StiltsError:
    """Builds the error for something that a source should hold, naming what is there and the nearest match."""
    near = difflib.get_close_matches(wanted, there, n=1, cutoff=0.5)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    shown = ", ".join(list(there)[:60]) + (", ..." if len(there) > 60 else "")
    return StiltsError(f"{where} has no {what} '{wanted}'{hint}; it holds: {shown or 'nothing'}.")


def raw_columns(spec: DatasetSpec, there: Sequence[str]) -> list[str]:
    """The raw columns that the spec needs, each once; a dotted name stands for a field of a struct column."""
    wanted = [part.strip() for names in spec.columns.values() for part in names.split(",")]
    return list(dict.fromkeys(name if name in there else name.split(".")[0] for name in wanted))


class Reader:
    """Rows whose columns ``spec.columns`` maps to canonical ones, in the data set's repository.

    Others say what is different: they have files of the user's own below ``FOLDER/local`` that come before the
    repository, take another share of the rows, or make the columns in another way.

    Attributes:
        local: Whether rows are in the user's own files alone, in no repository.
        as_declared: Whether there are as many rows as ``counts`` of the spec says.
        translatable: Whether rows in other languages can take the place of the English ones.
        labels_in_files: Whether only the files tell which labels there are.
    """

    local = False
    as_declared = True
    translatable = True
    labels_in_files = False

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """The user's own files of a raw split in a language, which the rows are then read from.

        Args:
            spec: The data set.
            raw_split: One of its raw splits, without a slice.
            language: One of its languages.
            root: The folder with the folder ``local``, or None.

        Returns:
            The files; none where the rows are those of the repository.

        Raises:
            StiltsError: The rows are nowhere else, and are missing.
        """
        return []

    def missing(self, spec: DatasetSpec, root: str | Path | None) -> StiltsError:
        """The refusal of a data set that has neither own files nor a repository."""
        if root is None:
            return StiltsError(f"{spec.name} has no hub id: its rows are only read from data.root=FOLDER.")
        return StiltsError(f"{spec.name} has no hub id, so there is nothing to read.")

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int | None:
        """Rows of a language in some files, own ones or the repository's; None where only reading them tells."""
        counts = [rows_in(path) for path in paths]
        return None if None in counts else sum(counts)  # type: ignore[arg-type]

    def raw(self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str) -> Raw | None:
        """The raw rows of the user's own files; None where :meth:`read` makes canonical ones without this step."""
        return None

    def read(
        self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str, labels: Sequence[str] | None
    ) -> Columns:
        """The canonical rows of the user's own files.

        Raises:
            StiltsError: They are not in the reader's form; names file and line.
        """
        raw = self.raw(spec, paths, raw_split, language)
        assert raw is not None
        return self.columns(raw, spec, labels)

    def kept(self, spec: DatasetSpec, language: str, table: Any, where: str) -> Sequence[int]:
        """Which rows of a table of the repository (a ``datasets.Dataset``) are those of a language."""
        return range(len(table))

    def labels(self, spec: DatasetSpec, root: str | Path | None) -> tuple[str, ...]:
        """Label names in canonical order."""
        return spec.labels

    def columns(self, raw: Raw, spec: DatasetSpec, labels: Sequence[str] | None) -> Columns:
        """Makes the canonical columns of ``spec.format``.

        Args:
            raw: Rows of one split, of one language.
            spec: The data set.
            labels: Label names in canonical order; None leaves every row without labels.

        Returns:
            Canonical columns; -1 where a row has no label.

        Raises:
            StiltsError: If a column is missing or has another type than expected, or a label is not known.
        """
        n = len(raw.ids)
        out: Columns = {}
        rows = row_format_of(spec.format)
        kinds = {**_KINDS, **rows.kinds}
        for name in rows.columns:
            source = spec.columns.get(name)
            if name in ("label", "tags"):
                out[name] = _no_labels(out, name, n) if labels is None else self.label(raw, source, spec, labels)
            elif name == "gold":
                out[name] = _right(raw, source, out)
            elif source is None:
                out[name] = list(raw.ids) if name == "id" else [""] * n
            elif name == "choices":
                out[name] = self.choices(raw, source)
            else:
                out[name] = column(raw, source, kinds.get(name, ("string",)))
        if "id" in out:
            # a row without an id is known by its place
            out["id"] = [own if value is None else str(value) for value, own in zip(out["id"], raw.ids, strict=True)]
        for name in ("text", "text_a", "text_b", "context", "question", "query"):
            if name in out:
                out[name] = [value or "" for value in out[name]]
        return out

    def label(self, raw: Raw, source: str | None, spec: DatasetSpec, labels: Sequence[str]) -> list:
        """Positions of the rows' labels, or lists of them where every token has one."""
        return named_labels(raw, source, spec, labels)

    def choices(self, raw: Raw, source: str) -> list[list[str]]:
        """The choices of each row: one column that holds lists, or several names with commas between them."""
        names = [name.strip() for name in source.split(",")]
        if len(names) == 1:
            return column(raw, source, (WORDS,))
        columns = [column(raw, name, ("string",)) for name in names]
        return [[choice or "" for choice in row] for row in zip(*columns, strict=True)]


READERS: Mapping[str, Reader] = {"columns": Reader()}


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


def _inner(feature: object) -> object:
    return feature[0] if isinstance(feature, list | tuple) else feature.feature  # type: ignore[attr-defined]


def _dig(raw: Raw, source: str) -> tuple[list, object]:
    """The values and the feature of a column, or of a field of a struct column (or of a list of structs)."""
    if source in raw.columns:
        return raw.columns[source], raw.features[source]
    column, _, key = source.partition(".")
    if column not in raw.columns:
        raise lacks(raw.where, "column", column, list(raw.features))
    values, feature = raw.columns[column], raw.features[column]
    fields: Mapping | None = feature if isinstance(feature, Mapping) else None
    if fields is None and kind(feature) == "list of struct":
        fields = _inner(feature)  # type: ignore[assignment]
    if not key or fields is None:
        expected = f"a struct with '{key}'" if key else "a column"
        raise StiltsError(f"{raw.where}: the column '{column}' holds {kind(feature)}; expected {expected}.")
    if key not in fields:
        raise lacks(f"{raw.where}, column '{column}'", "field", key, list(fields))
    if fields is feature:
        return [row[key] if row else [] for row in values], fields[key]
    return [[item[key] if item else None for item in row or []] for row in values], [fields[key]]


def column(raw: Raw, source: str, kinds: Sequence[str]) -> list:
    """The values of a raw column, which must hold one of some kinds (:func:`kind`).

    Raises:
        StiltsError: There is no such column, or it holds something else.
    """
    values, feature = _dig(raw, source)
    _expect(raw, source, feature, kinds)
    if kinds[0].startswith("list"):
        return [list(value) if value is not None else [] for value in values]
    return values


def _expect(raw: Raw, source: str, feature: object, kinds: Sequence[str]) -> None:
    found = kind(feature)
    if found not in kinds and not found.endswith("null"):  # null: the file has no value to tell a type by
        wanted = " or ".join(kinds)
        raise StiltsError(f"{raw.where}: the column '{source}' holds {found}; expected {wanted}.")


def _no_labels(out: Columns, name: str, n: int) -> list:
    return [-1] * n if name == "label" else [[-1] * len(tokens) for tokens in out["tokens"]]


def named_labels(raw: Raw, source: str | None, spec: DatasetSpec, labels: Sequence[str]) -> list:
    """Canonical positions of labels or tags, by the names that the source or ``label_values`` gives them."""
    if source is None:
        return [-1] * len(raw.ids)
    name = "tags" if "tags" in row_format_of(spec.format).columns else "label"
    values, feature = _dig(raw, source)
    _expect(raw, source, feature, _KINDS[name])
    names = getattr(_inner(feature) if name == "tags" else feature, "names", None)
    position = _positions(raw, source, spec, labels, names)
    if name == "tags":
        return [[position(tag, at) for tag in row or []] for at, row in enumerate(values)]
    return [position(value, at) for at, value in enumerate(values)]


def _positions(
    raw: Raw, source: str, spec: DatasetSpec, labels: Sequence[str], names: Sequence[str] | None
) -> Callable[[object, int], int | None]:
    """Raw value and its row -> canonical position, by the name that the source or ``label_values`` gives the value."""
    known: dict[object, int | None] = {None: None, -1: -1, "": -1, "-1": -1}
    canonical = {name: i for i, name in enumerate(labels)}

    def position(value: object, row: int) -> int | None:
        if value not in known:
            if names is not None and isinstance(value, int):
                if not 0 <= value < len(names):  # means nothing in the source: kept out of range for the checks
                    known[value] = value if value < 0 else len(labels) + value
                    return known[value]
                text = names[value]
            else:
                text = str(value)
            name = spec.label_values.get(text, text)
            if name not in canonical:
                raise unknown_label(raw, row, source, "the list of labels", name, labels, spec)
            known[value] = canonical[name]
        return known[value]

    return position


def unknown_label(
    raw: Raw, row: int, source: str, what: str, name: str, there: Sequence[str], spec: DatasetSpec | None = None
) -> StiltsError:
    """The refusal of a label that is not known, with where the row is and what can be done."""
    known = str(lacks(f"{raw.where}, column '{source}': {what}", "label", name, there)).removesuffix(".")
    other = f", or say what it stands for in dataset.{spec.name}.label_values" if spec else ""
    return StiltsError(f"{known}; mend {raw.at(row)}{other}.")


def _right(raw: Raw, source: str | None, out: Columns) -> list[list[str]]:
    """The ids of the right candidates; where the source has none, equal texts are one candidate."""
    if source is not None:
        return [[str(value)] if value else [] for value in column(raw, source, ("string", "integer"))]
    numbers: dict[str, int] = {}
    return [[str(numbers.setdefault(text, len(numbers)))] if text else [] for text in out["text"]]

"""What a reader is: it finds the rows of a data set and makes its columns canonical.

Labels are mapped by name, never by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.labels import named_labels, no_labels
from stilts_xtreme.data.readers.raw import KINDS, WORDS, Raw, column, kind, names_of_rows, told
from stilts_xtreme.data.row_files import Absent, rows_in
from stilts_xtreme.tasks import row_format_of


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
            return Absent(f"{spec.name} has no hub id: its rows are only read from data.root=FOLDER.")
        return Absent(f"{spec.name} has no hub id, so there is nothing to read.")

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

    def kept(self, spec: DatasetSpec, language: str, columns: Columns, rows: int, where: str) -> Sequence[int]:
        """Which rows of the repository, of which there are some columns, are those of a language."""
        return range(rows)

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
            Canonical columns; -1 where a row has no label. Where values are of a wrong type, one more tells of what is
            wrong with a row.

        Raises:
            StiltsError: If a column is missing or has another type than expected, or a label is not known.
        """
        n = len(raw.ids)
        out: Columns = {}
        rows = row_format_of(spec.format)
        kinds = {**KINDS, **rows.kinds}
        for name in rows.columns:
            source = spec.columns.get(name)
            if name in ("label", "tags"):
                out[name] = no_labels(out, name, n) if labels is None else self.label(raw, source, spec, labels)
            elif name == "gold":
                out[name] = _right(raw, source, out)
            elif source is None:
                out[name] = list(raw.ids) if name == "id" else [""] * n
            elif name == "choices":
                out[name] = self.choices(raw, source)
            else:
                out[name] = column(raw, source, kinds.get(name, ("string",)))
        if "id" in out:
            out["id"] = names_of_rows(out["id"], raw)
        for name in ("text", "text_a", "text_b", "context", "question", "query"):
            if name in out:
                out[name] = [value or "" for value in out[name]]
        return told(out, raw)

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


def _right(raw: Raw, source: str | None, out: Columns) -> list[list[str]]:
    """The ids of the right candidates; where the source has none, equal texts are one candidate."""
    if source is not None:
        lists = kind(raw.features.get(source)).startswith("list")
        values = column(raw, source, (WORDS, "list of integer") if lists else ("string", "integer"))
        own = values if lists else [[] if value is None or value == "" else [value] for value in values]
        return [[str(key) for key in row] for row in own]
    numbers: dict[str, int] = {}
    return [[str(numbers.setdefault(text, len(numbers)))] if text else [] for text in out["text"]]

"""A user's own files as a source of rows."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import SPLITS, Columns, DatasetSpec, DataSpec
from stilts_xtreme.data import tables
from stilts_xtreme.data.checks import refuse_blind
from stilts_xtreme.data.local import found, saved
from stilts_xtreme.data.readers import reader_of
from stilts_xtreme.data.readers.raw import Raw, lacks
from stilts_xtreme.data.row_files import digest, extension, stamp
from stilts_xtreme.data.source import RowSource, corpus_of, dev_share, length, read_split, share_of, texts_of
from stilts_xtreme.data.tables.types import Table, joined, with_lists
from stilts_xtreme.tasks import row_format_of


class LocalSource(RowSource):
    """Rows of the files that ``files`` of the data set names."""

    origin = "its files"

    def __init__(self, spec: DatasetSpec, data: DataSpec):
        super().__init__(spec, data)
        self.reader = reader_of(spec.reader)
        self.caveat = " ".join(spec.notes.split())
        self._columns = dict(spec.columns)
        self._read: dict[tuple[str, str], tuple[list[str], Raw]] = {}

    @property
    def source_language(self) -> str:
        """What the data set says; else English where it has some to train on, or the only language that it has."""
        if self.spec.source_language:
            return self.spec.source_language
        there = [code for code in found.by_language(self.spec, "train") if code is not None]
        if self.spec.language_column and not there:
            there = list(self._by_column("train"))
        there = there or list(self.spec.languages if len(self.spec.languages) == 1 else ())
        if not there or "en" in there:
            return "en"
        if len(there) > 1:
            raise StiltsError(
                f"dataset.{self.spec.name} has training rows in {', '.join(there)}: say with source_language which of "
                "them is trained on."
            )
        return there[0]

    def labels(self) -> tuple[str, ...]:
        """Those of the description.

        Raises:
            StiltsError: It has none, and the rows are labelled.
        """
        if not self.spec.labels and {"label", "tags"} & set(row_format_of(self.spec.format).columns):
            raise StiltsError(
                f"dataset.{self.spec.name} lacks the field 'labels': name them in the order that "
                "their positions mean, as in labels: [positive, negative]."
            )
        return self.spec.labels

    def described(self) -> DatasetSpec:
        """With the columns that its files have been found to have."""
        return replace(super().described(), columns=self._columns)

    def languages(self, split: str) -> tuple[str, ...]:
        """Those that the files are of."""
        places = self._places(read_split(self.spec, split))
        order = [code for code in self.spec.languages if code in places]
        return tuple(order + [code for code in places if code not in order])

    def splits(self) -> tuple[str, ...]:
        """Those that name files."""
        return tuple(split for split in SPLITS if found.has_split(self.spec, split))

    def unchecked(self, split: str, language: str) -> Columns:
        """Reads the rows."""
        refuse_blind(self.spec, split)
        columns = self._canonical(read_split(self.spec, split), language, self.labels())
        columns = dev_share(columns, self.spec, split)
        if not length(columns):
            raise self.empty(split, language)
        return columns

    def places(self, split: str, language: str, ids: Sequence[str], last: bool) -> list[str]:
        """File and line, known since the rows were read."""
        own, raw = self._read.get((read_split(self.spec, split), language), ([], None))
        where: dict[str, str] = {}
        for at, key in enumerate(own):
            if raw is not None and key in ids and (last or key not in where):
                where[key] = raw.at(at)
        return [where[key] for key in ids if key in where]

    def count(self, split: str, language: str) -> int | None:
        """Lines, or the metadata of the files."""
        raw = read_split(self.spec, split)
        places = self._places(raw).get(language)
        if places is None:
            return None
        if self.spec.language_column:
            code = self.spec.codes.get(language, language)
            return share_of(self.spec, split, sum(_languages(place, raw, self.spec)[code] for place in places))
        counts = [_count(place, raw) for place in places]
        return None if None in counts else share_of(self.spec, split, sum(n for n in counts if n is not None))

    def identity(self, split: str, languages: Iterable[str]) -> dict[str, Any]:
        """Digests and formats of the files, and how they are read; where they are is not in it."""
        spec, raw, languages = self.spec, read_split(self.spec, split), list(languages)
        places = self._places(raw)
        rows = {code: [_fingerprint(place, raw) for place in places.get(code, [])] for code in languages}
        return {
            "kind": "files",
            "rows": rows,
            **self.common_identity(split, languages),
            "columns": dict(spec.columns),
            "label_values": dict(spec.label_values),
            "reader": spec.reader,
            "language_column": spec.language_column,
            "codes": {code: spec.codes[code] for code in languages if code in spec.codes},
            "dev": dict(spec.dev) if spec.dev else None,
        }

    def looked_into(self, split: str, language: str) -> list[Path]:
        """The files, or the folders that ``datasets`` has saved."""
        return [place for place in self._places(split).get(language, []) if isinstance(place, Path)]

    def corpus(self) -> dict[str, list[str]]:
        """The text of all splits; a split that is a share of another one is in that."""
        return corpus_of(
            (language, texts_of(self._canonical(split, language, None), self.spec, language))
            for split in self.splits()
            for language in self.languages(split)
        )

    def _places(self, split: str) -> dict[str, list[found.Place]]:
        """Language -> files of a split that is read."""
        places = found.by_language(self.spec, split)
        whole = places.pop(None, None)
        if whole is not None:
            codes = self._by_column(split) if self.spec.language_column else (self.source_language,)
            return dict.fromkeys(codes, whole)
        return {code: paths for code, paths in places.items() if code is not None}

    def _by_column(self, split: str) -> tuple[str, ...]:
        """The languages that the column of languages names."""
        counts: Counter[str] = Counter()
        for place in found.by_language(self.spec, split).get(None, []):
            counts.update(_languages(place, split, self.spec))
        named = {self.spec.codes.get(code, code): code for code in self.spec.languages}
        if named:
            return tuple(code for name, code in named.items() if name in counts)
        return tuple(sorted(counts))

    def _canonical(self, split: str, language: str, labels: tuple[str, ...] | None) -> Columns:
        places = self._places(split)
        if not places:
            there = ", ".join(self.splits())
            raise StiltsError(f"dataset.{self.spec.name}.files names no {split} split; it has: {there or 'none'}.")
        if language not in places:
            raise unknown(f"language of {self.spec.name}/{split}", language, places)
        raw = self._raw(places[language], split, language)
        self._columns = self._mapping(raw, labels is not None)
        columns = self.reader.columns(raw, replace(self.spec, columns=self._columns), labels)
        ids = [str(key) for key in columns["id"]] if "id" in columns else list(raw.ids)
        self._read[split, language] = ids, raw
        return columns

    def _raw(self, places: Sequence[found.Place], split: str, language: str) -> Raw:
        paths = [place for place in places if isinstance(place, Path)]
        if len(paths) == len(places) and not any(path.is_dir() or tables.is_table(path) for path in paths):
            own = self.reader.raw(self.spec, paths, split, language)  # a form that only this reader knows
            if own is not None:
                return own
        parts = [self._part(place, split, language) for place in places]
        where = str(places[0]) if paths else f"dataset.{self.spec.name}.files.{split}"
        table = joined([part.taken(rows) for part, rows in parts])
        ids = [f"{split}-{row}" for row in (parts[0][1] if len(parts) == 1 else range(len(table)))]
        return Raw(table.columns, table.features, ids, where, table.at)

    def _part(self, place: found.Place, split: str, language: str) -> tuple[Table, Sequence[int]]:
        """A file's rows, and which of them are in the language."""
        column = self.spec.language_column
        table = _table(place, split, remembered=column is not None)
        lists = row_format_of(self.spec.format).lists
        table = with_lists(table, [self.spec.columns.get(name, name) for name in lists])
        if column is None:
            return table, range(len(table))
        code = self.spec.codes.get(language, language)
        return table, [row for row, value in enumerate(_tongues(table, self.spec)) if str(value) == code]

    def _mapping(self, raw: Raw, labelled: bool) -> dict[str, str]:
        """Canonical column -> column of the file: as the data set says, or else that of the same name.

        Raises:
            StiltsError: The file lacks one that the format needs.
        """
        mapping = dict(self.spec.columns)
        rows, there = row_format_of(self.spec.format), {*raw.features, *mapping}
        for name in rows.columns:
            if name in mapping or name in raw.features:
                mapping.setdefault(name, name)
            elif rows.may_lack(name, there) or (name in ("label", "tags") and not labelled):
                continue
            else:
                error = str(lacks(raw.where, "column", name, list(raw.features)))
                raise StiltsError(
                    f"{error.removesuffix('.')}; say which one it is in dataset.{self.spec.name}.columns, as in "
                    f"{{{name}: COLUMN}}."
                )
        return mapping


def _tongues(table: Table, spec: DatasetSpec) -> list:
    """The language of each row, of the column that holds them."""
    name = str(spec.language_column)
    if name not in table.columns:
        place = table.at(0).rpartition(" ")[0].rpartition(" ")[0]
        error = lacks(f"dataset.{spec.name}.language_column={name}: {place}", "column", name, list(table.columns))
        raise StiltsError(f"{str(error).removesuffix('.')}; every file of the data set needs that column.")
    return table.columns[name]


def _table(place: found.Place, split: str, remembered: bool) -> Table:
    if not isinstance(place, Path):
        return saved.of_dataset(place, "the data set")
    if place.is_dir():
        return saved.read(place, split)
    # one file has the rows of many languages
    return _remembered(place, *stamp(place)) if remembered else tables.read(place)


@functools.lru_cache(maxsize=4)
def _remembered(path: Path, size: int, mtime_ns: int) -> Table:
    return tables.read(path)


def _languages(place: found.Place, split: str, spec: DatasetSpec) -> Counter[str]:
    """How many rows of each language a file has."""
    assert spec.language_column is not None
    table = _table(place, split, remembered=True)
    values = _tongues(table, spec)
    for row, value in enumerate(values):
        if value is None or not str(value).strip():
            raise StiltsError(f"{table.at(row)}: the column '{spec.language_column}' names no language; fill it in.")
    return Counter(map(str, values))


def _count(place: found.Place, split: str) -> int | None:
    if not isinstance(place, Path):
        return len(place)
    return saved.count(place, split) if place.is_dir() else _counted(place, *stamp(place))


@functools.lru_cache(maxsize=4096)
def _counted(path: Path, size: int, mtime_ns: int) -> int | None:
    return tables.count(path) if tables.is_table(path) else None


def _fingerprint(place: found.Place, split: str) -> list[str]:
    """What a file holds: its format and its digest; of a saved or a given ``Dataset`` its types and its rows."""
    if not isinstance(place, Path):
        rows = hashlib.sha256(str(place.features).encode())
        for row in place:
            rows.update(json.dumps(row, sort_keys=True, default=str).encode())
        return ["dataset", rows.hexdigest()]
    if place.is_dir():
        folder = saved.folder_of(place, split)
        kinds = hashlib.sha256(json.dumps(saved.types_of(folder), sort_keys=True).encode()).hexdigest()
        return ["saved", kinds, *map(digest, saved.arrow_files(folder))]
    return [extension(place), digest(place)]

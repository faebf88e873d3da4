"""The hub's data sets, or a folder laid out like the hub, as a source of rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import SPLITS, Columns, DatasetSpec, DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.checks import refuse_blind
from stilts_xtreme.data.hub import layout, mirror
from stilts_xtreme.data.hub import rows as hub
from stilts_xtreme.data.readers import reader_of
from stilts_xtreme.data.readers.raw import joined, names_of_rows
from stilts_xtreme.data.row_files import Absent, digest
from stilts_xtreme.data.source import RowSource, corpus_of, dev_share, length, read_split, share_of, texts_of

_log = logging.getLogger(__name__)


class HubSource(RowSource):
    """Rows of a repository, or of the user's own files where the data set's reader takes these.

    Raises:
        StiltsError: If ``data.root`` is no folder.
    """

    def __init__(self, spec: DatasetSpec, data: DataSpec):
        super().__init__(spec, data)
        self.reader = reader_of(spec.reader)
        if data.root and not Path(data.root).is_dir():
            raise StiltsError(
                f"data.root={data.root} is not a folder; expected one laid out as <owner>/<name>/<configuration>/."
            )

    @property
    def origin(self) -> str:
        """The folder."""
        return self.data.root or "the source"

    @property
    def caveat(self) -> str:  # type: ignore[override]
        """That of the catalogue."""
        return catalogue.caveat(self.spec)

    @property
    def source_language(self) -> str:
        """English, where the data set does not say another one, or has none of it to train on."""
        own = self.spec.languages if self.spec.splits.get("train") else ()
        return self.spec.source_language or ("en" if not own or "en" in own else own[0])

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        return self.reader.labels(self.spec, self.data.root)

    def labels(self) -> tuple[str, ...]:
        """Those of the description, or, where it has none, of the user's own files."""
        return self._labels

    def languages(self, split: str) -> tuple[str, ...]:
        """Those of the catalogue; with a root, those whose rows are there."""
        spec, raw = self.spec, read_split(self.spec, split)
        if not layout.raw_splits(spec, raw):
            return ()
        if self.data.root:
            return tuple(language for language in spec.languages if self._present(raw, language))
        by_language = any(isinstance(value, Mapping) for value in spec.counts.values())
        return tuple(
            language
            for language in spec.languages
            if not by_language or language not in spec.counts or raw in spec.counts[language]  # type: ignore[operator]
        )

    def wanted(self, asked: Sequence[str]) -> tuple[str, ...]:
        """Those that the task names, or all of the data set."""
        refuse_blind(self.spec, "test")  # before anything is trained for it
        return super().wanted(asked)

    def splits(self) -> tuple[str, ...]:
        """Those that name a split of the repository."""
        return tuple(split for split in SPLITS if layout.raw_splits(self.spec, split))

    def unchecked(self, split: str, language: str) -> Columns:
        """Reads the rows."""
        refuse_blind(self.spec, split)
        columns = self._read(read_split(self.spec, split), language, self.labels())
        self._compare_count(split, language, length(columns))
        columns = dev_share(columns, self.spec, split)
        if not length(columns):
            raise self.empty(split, language)
        return columns

    def places(self, split: str, language: str, ids: Sequence[str], last: bool) -> list[str]:
        """File and line, found by reading the rows once more; none of rows that came in another way, translated."""
        found: dict[str, str] = {}
        try:
            for raw_split in layout.raw_splits(self.spec, read_split(self.spec, split)):
                own = self.own_files(raw_split, language)
                raw = self.reader.raw(self.spec, own, raw_split, language) if own else self._raw(raw_split, language)
                own_ids = raw.columns.get(self.spec.columns.get("id", ""), raw.ids) if raw else ()
                for at, key in enumerate(names_of_rows(own_ids, raw) if raw else ()):
                    if raw and key in ids and (last or key not in found):
                        found[key] = raw.at(at)
        except StiltsError:
            return []
        return [found[key] for key in ids if key in found]

    def count(self, split: str, language: str) -> int | None:
        """From metadata of files, or what the hub is known to hold."""
        raw = read_split(self.spec, split)
        if not layout.raw_splits(self.spec, raw):
            return None
        n = self._count(raw, language) if self.data.root else catalogue.declared_count(self.spec, raw, language)
        return share_of(self.spec, split, n)

    def identity(self, split: str, languages: Iterable[str]) -> dict[str, Any]:
        """Digests of the files below a root, or repository, revision and configuration; and how they are read."""
        spec, languages, raw = self.spec, list(languages), read_split(self.spec, split)
        what, names = self.common_identity(split, languages), layout.raw_splits(spec, raw)
        where: dict[str, Any] = {}
        for language in languages:
            if self.data.root:
                where[language] = {name: self._digests(name, language) for name in names}
            else:
                where[language] = [*asdict(layout.source(spec, language)).values(), *names]
        what |= {"columns": dict(spec.columns), "label_values": dict(spec.label_values), "reader": spec.reader}
        what |= {"codes": {language: spec.codes[language] for language in languages if language in spec.codes}}
        what |= {"dev": dict(spec.dev) if spec.dev else None, "limits": [layout.sliced(name)[1] for name in names]}
        return {"kind": "hub", "rows": where, **what}

    def looked_into(self, split: str, language: str) -> list[Path]:
        """The files below a root."""
        names = layout.raw_splits(self.spec, split) if self.data.root else []
        return [path for name in names for path in self.files(name, language)]

    def corpus(self) -> dict[str, list[str]]:
        """The text of all splits; a split that is a share of another one is in that."""
        spec = self.spec
        splits = [split for split in SPLITS if split != "validation" or not spec.dev]
        return corpus_of(
            (language, texts_of(self._read(split, language, None), spec, language))
            for split in splits
            for language in self.languages(split)
        )

    def needs(self, split: str, language: str, root: Path) -> list[tuple[mirror.Repo, mirror.Part]]:
        """The parts of repositories that a folder needs, so that the rows can be read from it.

        Args:
            split: Canonical split.
            language: One of its languages.
            root: The folder, which is looked into for the user's own files.

        Raises:
            StiltsError: Only the user can bring the rows; says what and where to.
        """
        found = []
        for raw_split in layout.raw_splits(self.spec, read_split(self.spec, split)):
            name, limit = layout.sliced(raw_split)
            if not self.reader.files(self.spec, name, language, root):
                src = self._source(language)
                found.append((mirror.Repo(str(src.id), src.revision), mirror.Part(src.config, name, limit)))
        return found

    def own_files(self, raw_split: str, language: str) -> list[Path]:
        """The user's own files of a raw split, where the reader takes some."""
        return self.reader.files(self.spec, layout.sliced(raw_split)[0], language, self.data.root)

    def files(self, raw_split: str, language: str) -> list[Path]:
        """The files of a raw split below the root: the user's own, or the repository's.

        Raises:
            StiltsError: If there are none; says where they are looked for.
        """
        own = self.own_files(raw_split, language)
        if own:
            return own
        src = self._source(language)
        return layout.files(str(self.data.root), src, *layout.sliced(raw_split))

    def _source(self, language: str) -> layout.Source:
        src = layout.source(self.spec, language)
        if src.id is None:
            raise self.reader.missing(self.spec, self.data.root)
        return src

    def _read(self, split: str, language: str, labels: tuple[str, ...] | None) -> Columns:
        spec, names = self.spec, layout.raw_splits(self.spec, split)
        if not names:
            raise StiltsError(f"{spec.name} has no {split} split; it has: {', '.join(self.splits())}.")
        layout.source(spec, language)  # refuses a language that the data set does not have
        parts = []
        for name in names:
            own = self.own_files(name, language)
            if own:
                columns = self.reader.read(spec, own, name, language, labels)
            else:
                columns = self.reader.columns(self._raw(name, language), spec, labels)
            parts.append(columns)
        return joined(parts)

    def _raw(self, raw_split: str, language: str) -> hub.Raw:
        return hub.raw_rows(self.spec, self.reader, self._source(language), raw_split, language, self.data.root)

    def _present(self, split: str, language: str) -> bool:
        """Whether the root holds rows of all raw splits that make up the split.

        Those that cannot be read are there: whoever asks for them is told what is wrong.
        """
        try:
            return self._count(split, language) != 0
        except Absent:
            return False
        except StiltsError:
            return True

    def _count(self, split: str, language: str) -> int | None:
        total = 0
        for name in layout.raw_splits(self.spec, split):
            rows, limit = self.reader.count(self.spec, self.files(name, language), language), layout.sliced(name)[1]
            if rows is None:
                return None
            total += rows if limit is None else min(rows, limit)
        return total

    def _digests(self, raw_split: str, language: str) -> list[object]:
        """SHA-256 of each file of a raw split, and the types that the README gives their columns, if it does."""
        out: list[object] = [digest(path) for path in self.files(raw_split, language)]
        if not self.own_files(raw_split, language):
            src = self._source(language)
            declared = layout.declared_types(Path(str(self.data.root)) / str(src.id), src.config)
            if declared:
                out.append({"readme": declared})
            between = layout.between(Path(str(self.data.root)) / str(src.id), src.config)
            if between is not None:
                out.append({"between": between})
        return out

    def _compare_count(self, split: str, language: str, n: int) -> None:
        declared = catalogue.declared_count(self.spec, read_split(self.spec, split), language)
        if declared is not None and declared != n:
            level = logging.WARNING if not self.data.root or self._fetched(language) else logging.INFO
            _log.log(level, "%s/%s/%s: %d rows read, %d declared.", self.spec.name, split, language, n, declared)

    def _fetched(self, language: str) -> bool:
        """Whether a folder's rows are the hub's; in a folder of the user's own a cut is normal."""
        src = layout.source(self.spec, language)
        if self.reader.local or src.id is None:
            return False
        return mirror.record_of(mirror.Repo(src.id).folder(str(self.data.root))) is not None

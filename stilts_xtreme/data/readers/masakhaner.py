"""MasakhaNER 2.0: files of its GitHub repository, a token and its tag on each line, or a copy on the hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import Raw, Type
from stilts_xtreme.data.row_files import Absent, lines_of, stamp

PLACES = ("local/masakhaner2", "github/masakhane-io/masakhane-ner/MasakhaNER2.0/data")
"""Folders below the root that may have the folders of languages."""

SPLITS = {"train": "train", "validation": "dev", "test": "test"}
"""Raw split -> the name of its file."""

Sentence = tuple[tuple[str, ...], tuple[str, ...], int]
"""Tokens, tags, and the line that the sentence begins in."""


@lru_cache(maxsize=64)
def _sentences(path: Path, size: int, mtime_ns: int) -> tuple[Sentence, ...]:
    found: list[Sentence] = []
    tokens: list[str] = []
    tags: list[str] = []
    begin = 1

    def finish() -> None:
        if tokens:
            found.append((tuple(tokens), tuple(tags), begin))

    for n, line in lines_of(path, blank=True):
        fields = re.split(r"[ \t]+", line.strip(" \t"))
        if fields == [""]:
            finish()
            tokens, tags, begin = [], [], n + 1
        elif len(fields) == 2:
            tokens.append(fields[0])
            tags.append(fields[1])
        else:
            raise StiltsError(
                f"{path} line {n}: {len(fields)} fields with spaces between them, and a token and its tag are needed; "
                "mend the line."
            )
    finish()
    return tuple(found)


def sentences(path: Path) -> tuple[Sentence, ...]:
    """The sentences of a file; a line without text ends one.

    Raises:
        StiltsError: A line is no token with its tag; names file and line.
    """
    return _sentences(path, *stamp(path))


class Masakhaner(Reader):
    """The repository's files below the root where they are there, else the hub's copy."""

    translatable = False

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """``<code of the language>/{train,dev,test}.txt`` in the first of :data:`PLACES` that is there.

        Raises:
            Absent: The folder is there, and has no such file.
        """
        folder = next((path for place in PLACES if root and (path := Path(root) / place).is_dir()), None)
        if folder is None:
            return []
        path = folder / spec.codes.get(language, language) / f"{SPLITS.get(raw_split, raw_split)}.txt"
        if not path.is_file():
            raise Absent(
                f"There is no {path} of {spec.name}/{raw_split}/{language}; bring it, or name other languages."
            )
        return [path]

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int | None:
        """Sentences of the repository's files."""
        if any(path.suffix != ".txt" for path in paths):
            return super().count(spec, paths, language)
        return sum(len(sentences(path)) for path in paths)

    def raw(self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str) -> Raw:
        """Tokens and tags."""
        rows = [(*sentence, path) for path in paths for sentence in sentences(path)]
        columns = {
            spec.columns["tokens"]: [list(row[0]) for row in rows],
            spec.columns["tags"]: [list(row[1]) for row in rows],
        }
        features = {name: [Type()] for name in columns}
        ids = [f"{raw_split}-{at}" for at in range(len(rows))]
        where = str(paths[0].parent)
        return Raw(
            columns, features, ids, where, lambda at: f"the sentence in {rows[at][3]} from line {rows[at][2]} on"
        )


READERS: Mapping[str, Reader] = {"masakhaner": Masakhaner()}

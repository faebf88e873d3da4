"""TyDi QA: the rows of all languages are in one file, and an id begins with the name of its language."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import lacks
from stilts_xtreme.data.row_files import extension, stamp
from stilts_xtreme.data.tables.arrow import read_parquet


def language_of_id(row_id: str) -> str:
    """``finnish-123-1`` -> ``finnish``."""
    return row_id.split("-", 1)[0]


class TydiQa(Reader):
    """Takes the rows whose ids begin with ``spec.codes[language]``."""

    def kept(self, spec: DatasetSpec, language: str, columns: Columns, rows: int, where: str) -> Sequence[int]:
        """The rows of the language."""
        if "id" not in columns:
            raise lacks(where, "column", "id", list(columns))
        code = spec.codes.get(language, language)
        return [at for at, row_id in enumerate(columns["id"]) if language_of_id(str(row_id)) == code]

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int | None:
        """Counts ids, which parquet files give without the rest."""
        code = spec.codes.get(language, language)
        counts = [_languages(path, *stamp(path)) for path in paths]
        return None if None in counts else sum(count[code] for count in counts if count is not None)


@functools.lru_cache(maxsize=64)
def _languages(path: Path, size: int, mtime_ns: int) -> Counter[str] | None:
    if extension(path) != "parquet":
        return None
    ids = read_parquet(path, ["id"]).columns.get("id", [])
    return Counter(language_of_id(str(row_id)) for row_id in ids)


READERS: Mapping[str, Reader] = {"tydiqa": TydiQa()}

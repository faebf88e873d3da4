"""CCGbank: the user's own files, a sentence a line, ``tokens<TAB>supertags``, both split by spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import Raw, Type
from stilts_xtreme.data.row_files import Absent, json_of, lines_of


class Ccg(Reader):
    """Files below ``FOLDER/local/ccg``; CCGbank is licensed and on no hub."""

    local = True
    translatable = False
    labels_in_files = True

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """All files ``*.<split>.tsv``."""
        return _files(root, raw_split)

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int:
        """Lines with text."""
        return sum(1 for path in paths for _ in lines_of(path))

    def raw(self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str) -> Raw:
        """Tokens and supertags."""
        rows = [(tokens, tags, path, n) for path in paths for tokens, tags, n in _rows(path)]
        columns = {"tokens": [row[0] for row in rows], "tags": [row[1] for row in rows]}
        ids = [f"{raw_split}-{i}" for i in range(len(rows))]
        features = {name: [Type()] for name in columns}
        return Raw(columns, features, ids, "local/ccg", lambda at: f"{rows[at][2]} line {rows[at][3]}")

    def labels(self, spec: DatasetSpec, root: str | Path | None) -> tuple[str, ...]:
        """The supertags of all files: in the order of ``*.tags_to_id.json``, or else sorted."""
        paths = _files(root, "*")
        inventories = [_inventory(path) for path in sorted(paths[0].parent.glob("*.tags_to_id.json"))]
        if inventories:
            return tuple(dict.fromkeys(tag for ids in inventories for tag in sorted(ids, key=lambda tag: ids[tag])))
        return tuple(sorted({tag for path in paths for _, tags, _ in _rows(path) for tag in tags}))


def _inventory(path: Path) -> dict[str, int]:
    """Supertag -> its number."""
    found = json_of(path)
    if not isinstance(found, dict) or not all(isinstance(number, int) for number in found.values()):
        raise StiltsError(f"{path} is no object of supertags and their numbers; mend it, or leave it out.")
    return found


def _files(root: str | Path | None, raw_split: str) -> list[Path]:
    found = sorted((Path(root) / "local" / "ccg").glob(f"*.{raw_split}.tsv")) if root else []
    if not found:
        raise Absent(
            "ccg is CCGbank (LDC2005T13), which is licensed and has no public copy: put *.train.tsv and *.val.tsv, one "
            "sentence a line as tokens<TAB>supertags, into FOLDER/local/ccg and pass data.root=FOLDER; or take "
            "ud_tags, a free substitute that is another task."
        )
    return found


def _rows(path: Path) -> list[tuple[list[str], list[str], int]]:
    """Tokens, supertags and line of each sentence."""
    rows = []
    for number, line in lines_of(path):
        tokens, tab, tags = line.partition("\t")
        if not tab:
            raise StiltsError(
                f"{path}, line {number}: expected tokens<TAB>supertags, found no tab; put one between them."
            )
        rows.append((tokens.split(), tags.split(), number))
    return rows


READERS: Mapping[str, Reader] = {"ccg": Ccg()}

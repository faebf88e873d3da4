"""The user's own files below ``FOLDER/local``, as raw rows: CCGbank, treebanks, data sets as first released."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.readers import conllu, originals
from stilts_xtreme.data.readers.columns import Raw


@dataclass(frozen=True)
class _Value:
    """Types a column of local files, which no library describes."""

    dtype: str = "string"


def ccg(root: str | Path | None, raw_split: str) -> Raw:
    """The sentences of the user's CCGbank files: tokens<TAB>supertags, both split by spaces."""
    rows = [(tokens, tags, path, n) for path in ccg_files(root, raw_split) for tokens, tags, n in _ccg_rows(path)]
    columns = {"tokens": [row[0] for row in rows], "tags": [row[1] for row in rows]}
    ids = [f"{raw_split}-{i}" for i in range(len(rows))]
    features = {name: [_Value()] for name in columns}
    return Raw(columns, features, ids, "local/ccg", lambda at: f"{rows[at][2]} line {rows[at][3]}")


def ud(root: str | Path | None, language: str, raw_split: str, relations: bool = False) -> Raw:
    """The sentences of the user's CoNLL-U files."""
    tokens, tags, places = conllu.read(conllu.files(root, language, raw_split), relations)
    columns = {"tokens": tokens, "tags" if relations else "pos_tags": tags}
    ids = [f"{raw_split}-{i}" for i in range(len(tokens))]
    features = {name: [_Value()] for name in columns}
    return Raw(columns, features, ids, "local/ud", lambda at: "the sentence in {} from line {} on".format(*places[at]))


def ud_labels(root: str | Path | None) -> tuple[str, ...]:
    """The tags, with relations, of the user's English CoNLL-U files for training and dev, sorted."""
    paths = [path for split in ("train", "validation") for path in conllu.files(root, "en", split)]
    return _ud_labels(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=8)
def _ud_labels(files: tuple[tuple[Path, int, int], ...]) -> tuple[str, ...]:
    return tuple(sorted({tag for tags in conllu.read([path for path, *_ in files], True)[1] for tag in tags}))


def original(spec: DatasetSpec, root: str | Path | None, language: str, raw_split: str) -> Raw:
    """The rows of the user's files in the data set's own format, under the names that the hub's columns have."""
    paths = originals.files(spec, raw_split, language, root)
    columns, at = originals.read(spec, paths, language)
    found = {spec.columns[name]: values for name, values in columns.items()}
    kinds = {name: _Value("int64") if name.endswith("answer_start") else _Value() for name in found}
    features = {
        name: [kinds[name]] if values and isinstance(values[0], list) else kinds[name] for name, values in found.items()
    }
    ids = [f"{raw_split}-{i}" for i in range(len(next(iter(found.values()), [])))]
    return Raw(found, features, ids, f"local/{spec.name}", at)


def ccg_files(root: str | Path | None, raw_split: str) -> list[Path]:
    """The user's CCGbank files of a split.

    Raises:
        StiltsError: If there are none; says where they belong.
    """
    found = sorted((Path(root) / "local" / "ccg").glob(f"*.{raw_split}.tsv")) if root else []
    if not found:
        raise StiltsError(
            "ccg is CCGbank (LDC2005T13), which is licensed and has no public copy: put *.train.tsv and *.val.tsv, one "
            "sentence a line as tokens<TAB>supertags, into FOLDER/local/ccg and pass data.root=FOLDER; or take "
            "ud_tags, a free substitute that is another task."
        )
    return found


def ccg_labels(root: str | Path | None) -> tuple[str, ...]:
    """The supertags of the user's CCGbank files: in the order of ``*.tags_to_id.json``, or else sorted."""
    paths = ccg_files(root, "*")
    inventories = [json.loads(path.read_text("utf-8")) for path in sorted(paths[0].parent.glob("*.tags_to_id.json"))]
    if inventories:
        return tuple(dict.fromkeys(tag for ids in inventories for tag in sorted(ids, key=ids.get)))
    return tuple(sorted({tag for path in paths for _, tags, _ in _ccg_rows(path) for tag in tags}))


def _ccg_rows(path: Path) -> list[tuple[list[str], list[str], int]]:
    """Tokens, supertags and line of each sentence."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8").split("\n"), start=1):
        if line.strip():
            tokens, tab, tags = line.rstrip("\r").partition("\t")
            if not tab:
                raise StiltsError(
                    f"{path}, line {number}: expected tokens<TAB>supertags, found no tab; put one between them."
                )
            rows.append((tokens.split(), tags.split(), number))
    return rows

"""Where the rows of a data set are: its repository on the hub, and the files of a folder laid out like the hub."""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import SPLITS, DatasetSpec
from stilts_xtreme.data.readers import bitext, conllu, local, originals, ranking
from stilts_xtreme.data.readers import columns as readers

BUILDERS = {"parquet": "parquet", "jsonl": "json", "json": "json", "csv": "csv"}
"""Extension of a file -> the name under which the library ``datasets`` reads it."""

_SLICE = re.compile(r"(?P<name>.+)\[:(?P<rows>\d+)\]$")


@dataclass(frozen=True)
class Source:
    """Where the rows of one language are.

    Attributes:
        id: Hub id ``owner/name``, or None.
        config: Hub configuration.
        revision: Revision, or None for the main branch.
    """

    id: str | None
    config: str
    revision: str | None


def source(spec: DatasetSpec, language: str) -> Source:
    """The repository, configuration and revision that hold a language of a data set."""
    if language not in spec.languages:
        raise unknown(f"language of {spec.name}", language, spec.languages)
    own = spec.sources.get(language, {})
    config = own.get("config", spec.config) or "default"
    config = config.replace("{lang}", language).replace("{code}", spec.codes.get(language, language))
    return Source(own.get("id", spec.id), config, own.get("revision") if own else spec.revision)


def raw_splits(spec: DatasetSpec, split: str) -> list[str]:
    """The raw splits that make up a canonical split; none where the data set has no such split."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    names = spec.splits.get(split)
    return [names] if isinstance(names, str) else list(names or [])


def sliced(raw_split: str) -> tuple[str, int | None]:
    """``train[:100]`` -> ``("train", 100)``; ``train`` -> ``("train", None)``."""
    match = _SLICE.match(raw_split)
    return (match["name"], int(match["rows"])) if match else (raw_split, None)


def files(spec: DatasetSpec, raw_split: str, language: str, root: str | Path) -> list[Path]:
    """The files below a root that hold a raw split of a language.

    The README of a repository says which files belong to which configuration and split, as on the hub; without one, the
    usual layouts are tried: ``<config>/<split>-*``, ``<config>/<split>/*``, ``data/<split>-*`` and the like.

    Raises:
        StiltsError: If the root has no such folder, configuration or split; names what is there.
    """
    name, _ = sliced(raw_split)
    if spec.reader == "ccg":
        return local.ccg_files(root, name)
    if spec.reader in ("conllu", "ud_relations"):
        return conllu.files(root, language, name)
    if spec.reader == "original":
        return originals.files(spec, name, language, root)
    if spec.reader == "bucc":
        own = bitext.files(root, language, name)
        if own:
            return own
    own = ranking.files(spec, name, language, root)
    if own:
        return own
    src = source(spec, language)
    if src.id is None:
        if spec.reader == "lareqa":
            raise ranking.lacking(spec)
        raise StiltsError(f"{spec.name} has no id, so there is nothing to read.")
    folder = Path(root) / src.id
    if not folder.is_dir():
        there = sorted(f"{p.parent.name}/{p.name}" for p in Path(root).glob("*/*") if p.is_dir())
        raise readers.lacks(f"data.root={root}", "folder", src.id, there)
    return files_of(folder, src, name, "in data.root")


def files_of(folder: Path, src: Source, name: str, where: str) -> list[Path]:
    """The files of a raw split in the folder of a repository; ``where`` is how an error says where that is.

    Raises:
        StiltsError: If the folder has no such configuration or split; names what is there.
    """
    splits = _layout(folder, src.config)
    if splits is None:
        script = folder / f"{folder.name}.py"
        if script.exists() and not _configs(folder):
            raise script_refused(str(src.id))
        raise readers.lacks(f"'{src.id}' {where}", "configuration", src.config, _configs(folder))
    if not splits.get(name):
        there = sorted(key for key, paths in splits.items() if paths)
        raise readers.lacks(f"'{src.id}', configuration '{src.config}' {where}", "split", name, there)
    return splits[name]


def present(spec: DatasetSpec, split: str, language: str, root: str | Path) -> bool:
    """Whether the root holds rows of all raw splits that make up the split."""
    try:
        return bool(raw_splits(spec, split)) and count(spec, split, language, root) != 0
    except StiltsError:
        return False


def count(spec: DatasetSpec, split: str, language: str, root: str | Path) -> int | None:
    """Rows of a split in a root, from file metadata where there is any; None where only reading them would tell."""
    if spec.reader == "bucc":
        paths = [path for raw in raw_splits(spec, split) for path in files(spec, raw, language, root)]
        return sum(_sentences_of(path, *_stamp(path)) for path in paths)
    own = [path for raw in raw_splits(spec, split) for path in ranking.files(spec, raw, language, root)]
    if own:
        return ranking.count(spec, own, language)
    total = 0
    for raw in raw_splits(spec, split):
        name, limit = sliced(raw)
        prefix = spec.codes.get(language, language) if spec.reader == "tydiqa" else ""
        if spec.reader == "original" and files(spec, name, language, root):  # only reading them tells how many
            return None
        counts = [_rows_of(path, *_stamp(path), prefix) for path in files(spec, name, language, root)]
        if None in counts:
            return None
        rows = sum(counts)  # type: ignore[arg-type]
        total += rows if limit is None else min(rows, limit)
    return total


def rows_in(path: Path) -> int | None:
    """Rows of a file, from its metadata where there is any; None where only reading it would tell."""
    return _rows_of(path, *_stamp(path), "")


def place(paths: Sequence[Path], row: int) -> str:
    """Where a row, counted from 0 over some files, is: a line of a file where there are lines, else a row of it."""
    for path in paths[:-1]:
        rows = _rows_of(path, *_stamp(path), "")
        if rows is None:  # only reading it would tell
            return f"{paths[0].parent}, row {row + 1}"
        if row < rows:
            break
        row -= rows
    else:
        path = paths[-1]
    return f"{path}, {'line' if extension(path) == 'jsonl' else 'row'} {row + 1}"


def digests(spec: DatasetSpec, raw_split: str, language: str, root: str | Path) -> list[object]:
    """SHA-256 of each file of a raw split, and the types that the README gives their columns, if it does."""
    out: list[object] = [_digest(path, *_stamp(path)) for path in files(spec, raw_split, language, root)]
    if spec.reader not in readers.LOCAL and not ranking.files(spec, raw_split, language, root):
        src = source(spec, language)
        declared = declared_types(Path(root) / str(src.id), src.config)
        if declared:
            out.append({"readme": declared})
    return out


def script_refused(repo: str) -> StiltsError:
    """The error for a repository whose rows only a script makes."""
    return StiltsError(
        f"'{repo}' holds a loading script ({repo.split('/')[-1]}.py), which is never run: give a revision with parquet "
        "files, such as refs/convert/parquet."
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def extension(path: Path) -> str:
    """What follows the last dot of a file's name, a final ``.gz`` left out; "" without a dot."""
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[-1] if "." in name else ""


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@functools.lru_cache(maxsize=4096)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=4096)
def _rows_of(path: Path, size: int, mtime_ns: int, id_prefix: str) -> int | None:
    suffix = extension(path)
    if suffix == "parquet":
        import pyarrow.parquet as pq

        if not id_prefix:
            return pq.read_metadata(path).num_rows
        ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
        return sum(readers.language_of_id(row_id) == id_prefix for row_id in ids)
    if suffix in ("jsonl", "tsv") and not id_prefix:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            return sum(bool(line.strip()) for line in file)
    return None


@functools.lru_cache(maxsize=4096)
def _sentences_of(path: Path, size: int, mtime_ns: int) -> int:
    """Sentences in a file of corpora; the gold pairs are none."""
    if extension(path) != "parquet":
        return 0 if extension(path) == "gold" else sum(bool(line.strip()) for line in path.open("rb"))
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["sentence1", "sentence2"])
    return sum(pc.sum(pc.list_value_length(column)).as_py() or 0 for column in table.columns)


@functools.lru_cache(maxsize=256)
def _front_matter(path: Path, size: int, mtime_ns: int) -> Mapping[str, Any]:
    match = re.match(r"---\s*\n(.*?)\n---", path.read_text(encoding="utf-8"), re.DOTALL)
    try:
        head = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError as error:
        raise StiltsError(f"The header of {path} is not valid YAML: {first_line(error)}.") from error
    return head if isinstance(head, dict) else {}


def _readme(folder: Path) -> Mapping[str, Any]:
    path = folder / "README.md"
    return _front_matter(path, *_stamp(path)) if path.is_file() else {}


def declared_types(folder: Path, config: str) -> object:
    """The types of a configuration's columns as the README of the repository gives them; None if it does not."""
    infos = _readme(folder).get("dataset_info") or []
    for info in infos if isinstance(infos, list) else [infos]:
        if info.get("config_name", "default") == config and info.get("features"):
            return info["features"]
    return None


def _declared_files(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Configuration -> split -> patterns, as the README says."""
    out: dict[str, dict[str, list[str]]] = {}
    for entry in _readme(folder).get("configs") or []:
        listed = entry.get("data_files")
        if listed is None:
            continue  # only a data_dir: the usual layouts are tried
        items = listed if isinstance(listed, list) else [listed]
        splits: dict[str, list[str]] = {}
        for item in items:  # a pattern without a split belongs to train, as the library has it
            split, path = (item.get("split", "train"), item["path"]) if isinstance(item, dict) else ("train", item)
            splits.setdefault(split, []).extend([path] if isinstance(path, str) else path)
        out[str(entry.get("config_name", "default"))] = splits
    return out


def _data_files(folder: Path, pattern: str) -> list[Path]:
    return sorted(p for p in folder.glob(pattern) if p.is_file() and extension(p) in BUILDERS)


def _layout(folder: Path, config: str) -> dict[str, list[Path]] | None:
    """Split -> files of a configuration; None where the folder has no such configuration."""
    declared = _declared_files(folder)
    if config in declared:
        return {
            split: sorted({path for pattern in patterns for path in _data_files(folder, pattern)})
            for split, patterns in declared[config].items()
        }
    if (folder / config).is_dir():
        base = folder / config
    elif config == "default" and not declared:
        base = folder / "data" if (folder / "data").is_dir() else folder
    else:
        return None
    splits: dict[str, list[Path]] = {}
    for path in _data_files(base, "*"):
        splits.setdefault(re.split(r"-\d{5}|\.", path.name)[0], []).append(path)
    for path in _data_files(base, "*/*"):
        splits.setdefault(path.parent.name, []).append(path)
    return splits


def _configs(folder: Path) -> list[str]:
    """Names of the configurations that are there."""
    declared = set(_declared_files(folder))
    inside = {p.name for p in folder.iterdir() if p.is_dir() and (_data_files(p, "*") or _data_files(p, "*/*"))}
    return sorted(declared | (inside - {"data"}) if declared or inside else [])

"""Where the rows of a data set are: its repository on the hub, and the files of a folder laid out like the hub."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import SPLITS, DatasetSpec
from stilts_xtreme.data.readers.base import lacks
from stilts_xtreme.data.row_files import extension, first_line, stamp

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


def files(root: str | Path, src: Source, name: str) -> list[Path]:
    """The files of a raw split below a root that is laid out like the hub.

    Raises:
        StiltsError: If the root has no such folder, configuration or split; names what is there.
    """
    folder = Path(root) / str(src.id)
    if not folder.is_dir():
        there = sorted(f"{p.parent.name}/{p.name}" for p in Path(root).glob("*/*") if p.is_dir())
        raise lacks(f"data.root={root}", "folder", str(src.id), there)
    return files_of(folder, src, name, "in data.root")


def files_of(folder: Path, src: Source, name: str, where: str) -> list[Path]:
    """The files of a raw split in the folder of a repository; ``where`` is how an error says where that is.

    The README of a repository says which files belong to which configuration and split, as on the hub; without one, the
    usual layouts are tried: ``<config>/<split>-*``, ``<config>/<split>/*``, ``data/<split>-*`` and the like.

    Raises:
        StiltsError: If the folder has no such configuration or split; names what is there.
    """
    splits = _layout(folder, src.config)
    if splits is None:
        script = folder / f"{folder.name}.py"
        if script.exists() and not _configs(folder):
            raise script_refused(str(src.id))
        raise lacks(f"'{src.id}' {where}", "configuration", src.config, _configs(folder))
    if not splits.get(name):
        there = sorted(key for key, paths in splits.items() if paths)
        raise lacks(f"'{src.id}', configuration '{src.config}' {where}", "split", name, there)
    return splits[name]


def script_refused(repo: str) -> StiltsError:
    """The error for a repository whose rows only a script makes."""
    return StiltsError(
        f"'{repo}' holds a loading script ({repo.split('/')[-1]}.py), which is never run: give a revision with parquet "
        "files, such as refs/convert/parquet."
    )


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
    return _front_matter(path, *stamp(path)) if path.is_file() else {}


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

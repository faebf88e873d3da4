"""Dataset cards: which files the README of a repository says its configurations and splits are, and of which types.

The rules are those of the library ``datasets`` (``utils/metadata.py``, ``data_files.py``).
"""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data import tables
from stilts_xtreme.data.row_files import extension, first_line, stamp, text_of

CARD, MORE = "README.md", ".huggingface.yaml"
_HEAD = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_BETWEEN = ("sep", "delimiter")
_MEANINGLESS = (
    "config_name",
    "data_files",
    "data_dir",
    "default",
    "features",
    "drop_labels",
    "drop_metadata",
    "version",
)
"""What an entry of ``configs`` may say that does not change how files of rows are read."""
_NOT_ROWS = ("README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json")


@dataclass(frozen=True)
class Config:
    """An entry of ``configs`` in a card.

    Attributes:
        splits: Split -> patterns of its files; None: the names of files and folders tell.
        folder: The folder that the files are in.
        features: The types that the entry gives columns.
        between: What stands between the fields of its csv files.
    """

    splits: Mapping[str, Sequence[str]] | None
    folder: str = ""
    features: object = None
    between: str | None = None


@dataclass(frozen=True)
class Card:
    """The header of a README: configurations, and configuration -> types of columns."""

    path: Path
    configs: Mapping[str, Config] = field(default_factory=dict)
    types: Mapping[str, object] = field(default_factory=dict)


def card_of(folder: Path) -> Card:
    """The card of the folder of a repository; an empty one where it has none.

    Raises:
        StiltsError: It cannot be read, or says something that no card says.
    """
    places = [folder / name for name in (CARD, MORE) if (folder / name).is_file()]
    return _card(folder, tuple((path, *stamp(path)) for path in places))


@functools.lru_cache(maxsize=256)
def _card(folder: Path, places: tuple[tuple[Path, int, int], ...]) -> Card:
    head: dict[str, Any] = {}
    for path, size, _ in places:
        if not size:
            continue  # an empty README says nothing
        match = re.fullmatch("(.*)", text_of(path), re.DOTALL) if path.name == MORE else _HEAD.match(text_of(path))
        try:
            found = yaml.safe_load(match[1]) if match else None
        except yaml.YAMLError as error:
            raise StiltsError(f"The header of {path} is not valid YAML: {first_line(error)}.") from error
        head.update(found if isinstance(found, dict) else {})
    path = places[0][0] if places else folder / CARD
    configs, infos = head.get("configs") or [], head.get("dataset_info") or []
    if not isinstance(configs, list):
        raise _refused(path, "configs", configs)
    read: dict[str, Config] = {}
    for entry in configs:
        if not isinstance(entry, dict) or entry.get("config_name") is None:
            raise _refused(path, "configs", entry)
        read[str(entry["config_name"])] = _config(path, entry)
    types = {name: config.features for name, config in read.items() if config.features}
    for info in infos if isinstance(infos, list) else [infos]:
        if not isinstance(info, dict):
            raise _refused(path, "dataset_info", info)
        if info.get("features"):
            types[str(info.get("config_name", "default"))] = info["features"]
    return Card(path, read, types)


def _refused(path: Path, field: str, value: object) -> StiltsError:
    return StiltsError(
        f"{path}: {field} has {str(value)[:80]!r}, which the library datasets does not take either; mend it, as in "
        "configs: [{config_name: default, data_files: [{split: train, path: 'data/train-*'}]}]."
    )


def _config(path: Path, entry: Mapping[str, Any]) -> Config:
    between = next((str(entry[name]) for name in _BETWEEN if entry.get(name) is not None), None)
    unread = [name for name in entry if name not in (*_MEANINGLESS, *_BETWEEN)]
    if unread:
        raise StiltsError(
            f"{path}: the configuration '{entry['config_name']}' says {unread[0]}, which is not read here; bring files "
            "that need no such option."
        )
    files, folder = entry.get("data_files"), _inside(path, str(entry.get("data_dir") or ""))
    return Config(None if files is None else _splits(path, files), folder, entry.get("features"), between)


def _splits(path: Path, files: object) -> dict[str, list[str]]:
    """Split -> patterns, of any form that ``data_files`` may have."""
    if isinstance(files, str):
        files = [files]
    if isinstance(files, dict):
        files = [{"split": split, "path": paths} for split, paths in files.items()]
    if not isinstance(files, list):
        raise _refused(path, "data_files", files)
    splits: dict[str, list[str]] = {}
    for item in files:  # a pattern without a split belongs to train
        split, found = (item.get("split"), item.get("path")) if isinstance(item, dict) else ("train", item)
        patterns = [found] if isinstance(found, str) else found
        named = isinstance(split, str) and isinstance(patterns, list) and all(isinstance(p, str) for p in patterns)
        if not named or (isinstance(item, dict) and split in splits):
            raise _refused(path, "data_files", item)
        splits.setdefault(str(split), []).extend(_inside(path, str(pattern)) for pattern in patterns or ())
    return splits


def _inside(path: Path, pattern: str) -> str:
    """A path or a pattern, which must stay within the repository."""
    if "://" in pattern or PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
        raise StiltsError(f"{path} names {pattern!r}, which is outside of its own folder; bring the files into it.")
    return pattern


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files that a pattern stands for, in the order of the alphabet.

    As in ``datasets``, names that begin with a dot or with two underscores must be asked for, and so must the files
    that describe others.
    """
    if not glob.has_magic(pattern):
        found = [pattern] if (folder / pattern).is_file() else []
    else:
        found = sorted(glob.glob(pattern, root_dir=folder, recursive=True))
    kept = []
    for name in found:
        own = {part for part in PurePosixPath(pattern).parts if part.startswith("__")}
        special = [part for part in PurePosixPath(name).parts[:-1] if part.startswith("__") and part not in own]
        described = os.path.basename(name) in _NOT_ROWS and os.path.basename(name) != os.path.basename(pattern)
        if (folder / name).is_file() and not special and not described:
            kept.append(folder / name)
    return kept


def named(folder: Path) -> dict[str, list[Path]]:
    """Split -> files of a folder whose card names none: the names of files and folders tell, as in ``datasets``."""
    from datasets.data_files import get_data_patterns

    try:
        patterns = get_data_patterns(folder.resolve().as_posix())
    except (FileNotFoundError, ValueError):
        return {}
    return {
        str(split): of_one_kind([path for pattern in own for path in matching(folder, pattern)])
        for split, own in patterns.items()
    }


def of_one_kind(paths: Sequence[Path]) -> list[Path]:
    """Of some files the tables of the kind that most of them are, each once."""
    found = [path for path in dict.fromkeys(paths) if tables.is_table(path)]
    kinds = [extension(path).lower() for path in found]
    most = max(dict.fromkeys(kinds), key=kinds.count, default="")
    return [path for path, own in zip(found, kinds, strict=True) if own == most]

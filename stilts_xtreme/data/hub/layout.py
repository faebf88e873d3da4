"""Where the rows of a data set are: its repository on the hub, and the files of a folder laid out like the hub."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import SPLITS, DatasetSpec
from stilts_xtreme.data import tables
from stilts_xtreme.data.hub import card
from stilts_xtreme.data.readers.raw import lacks
from stilts_xtreme.data.row_files import Absent, rows_in

_SHARD = re.compile(r"(?P<name>.*?)-(?P<at>\d{5})-of-(?P<all>\d{5})(?!\d)")
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


def files(root: str | Path, src: Source, name: str, limit: int | None = None) -> list[Path]:
    """The files of a raw split below a root that is laid out like the hub.

    Args:
        root: The root.
        src: The repository and its configuration.
        name: The raw split.
        limit: How many of its rows are needed, so that later files may be missing; None: all.

    Raises:
        Absent: If the root has no such folder, configuration or split; names what is there.
        StiltsError: If only some files of the split are there, or the README cannot be read.
    """
    folder = Path(root) / str(src.id)
    if not folder.is_dir():
        there = sorted(f"{p.parent.name}/{p.name}" for p in Path(root).glob("*/*") if p.is_dir())
        raise lacks(f"data.root={root}", "folder", str(src.id), there, Absent)
    found = files_of(folder, src, name, "in data.root")
    missing = _missing(folder, src.config, name, found)
    if missing and (limit is None or sum(rows_in(path) or 0 for path in found) < limit):
        raise StiltsError(
            f"{found[0]} is not all of the split '{name}' of '{src.id}': {missing[0]} is missing"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; bring the whole split."
        )
    return found


def files_of(folder: Path, src: Source, name: str, where: str) -> list[Path]:
    """The files of a raw split in the folder of a repository; ``where`` is how an error says where that is.

    The README of a repository says which files belong to which configuration and split, as on the hub; without one, the
    usual layouts are tried: ``<config>/<split>-*``, ``<config>/<split>/*``, ``data/<split>-*`` and the like.

    Raises:
        Absent: If the folder has no such configuration or split; names what is there.
        StiltsError: If the README cannot be read, or names files that are not read here.
    """
    splits = _layout(folder, src.config)
    if splits is None:
        script = folder / f"{folder.name}.py"
        if script.exists() and not _configs(folder):
            raise script_refused(str(src.id))
        raise lacks(f"'{src.id}' {where}", "configuration", src.config, _configs(folder), Absent)
    if not splits.get(name):
        there = sorted(key for key, paths in splits.items() if paths)
        raise lacks(f"'{src.id}', configuration '{src.config}' {where}", "split", name, there, Absent)
    found = card.of_one_kind(splits[name])
    if not found:
        tables.check_format(splits[name][0])
    return found


def _missing(folder: Path, config: str, name: str, there: Sequence[Path]) -> list[str]:
    """Names of files of a split that are not there: those that the card lists, and shards of which others are there."""
    lost: list[str] = []
    declared = card.card_of(folder).configs.get(config)
    for pattern in (declared.splits or {}).get(name, ()) if declared else ():
        if declared and not glob.has_magic(pattern) and not (folder / declared.folder / pattern).is_file():
            lost.append(pattern)
    shards: dict[tuple[Path, str, int], set[int]] = {}
    for path in there:
        match = _SHARD.match(path.name)
        if match:
            shards.setdefault((path.parent, match["name"], int(match["all"])), set()).add(int(match["at"]))
    for (_, stem, n), found in shards.items():
        lost += [f"{stem}-{at:05d}-of-{n:05d}" for at in range(n) if at not in found]
    return lost


def script_refused(repo: str) -> StiltsError:
    """The error for a repository whose rows only a script makes."""
    return Absent(
        f"'{repo}' holds a loading script ({repo.split('/')[-1]}.py), which is never run: give a revision with parquet "
        "files, such as refs/convert/parquet."
    )


def declared_types(folder: Path, config: str) -> object:
    """The types of a configuration's columns as the README of the repository gives them; None if it does not."""
    return card.card_of(folder).types.get(config)


def between(folder: Path, config: str) -> str | None:
    """What stands between the fields of a configuration's csv files, where the README says it."""
    declared = card.card_of(folder).configs.get(config)
    return declared.between if declared else None


def _data_files(folder: Path, pattern: str) -> list[Path]:
    return [path for path in card.matching(folder, pattern) if tables.is_table(path)]


def _layout(folder: Path, config: str) -> dict[str, list[Path]] | None:
    """Split -> files of a configuration; None where the folder has no such configuration."""
    declared = card.card_of(folder).configs
    if config in declared:
        own = declared[config]
        if own.splits is None:
            return card.named(folder / own.folder)
        return {
            split: [path for pattern in patterns for path in card.matching(folder / own.folder, pattern)]
            for split, patterns in own.splits.items()
        }
    if (folder / config).is_dir():
        base = folder / config
    elif config == "default" and not declared:
        return card.named(folder)
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
    declared = set(card.card_of(folder).configs)
    inside = {p.name for p in folder.iterdir() if p.is_dir() and (_data_files(p, "*") or _data_files(p, "*/*"))}
    return sorted(declared | (inside - {"data"}) if declared or inside else [])

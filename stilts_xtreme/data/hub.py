"""Raw rows of the hub, or of a folder that is laid out like it: which files they are in, and how they are read."""

from __future__ import annotations

import contextlib
import functools
import glob
import gzip
import hashlib
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.data import readers
from stilts_xtreme.data.schema import SPLITS, Columns, DatasetSpec
from stilts_xtreme.errors import StiltsError, unknown

_log = logging.getLogger(__name__)
_BUILDERS = {"parquet": "parquet", "jsonl": "json", "json": "json", "csv": "csv"}
_TIMEOUT = 8.0  # seconds until the hub counts as not reachable; the library's own retries take half a minute
_SLICE = re.compile(r"(?P<name>.+)\[:(?P<rows>\d+)\]$")
_offline_lock = threading.RLock()
_reached: set[tuple[str, str | None]] = set()


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
        return readers.ccg_files(root, name)
    src = source(spec, language)
    if src.id is None:
        readers.refuse_unreadable(spec)
        raise StiltsError(f"{spec.name} has no id, so there is nothing to read.")
    folder = Path(root) / src.id
    if not folder.is_dir():
        there = sorted(f"{p.parent.name}/{p.name}" for p in Path(root).glob("*/*") if p.is_dir())
        raise readers.lacks(f"data.root={root}", "folder", src.id, there)
    splits = _layout(folder, src.config)
    if splits is None:
        script = folder / f"{folder.name}.py"
        if script.exists() and not _configs(folder):
            raise _script(src.id)
        raise readers.lacks(f"'{src.id}' in data.root", "configuration", src.config, _configs(folder))
    if not splits.get(name):
        there = sorted(key for key, paths in splits.items() if paths)
        raise readers.lacks(f"'{src.id}', configuration '{src.config}' in data.root", "split", name, there)
    return splits[name]


def present(spec: DatasetSpec, split: str, language: str, root: str | Path) -> bool:
    """Whether the root holds rows of all raw splits that make up the split."""
    try:
        return bool(raw_splits(spec, split)) and count(spec, split, language, root) != 0
    except StiltsError:
        return False


def count(spec: DatasetSpec, split: str, language: str, root: str | Path) -> int | None:
    """Rows of a split in a root, from file metadata where there is any; None where only reading them would tell."""
    total = 0
    for raw in raw_splits(spec, split):
        name, limit = sliced(raw)
        prefix = spec.codes.get(language, language) if spec.reader == "tydiqa" else ""
        counts = [_rows_of(path, *_stamp(path), prefix) for path in files(spec, name, language, root)]
        if None in counts:
            return None
        rows = sum(counts)  # type: ignore[arg-type]
        total += rows if limit is None else min(rows, limit)
    return total


def digests(spec: DatasetSpec, raw_split: str, language: str, root: str | Path) -> list[object]:
    """SHA-256 of each file of a raw split, and the types that the README gives their columns, if it does."""
    out: list[object] = [_digest(path, *_stamp(path)) for path in files(spec, raw_split, language, root)]
    if spec.reader != "ccg":
        src = source(spec, language)
        declared = _declared_types(Path(root) / str(src.id), src.config)
        if declared:
            out.append({"readme": declared})
    return out


def read(spec: DatasetSpec, split: str, language: str, root: str | None, labels: tuple[str, ...] | None) -> Columns:
    """Reads a split of a language in canonical columns, before any check.

    Args:
        spec: The data set.
        split: Canonical split.
        language: One of ``spec.languages``.
        root: Folder laid out like the hub; None reads the hub itself.
        labels: Label names in canonical order; None reads texts only.

    Raises:
        StiltsError: If the rows cannot be reached, or are not as the spec says.
    """
    readers.refuse_unreadable(spec)
    names = raw_splits(spec, split)
    if not names:
        there = [name for name in SPLITS if raw_splits(spec, name)]
        raise StiltsError(f"{spec.name} has no {split} split; it has: {', '.join(there)}.")
    source(spec, language)
    joined: Columns = {}
    for name in names:
        for column, values in readers.read(_raw(spec, name, language, root), spec, labels).items():
            joined.setdefault(column, []).extend(values)
    return joined


def _script(repo: str) -> StiltsError:
    return StiltsError(
        f"'{repo}' holds a loading script ({repo.split('/')[-1]}.py), which is never run: give a revision with parquet "
        "files, such as refs/convert/parquet."
    )


def _unreachable(repo: str) -> StiltsError:
    return StiltsError(
        f"There is no network for '{repo}': bring its rows into a folder on a machine with network and pass "
        "data.root=FOLDER."
    )


def _raw(spec: DatasetSpec, raw_split: str, language: str, root: str | None) -> readers.Raw:
    if spec.reader == "ccg":
        return readers.ccg(root, raw_split)
    src = source(spec, language)
    name, limit = sliced(raw_split)
    if root:
        data, features = _from_folder(files(spec, name, language, root), Path(root) / str(src.id), src.config)
        data = data.select(range(min(limit, len(data)))) if limit is not None else data
    else:
        data = _from_hub(src, name, limit)
        features = dict(data.features)
    where = f"'{src.id}', configuration '{src.config}', split '{name}'" + (" in data.root" if root else "")
    ids = [f"{name}-{i}" for i in range(len(data))]
    if spec.reader == "tydiqa":
        if "id" not in features:
            raise readers.lacks(where, "column", "id", list(features))
        code = spec.codes.get(language, language)
        rows = [i for i, row_id in enumerate(data["id"]) if readers.language_of_id(row_id) == code]
        data, ids = data.select(rows), [ids[i] for i in rows]
    wanted = [column for column in readers.raw_columns(spec, list(features)) if column in features]
    columns = {column: list(data[column]) for column in wanted}
    return readers.Raw(columns, features, ids, where)


def _cache() -> str:
    base = os.environ.get("STILTS_CACHE")
    return str(Path(base) / "datasets" if base else Path.home() / ".cache" / "stilts_xtreme" / "datasets")


def _from_folder(paths: list[Path], folder: Path, config: str) -> tuple[Any, dict[str, object]]:
    import datasets

    builder = _BUILDERS[_suffix(paths[0])]
    try:
        with _offline(), _quiet():
            data = datasets.load_dataset(
                builder, data_files=[glob.escape(str(path)) for path in paths], split="train", cache_dir=_cache()
            )
    except Exception as error:  # whatever the library raises about a file, the user needs its name
        raise StiltsError(f"{paths[0]} cannot be read as {builder}: {_first_line(error)}.") from error
    features = dict(data.features)
    if _declared_types(folder, config):
        with _offline():
            info = datasets.info.DatasetInfosDict.from_directory(str(folder)).get(config)
        for name, feature in (info.features or {}).items() if info else ():
            if name in features and readers.kind(feature).endswith("label"):  # a file may hold bare integers
                features[name] = feature
    return data, features


def _from_hub(src: Source, raw_split: str, limit: int | None) -> Any:
    import datasets

    if src.id is None:
        raise StiltsError("A data set without an id is only read from data.root.")
    reachable = _reachable(src.id, src.revision)
    options = {"split": raw_split, "revision": src.revision, "cache_dir": _cache()}
    try:
        with contextlib.nullcontext() if reachable else _offline(), _quiet():
            if limit is None:
                return datasets.load_dataset(src.id, src.config, verification_mode="no_checks", **options)
            stream = datasets.load_dataset(src.id, src.config, streaming=True, **options)
            return datasets.Dataset.from_list(list(stream.take(limit)), features=stream.features)
    except (ConnectionError, FileNotFoundError) as error:
        if isinstance(error, ConnectionError) or not reachable:
            raise _unreachable(src.id) from error
        raise StiltsError(f"'{src.id}' cannot be read from the hub: {_first_line(error)}.") from error
    except Exception as error:
        if not reachable:
            raise _unreachable(src.id) from error
        if "script" in str(error).lower():
            raise _script(src.id) from error
        raise StiltsError(f"'{src.id}' cannot be read from the hub: {_first_line(error)}.") from error


def _reachable(repo: str, revision: str | None) -> bool:
    """Asks the hub once and briefly, so that a machine without network fails in seconds.

    Raises:
        StiltsError: If the hub answers that there is no such repository or revision, or only a loading script.
    """
    if (repo, revision) in _reached:
        return True
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(repo, revision=revision, timeout=_TIMEOUT)
    except RepositoryNotFoundError as error:
        raise StiltsError(f"The hub has no data set '{repo}', or it needs a login.") from error
    except RevisionNotFoundError as error:
        raise StiltsError(f"The hub's '{repo}' has no revision '{revision}'.") from error
    except Exception as error:
        _log.info("The hub is not reachable for '%s': %s", repo, _first_line(error))
        return False
    if f"{repo.split('/')[-1]}.py" in [file.rfilename for file in info.siblings or []]:
        raise _script(repo)
    _reached.add((repo, revision))
    return True


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Refuses connections: the library asks the hub even about local files (it counts loads)."""
    import datasets
    from huggingface_hub import constants

    with _offline_lock:
        before = (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import datasets

    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not shown:
            datasets.enable_progress_bars()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _suffix(path: Path) -> str:
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
    suffix = _suffix(path)
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


@functools.lru_cache(maxsize=256)
def _front_matter(path: Path, size: int, mtime_ns: int) -> Mapping[str, Any]:
    match = re.match(r"---\s*\n(.*?)\n---", path.read_text(encoding="utf-8"), re.DOTALL)
    try:
        head = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError as error:
        raise StiltsError(f"The header of {path} is not valid YAML: {_first_line(error)}.") from error
    return head if isinstance(head, dict) else {}


def _readme(folder: Path) -> Mapping[str, Any]:
    path = folder / "README.md"
    return _front_matter(path, *_stamp(path)) if path.is_file() else {}


def _declared_types(folder: Path, config: str) -> object:
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
    return sorted(p for p in folder.glob(pattern) if p.is_file() and _suffix(p) in _BUILDERS)


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

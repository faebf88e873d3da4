"""Raw rows, read with the library ``datasets`` from the hub or from a folder that is laid out like it."""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import SPLITS, Columns, DatasetSpec
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.hub.errors import Unreachable, answers
from stilts_xtreme.data.readers import bitext, local, ranking
from stilts_xtreme.data.readers import columns as readers

_log = logging.getLogger(__name__)
_TIMEOUT = 8.0  # seconds until the hub counts as not reachable; the library's own retries take half a minute
_offline_lock = threading.RLock()
_reached: set[tuple[str, str | None]] = set()


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
    names = layout.raw_splits(spec, split)
    if not names:
        there = [name for name in SPLITS if layout.raw_splits(spec, name)]
        raise StiltsError(f"{spec.name} has no {split} split; it has: {', '.join(there)}.")
    layout.source(spec, language)
    own = bitext.files(root, language, names[0]) if root and spec.reader == "bucc" else []
    if own:
        return bitext.read_files(own)
    own = ranking.files(spec, names[0], language, root)
    if own:
        return ranking.read(spec, own, language)
    if spec.reader == "lareqa":
        raise ranking.lacking(spec)
    joined: Columns = {}
    for name in names:
        for column, values in readers.read(_raw(spec, name, language, root), spec, labels).items():
            joined.setdefault(column, []).extend(values)
    return joined


def places(
    spec: DatasetSpec, split: str, language: str, root: str | None, ids: Sequence[str], last: bool = False
) -> list[str]:
    """Where some rows are, in words: file and line, found by reading them once more.

    Args:
        spec: The data set.
        split: Canonical split.
        language: Language of the rows.
        root: Folder laid out like the hub, or None.
        ids: Ids of the rows, as in the canonical columns.
        last: Of rows with the same id the last, not the first.

    Returns:
        A place for each id, as far as there is one.
    """
    found: dict[str, str] = {}
    for name in layout.raw_splits(spec, split):
        raw = _raw(spec, name, language, root)
        own = raw.columns.get(spec.columns.get("id", ""), raw.ids)
        for at, key in enumerate(map(str, own)):
            if key in ids and (last or key not in found):
                found[key] = raw.at(at)
    return [found[key] for key in ids if key in found]


def _unreachable(repo: str) -> StiltsError:
    return StiltsError(
        f"There is no network for '{repo}': bring its rows into a folder on a machine with network and pass "
        "data.root=FOLDER."
    )


def _raw(spec: DatasetSpec, raw_split: str, language: str, root: str | None) -> readers.Raw:
    if spec.reader == "ccg":
        return local.ccg(root, raw_split)
    if spec.reader in ("conllu", "ud_relations"):
        return local.ud(root, language, raw_split, relations=spec.reader == "ud_relations")
    if spec.reader == "original":
        return local.original(spec, root, language, raw_split)
    src = layout.source(spec, language)
    name, limit = layout.sliced(raw_split)
    paths = layout.files(spec, name, language, root) if root else []
    if root:
        data, features = _from_folder(paths, Path(root) / str(src.id), src.config)
        data = data.select(range(min(limit, len(data)))) if limit is not None else data
    else:
        data = _from_hub(src, name, limit)
        features = dict(data.features)
    where = f"'{src.id}', configuration '{src.config}', split '{name}'" + (" in data.root" if root else "")
    ids = [f"{name}-{i}" for i in range(len(data))]
    rows = list(range(len(data)))
    if spec.reader == "tydiqa":
        if "id" not in features:
            raise readers.lacks(where, "column", "id", list(features))
        code = spec.codes.get(language, language)
        rows = [i for i, row_id in enumerate(data["id"]) if readers.language_of_id(row_id) == code]
        data, ids = data.select(rows), [ids[i] for i in rows]
    wanted = [column for column in readers.raw_columns(spec, list(features)) if column in features]
    columns = {column: list(data[column]) for column in wanted}
    return readers.Raw(
        columns,
        features,
        ids,
        where,
        lambda at: layout.place(paths, rows[at]) if paths else f"{where}, row {rows[at] + 1}",
    )


def _cache() -> str:
    base = os.environ.get("STILTS_CACHE")
    return str(Path(base) / "datasets" if base else Path.home() / ".cache" / "stilts_xtreme" / "datasets")


def _from_folder(paths: list[Path], folder: Path, config: str) -> tuple[Any, dict[str, object]]:
    import datasets

    builder = layout.BUILDERS[layout.extension(paths[0])]
    try:
        with _offline(), _quiet():
            data = datasets.load_dataset(
                builder, data_files=[glob.escape(str(path)) for path in paths], split="train", cache_dir=_cache()
            )
    except Exception as error:  # whatever the library raises about a file, the user needs its name
        raise StiltsError(f"{paths[0]} cannot be read as {builder}: {layout.first_line(error)}.") from error
    features = dict(data.features)
    if layout.declared_types(folder, config):
        with _offline():
            info = datasets.info.DatasetInfosDict.from_directory(str(folder)).get(config)
        for name, feature in (info.features or {}).items() if info else ():
            if name in features and readers.kind(feature).endswith("label"):  # a file may hold bare integers
                features[name] = feature
    return data, features


def _from_hub(src: layout.Source, raw_split: str, limit: int | None) -> Any:
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
        raise StiltsError(f"'{src.id}' cannot be read from the hub: {layout.first_line(error)}.") from error
    except Exception as error:
        if not reachable:
            raise _unreachable(src.id) from error
        if "script" in str(error).lower():
            raise layout.script_refused(src.id) from error
        raise StiltsError(f"'{src.id}' cannot be read from the hub: {layout.first_line(error)}.") from error


def _reachable(repo: str, revision: str | None) -> bool:
    """Asks the hub once and briefly, so that a machine without network fails in seconds.

    Raises:
        StiltsError: If the hub answers that there is no such repository or revision, or only a loading script.
    """
    if (repo, revision) in _reached:
        return True
    from huggingface_hub import HfApi

    try:
        with answers(repo, revision):
            info = HfApi().dataset_info(repo, revision=revision, timeout=_TIMEOUT)
    except (Unreachable, OSError) as error:
        _log.info("%s", error)
        return False
    if f"{repo.split('/')[-1]}.py" in [file.rfilename for file in info.siblings or []]:
        raise layout.script_refused(repo)
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

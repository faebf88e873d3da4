"""Raw rows, read with the library ``datasets`` from the hub or from a folder that is laid out like it."""

from __future__ import annotations

import contextlib
import glob
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.hub.errors import Unreachable, answers
from stilts_xtreme.data.readers.base import Raw, Reader, kind, raw_columns
from stilts_xtreme.data.row_files import extension, first_line, place

_log = logging.getLogger(__name__)
_TIMEOUT = 8.0  # seconds until the hub counts as not reachable; the library's own retries take half a minute
_offline_lock = threading.RLock()
_reached: set[tuple[str, str | None]] = set()


def raw_rows(
    spec: DatasetSpec, reader: Reader, src: layout.Source, raw_split: str, language: str, root: str | None
) -> Raw:
    """The raw rows of a language that a repository has in one of its splits.

    Args:
        spec: The data set.
        reader: Its reader.
        src: The repository that has the language.
        raw_split: One of its splits, a slice such as ``train[:100]`` included.
        language: One of ``spec.languages``.
        root: Folder laid out like the hub; None reads the hub itself.

    Raises:
        StiltsError: If the rows cannot be reached.
    """
    name, limit = layout.sliced(raw_split)
    paths = layout.files(root, src, name) if root else []
    if root:
        data, features = _from_folder(paths, Path(root) / str(src.id), src.config)
        data = data.select(range(min(limit, len(data)))) if limit is not None else data
    else:
        data = _from_hub(src, name, limit)
        features = dict(data.features)
    where = f"'{src.id}', configuration '{src.config}', split '{name}'" + (" in data.root" if root else "")
    rows = reader.kept(spec, language, data, where)
    if len(rows) < len(data):
        data = data.select(rows)
    wanted = [column for column in raw_columns(spec, list(features)) if column in features]
    columns = {column: list(data[column]) for column in wanted}
    return Raw(
        columns,
        features,
        [f"{name}-{row}" for row in rows],
        where,
        lambda at: place(paths, rows[at]) if paths else f"{where}, row {rows[at] + 1}",
    )


def _unreachable(repo: str) -> StiltsError:
    return StiltsError(
        f"There is no network for '{repo}': bring its rows into a folder on a machine with network and pass "
        "data.root=FOLDER."
    )


def _from_folder(paths: list[Path], folder: Path, config: str) -> tuple[Any, dict[str, object]]:
    import datasets

    builder = layout.BUILDERS[extension(paths[0])]
    try:
        with _offline(), _quiet():
            data = datasets.load_dataset(builder, data_files=[glob.escape(str(path)) for path in paths], split="train")
    except Exception as error:  # whatever the library raises about a file, the user needs its name
        raise StiltsError(f"{paths[0]} cannot be read as {builder}: {first_line(error)}.") from error
    features = dict(data.features)
    if layout.declared_types(folder, config):
        with _offline():
            info = datasets.info.DatasetInfosDict.from_directory(str(folder)).get(config)
        for name, feature in (info.features or {}).items() if info else ():
            if name in features and kind(feature).endswith("label"):  # a file may hold bare integers
                features[name] = feature
    return data, features


def _from_hub(src: layout.Source, raw_split: str, limit: int | None) -> Any:
    import datasets

    assert src.id is not None
    reachable = _reachable(src.id, src.revision)
    options = {"split": raw_split, "revision": src.revision}
    try:
        with contextlib.nullcontext() if reachable else _offline(), _quiet():
            if limit is None:
                return datasets.load_dataset(src.id, src.config, verification_mode="no_checks", **options)
            stream = datasets.load_dataset(src.id, src.config, streaming=True, **options)
            return datasets.Dataset.from_list(list(stream.take(limit)), features=stream.features)
    except (ConnectionError, FileNotFoundError) as error:
        if isinstance(error, ConnectionError) or not reachable:
            raise _unreachable(src.id) from error
        raise StiltsError(f"'{src.id}' cannot be read from the hub: {first_line(error)}.") from error
    except Exception as error:
        if not reachable:
            raise _unreachable(src.id) from error
        if "script" in str(error).lower():
            raise layout.script_refused(src.id) from error
        raise StiltsError(f"'{src.id}' cannot be read from the hub: {first_line(error)}.") from error


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

"""Raw rows, read with the library ``datasets`` from the hub or from a folder that is laid out like it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data import tables
from stilts_xtreme.data.hub import card, layout
from stilts_xtreme.data.hub.errors import Unreachable, answers
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import Raw, kind, raw_columns
from stilts_xtreme.data.row_files import first_line, read_as
from stilts_xtreme.data.tables.types import Table, joined, with_lists
from stilts_xtreme.tasks import row_format_of

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
    where = f"'{src.id}', configuration '{src.config}', split '{name}'"
    if root:
        paths = layout.files(root, src, name, limit)
        where += f" in data.root ({paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''})"
        found = _from_folder(spec, paths, Path(root) / str(src.id), src.config, limit)
    else:
        data = _from_hub(src, name, limit)
        wanted = [column for column in raw_columns(spec, list(data.features)) if column in data.features]
        columns = {column: list(data[column]) for column in wanted}
        found = Table(columns, dict(data.features), lambda at: f"{where}, row {at + 1}", rows=len(data))
    rows = reader.kept(spec, language, found.columns, len(found), where)
    kept = found.taken(rows)
    return Raw(kept.columns, kept.features, [f"{name}-{row}" for row in rows], where, kept.at)


def _unreachable(repo: str) -> StiltsError:
    return StiltsError(
        f"There is no network for '{repo}': bring its rows into a folder on a machine with network and pass "
        "data.root=FOLDER."
    )


def _from_folder(spec: DatasetSpec, paths: list[Path], folder: Path, config: str, limit: int | None) -> Table:
    """The columns of some files that a data set needs, with the types that the files or else the README give them."""
    parts: list[Table] = []
    rows = 0
    for path in paths:
        if limit is not None and rows >= limit:
            break
        wanted = [part.strip().split(".")[0] for names in spec.columns.values() for part in names.split(",")]
        part = tables.read(path, wanted, None if limit is None else limit - rows, layout.between(folder, config))
        parts.append(_with_lists(spec, part))
        rows += len(part)
    found = joined(parts, limit)
    declared = layout.declared_types(folder, config)
    if declared:
        from datasets import Features

        with read_as(card.card_of(folder).path, "the types of columns"):
            types = dict(Features._from_yaml_list(declared))
        labels = {name: own for name, own in types.items() if name in found.features and kind(own).endswith("label")}
        found = replace(found, features={**found.features, **labels})  # a file may hold bare integers
    return found


def _with_lists(spec: DatasetSpec, table: Table) -> Table:
    lists = row_format_of(spec.format).lists
    return with_lists(table, [spec.columns.get(name, name) for name in lists])


def _from_hub(src: layout.Source, raw_split: str, limit: int | None) -> Any:
    import datasets

    assert src.id is not None
    reachable = _reachable(src.id, src.revision)
    options = {"split": raw_split, "revision": src.revision}
    try:
        with contextlib.nullcontext() if reachable else _offline(), _quiet():
            if limit is None:
                whole = datasets.load_dataset(src.id, src.config, verification_mode="no_checks", **options)
                _refuse_guessed(src.id, whole.info)
                return whole
            stream = datasets.load_dataset(src.id, src.config, streaming=True, **options)
            _refuse_guessed(src.id, stream.info)
            return datasets.Dataset.from_list(list(stream.take(limit)), features=stream.features)
    except StiltsError:
        raise
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


def _refuse_guessed(repo: str, info: Any) -> None:
    """Refuses files of text without types, in which the library takes words such as NA for nothing and 007 for 7.

    Raises:
        StiltsError: The rows are from such files.
    """
    if info.builder_name == "csv":
        raise StiltsError(
            f"The rows of '{repo}' are in csv or tsv files, of which the library datasets changes texts such as NA and "
            "007: bring them into a folder (python -m stilts_xtreme.fetch ... data.root=FOLDER) and pass "
            "data.root=FOLDER, where a text is what the file has."
        )


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

"""Folders that ``datasets`` has saved, and its objects: what ``Dataset`` and ``DatasetDict.save_to_disk`` write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.row_files import first_line, json_of
from stilts_xtreme.data.tables import arrow
from stilts_xtreme.data.tables.types import Table

SAVED = ("dataset_info.json", "dataset_dict.json")
"""One of these is in a folder that ``datasets`` has saved."""


def read(path: Path, split: str) -> Table:
    """The rows of a folder written by ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk``.

    Raises:
        StiltsError: It is no such folder, or has no such split.
    """
    from datasets import load_from_disk

    folder = folder_of(path, split)
    count(path, split)  # every file is opened by its own name first
    try:
        dataset = load_from_disk(str(folder))
    except Exception as error:  # whatever the library raises about a folder, the user needs its name
        raise StiltsError(
            f"{folder} cannot be read ({first_line(error)}); write it again with save_to_disk."
        ) from error
    return of_dataset(dataset, str(folder))


def folder_of(path: Path, split: str) -> Path:
    """The folder of one saved ``Dataset``: the folder itself, or that of a split of a saved ``DatasetDict``.

    Raises:
        StiltsError: It is neither, or has no such split.
    """
    if (path / SAVED[1]).is_file():
        there = _object(path / SAVED[1]).get("splits")
        if not isinstance(there, list) or not all(isinstance(name, str) for name in there):
            raise _damaged(path / SAVED[1])
        if split not in there:
            raise StiltsError(f"{path} has no split '{split}'; it has: {', '.join(there) or 'none'}.")
        return path / split
    if not (path / SAVED[0]).is_file():
        raise StiltsError(
            f"{path} is a folder that datasets.save_to_disk has not written: name a file, or such a folder."
        )
    return path


def _object(path: Path) -> dict[str, Any]:
    found = json_of(path)
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> StiltsError:
    return StiltsError(f"{path} is not what datasets.save_to_disk writes; write the folder again with it.")


def types_of(folder: Path) -> object:
    """What a saved ``Dataset`` says of the types of its columns.

    Raises:
        StiltsError: It cannot be read.
    """
    return _object(folder / SAVED[0]).get("features")


def of_dataset(dataset: Any, where: str) -> Table:
    """The rows of a ``datasets.Dataset``."""
    columns = {name: list(dataset[name]) for name in dataset.column_names}
    return Table(columns, dict(dataset.features), lambda at: f"{where} row {at + 1}")


def count(path: Path, split: str) -> int:
    """Rows of a folder, without reading values.

    Raises:
        StiltsError: As :func:`read`.
    """
    return sum(arrow.count_arrow(part) for part in arrow_files(folder_of(path, split)))


def arrow_files(folder: Path) -> list[Path]:
    """The files of rows of a saved ``Dataset``, in their order.

    Raises:
        StiltsError: The folder does not say which they are.
    """
    try:
        return [folder / file["filename"] for file in _object(folder / "state.json")["_data_files"]]
    except (KeyError, TypeError) as error:
        raise _damaged(folder / "state.json") from error

"""Folders that ``datasets`` has saved, and its objects: what ``Dataset`` and ``DatasetDict.save_to_disk`` write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.local.types import Table
from stilts_xtreme.data.row_files import first_line

SAVED = ("dataset_info.json", "dataset_dict.json")
"""One of these is in a folder that ``datasets`` has saved."""


def read(path: Path, split: str) -> Table:
    """The rows of a folder written by ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk``.

    Raises:
        StiltsError: It is no such folder, or has no such split.
    """
    from datasets import load_from_disk

    folder = folder_of(path, split)
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
        there = json.loads((path / SAVED[1]).read_text("utf-8")).get("splits", [])
        if split not in there:
            raise StiltsError(f"{path} has no split '{split}'; it has: {', '.join(there) or 'none'}.")
        return path / split
    if not (path / SAVED[0]).is_file():
        raise StiltsError(
            f"{path} is a folder that datasets.save_to_disk has not written: name a file, or such a folder."
        )
    return path


def of_dataset(dataset: Any, where: str) -> Table:
    """The rows of a ``datasets.Dataset``."""
    columns = {name: list(dataset[name]) for name in dataset.column_names}
    return Table(columns, dict(dataset.features), lambda at: f"{where} row {at + 1}")


def count(path: Path, split: str) -> int:
    """Rows of a folder, without reading values.

    Raises:
        StiltsError: As :func:`read`.
    """
    import pyarrow as pa

    total = 0
    for part in arrow_files(folder_of(path, split)):
        with pa.memory_map(str(part)) as source:
            total += sum(batch.num_rows for batch in pa.ipc.open_stream(source))
    return total


def arrow_files(folder: Path) -> list[Path]:
    """The files of rows of a saved ``Dataset``, in their order."""
    state = json.loads((folder / "state.json").read_text("utf-8"))
    return [folder / file["filename"] for file in state["_data_files"]]

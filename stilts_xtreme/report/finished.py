"""The folders of finished cells: how they are published, and the one door by which their results are read.

A folder holds the cell's configuration, predictions, labels, tables and result, and a manifest with a digest of each
that is written last. What is not as the manifest says is never taken for a result. All of it comes from the stages, so
the command of the cell, given again, publishes it again without training. A cell of an earlier version has no manifest
and is taken as it is. Curves are not in the manifest: a logger writes them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.manifest import are_files, files_of, is_whole, mismatch, sealed

SCHEMA = 1
MANIFEST = "manifest.json"
RECORDS = ("config.json", "result.json")
FOLDERS = ("predictions", "labels")
PARTS = ("config.json", *FOLDERS, "layers.csv", "tokens.csv", "shots.json", "table.md", "model_card.md", "result.json")
"""What is published, in this order."""
FIELDS = ("schema", "cell", "publishing", "files")
KINDS = {
    "cell": str,
    "model": str,
    "intermediate": list,
    "seed": int,
    "stages": list,
    "rows": list,
    "comparison": list,
    "averages": dict,
    "synthetic": bool,
}
"""Field of a result -> what it holds; the others may be null."""
FRESH = ".fresh"
"""Where parts are written before they are published."""
PUBLISH_SECONDS = 2.0
"""A publication renames files, which takes less than this."""
REMEDY = "give the command of the cell again: it publishes the cell from its stages, without training"


@contextmanager
def publication(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to write a cell's parts to; afterwards they are published, the manifest last.

    A kill at any moment leaves the cell as it was, or one that is not taken for finished. The caller holds its lock.

    Args:
        folder: The cell's folder.
    """
    fresh = folder / FRESH
    for left in (fresh, *(folder / f".{part}" for part in FOLDERS)):  # of a killed run, also of an earlier version
        shutil.rmtree(left, ignore_errors=True)
    fresh.mkdir(parents=True)
    yield fresh
    files = files_of(fresh, (path for path in fresh.rglob("*") if path.is_file()))
    _write(folder, {"publishing": True, "files": {}})
    for part in PARTS:
        if (fresh / part).exists():
            _give_way(folder / part, (fresh / part).is_dir())
            os.replace(fresh / part, folder / part)
    _write(folder, {"publishing": False, "files": files})
    shutil.rmtree(fresh, ignore_errors=True)


def _give_way(path: Path, folder: bool) -> None:
    """Removes what stands where a part is published and would not be replaced by it: a folder, or a file for one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    elif folder:
        path.unlink(missing_ok=True)


def _write(folder: Path, content: dict[str, Any]) -> None:
    manifest = sealed({"schema": SCHEMA, "cell": folder.name, **content})
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))


def begun(folder: Path) -> bool:
    """Whether anything of a cell has been published; curves are there before."""
    return any((folder / name).exists() for name in (*PARTS, MANIFEST))


def is_there(folder: Path) -> bool:
    """Whether a folder is that of a cell that has been finished, be it damaged."""
    return (folder / MANIFEST).exists() or (folder / "result.json").exists()


def damage(folder: Path, full: bool = True, only: tuple[str, ...] = ()) -> str | None:
    """What is wrong with the folder of a cell.

    Args:
        folder: The folder.
        full: Also compare the digests of predictions, labels and tables, not only their presence and size.
        only: Look at these of :data:`PARTS` alone; empty for all.

    Returns:
        The first mismatch in words. None when all is as the manifest says, and where an earlier version wrote none.

    Raises:
        StiltsError: A newer version wrote it.
    """
    if not (folder / MANIFEST).exists():
        return None
    end = time.monotonic() + PUBLISH_SECONDS
    while (manifest := _manifest(folder)) and manifest["publishing"]:
        if time.monotonic() > end:
            return "a killed command has published only a part of it"
        time.sleep(0.1)
    if manifest is None:
        return f"{MANIFEST} cannot be read or has changed"
    files = manifest["files"]
    if not set(RECORDS) <= files.keys():
        return f"{MANIFEST} does not list {' and '.join(RECORDS)}"
    for part in set(only or FOLDERS).intersection(FOLDERS):
        for path in sorted((folder / part).rglob("*")):
            if path.is_file() and path.relative_to(folder).as_posix() not in files:
                return f"{path.relative_to(folder)} is not listed in {MANIFEST}"
    wanted = {name: entry for name, entry in files.items() if not only or name.partition("/")[0] in only}
    records = {name: wanted[name] for name in RECORDS if name in wanted}
    return mismatch(folder, wanted, full) or mismatch(folder, records)


def _manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a cell; None when it cannot be read."""
    try:
        found = read_json(folder / MANIFEST)
    except StiltsError:
        return None
    if isinstance(found, dict) and isinstance(found.get("schema"), int) and found["schema"] > SCHEMA:
        raise StiltsError(
            f"The cell {folder} was written by a newer version of stilts_xtreme; upgrade to read it, or set "
            "output=FOLDER elsewhere."
        )
    kinds = {"schema": int, "cell": str, "publishing": bool}
    if not isinstance(found, dict) or not all(isinstance(found.get(name), kind) for name, kind in kinds.items()):
        return None
    return found if are_files(found.get("files")) and is_whole(found, FIELDS) else None


def refuse_damage(folder: Path, only: tuple[str, ...] = ()) -> None:
    """Refuses the folder of a cell that is not as its manifest says; ``only`` as of :func:`damage`.

    Raises:
        StiltsError: Names the file and the remedy.
    """
    found = damage(folder, only=only)
    if found is not None:
        raise StiltsError(f"The cell {folder} is damaged: {found}; it is not used. To mend it, {REMEDY}.")


def read_result(folder: Path, needs: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> dict[str, Any]:
    """What ``result.json`` of a finished cell holds, after a check of the folder.

    Args:
        folder: The cell's folder.
        needs: Fields that it must have.
        only: As of :func:`damage`.

    Raises:
        StiltsError: The cell is damaged or not finished; names the file and the remedy.
    """
    refuse_damage(folder, only)
    path = folder / "result.json"
    if not path.exists():
        raise StiltsError(f"{folder} is not the folder of a finished cell: there is no result.json.")
    try:
        result = read_json(path)
    except StiltsError as error:
        raise StiltsError(f"{str(error).rstrip('.')}; to mend it, {REMEDY}.") from error
    what = None if isinstance(result, dict) else "it is no JSON object"
    for name in needs if what is None else ():
        if name not in result or not isinstance(result[name], KINDS.get(name, object)):
            what = f"its field '{name}' is missing or of another kind"
    if what is not None:
        raise StiltsError(f"{path} is not a cell's result: {what}; to mend it, {REMEDY}.")
    return result

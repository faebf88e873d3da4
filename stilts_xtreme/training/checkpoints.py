"""Checkpoints of a training: the last one and the one before it, with the digests by which damage is found.

A flipped bit in a checkpoint loads without a word, and the weights that are published then are others. So a checkpoint
is used only when its SHA-256 is one of those that :data:`DIGESTS` lists. One that an earlier version wrote has no
digest and is used when it can be loaded.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import digest, write_atomic

log = logging.getLogger(__name__)

LAST, BEFORE, DIGESTS = "last.ckpt", "before.ckpt", "digests.json"
KEPT = 20
"""Digests in the list: more than two, since a kill may come after a digest was listed and before its file was there."""


class DamagedCheckpoint(StiltsError):
    """What a killed training left cannot be used."""

    def __init__(self, path: Path, what: str):
        super().__init__(
            f"The checkpoint {path} is damaged: {what}, and there is no whole one before it; give "
            "store.damaged=retrain to train this stage from its beginning."
        )


def write(folder: Path, save: Callable[[Path], object]) -> None:
    """Writes the newest checkpoint and keeps the one before it.

    At any moment of a kill one of the two is whole and its digest is listed.

    Args:
        folder: Where both are.
        save: Writes a checkpoint to the file that it is given.
    """
    scratch, last = folder / "last.tmp", folder / LAST
    save(scratch)
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    listed = (_listed(folder) or []) if (folder / DIGESTS).exists() else []
    if last.exists() and not listed:  # of an earlier version, or beside a list that is damaged
        listed = [digest(last)]
    write_atomic(folder / DIGESTS, json.dumps([digest(scratch), *listed[: KEPT - 1]]))
    if last.exists():
        os.replace(last, folder / BEFORE)
    os.replace(scratch, last)


def usable(folder: Path) -> Path | None:
    """The newest whole checkpoint of a folder; None where a training begins.

    Raises:
        DamagedCheckpoint: When there are checkpoints and none is whole.
    """
    there = [path for path in (folder / LAST, folder / BEFORE) if path.exists()]
    if not there:
        return None
    if not (folder / DIGESTS).exists():
        return _loadable(there[0])
    listed = _listed(folder)
    if listed is None:
        raise DamagedCheckpoint(folder / DIGESTS, "it is no list of digests")
    for path in there:
        if digest(path) in listed:
            if path != there[0]:
                log.warning(
                    "the checkpoint %s is damaged (its content has changed); training goes on from the one before it",
                    there[0],
                )
            return path
    raise DamagedCheckpoint(there[0], "its content has changed")


def clear(scratch: Path) -> None:
    """Empties a scratch folder of everything that a killed attempt left, its checkpoints too."""
    for entry in scratch.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _listed(folder: Path) -> list[str] | None:
    """The digests of the folder's checkpoints, the newest first; None when the list cannot be read."""
    try:
        found = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


def _loadable(path: Path) -> Path:
    try:
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever the library raises about a file, the user needs its name
        raise DamagedCheckpoint(path, (str(error).strip().splitlines() or [type(error).__name__])[0]) from error
    return path

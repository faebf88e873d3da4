"""Checks of an output folder before anything is trained for it."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import uuid
from pathlib import Path

from stilts_xtreme.cell.manifests import STORE_SCHEMA
from stilts_xtreme.core.disk import whose
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import disk_errors, write_atomic

log = logging.getLogger(__name__)

FOLDERS = ("", "stages", "scratch", "locks", "cells", "sweeps")
"""What is written to below an output folder."""

NO_LOCKS = (
    "so two processes could train the same stage; set output=FOLDER on another file system, or have this one mounted "
    "with locks (Lustre: flock; NFS: without nolock)."
)


def check(root: str | Path) -> None:
    """Makes an output folder, or looks at one that is there.

    Args:
        root: The folder.

    Raises:
        StiltsError: When a newer version has written to it, a folder in it cannot be written, locks do not work, or its
            folders lie on several file systems.
    """
    root = Path(root)
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        _refuse_newer(root)
        if (folder := closed(root)) is not None:
            why = "it is on a read-only file system" if _read_only(folder) else whose(folder)
            raise StiltsError(
                f"No permission to write to {folder}: {why}; something is to be made there, so set output=FOLDER "
                "to one that can be written."
            )
        if not (root / "store.json").exists():
            write_atomic(root / "store.json", json.dumps({"schema": STORE_SCHEMA}) + "\n")
        _refuse_without_locks(root)
        _refuse_two_file_systems(root)
    alone = local_locks(root)
    if alone:
        log.warning("%s; give this output folder to processes of one machine only", alone)


def closed(root: str | Path) -> Path | None:
    """The first folder of an output folder that is there and cannot be written; None without one."""
    for name in FOLDERS:
        folder = Path(root) / name
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _refuse_newer(root: Path) -> None:
    try:
        schema = int(json.loads((root / "store.json").read_text(encoding="utf-8"))["schema"])
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError) as error:
        raise StiltsError(f"{root / 'store.json'} cannot be read; remove it, and it is written anew.") from error
    if schema > STORE_SCHEMA:
        raise StiltsError(
            f"The store {root} was written by a newer version of stilts_xtreme (schema {schema}, this one reads up to "
            f"{STORE_SCHEMA}); upgrade, or set output=FOLDER elsewhere."
        )


def _refuse_without_locks(root: Path) -> None:
    """Takes a lock and tries to take it once more, as another process would."""
    (root / "locks").mkdir(exist_ok=True)
    place = root / "locks" / "self-test"
    first, second = (os.open(place, os.O_RDWR | os.O_CREAT, 0o666) for _ in range(2))
    try:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another process is trying the same: locks work
        except OSError as error:
            raise StiltsError(f"File locks do not work in {root} ({error.strerror}), {NO_LOCKS}") from error
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        raise StiltsError(f"File locks do not work in {root} (one was given out twice), {NO_LOCKS}")
    finally:
        os.close(first)
        os.close(second)


def _refuse_two_file_systems(root: Path) -> None:
    """Moves an empty folder as a finished stage is moved: by a rename, which no two file systems share."""
    probe = f".self-test-{uuid.uuid4().hex}"
    for name in ("stages", "damaged"):
        if not (root / name).exists():
            continue
        (root / "scratch").mkdir(exist_ok=True)
        (root / "scratch" / probe).mkdir()
        try:
            os.rename(root / "scratch" / probe, root / name / probe)
            (root / name / probe).rmdir()
        except OSError as error:
            (root / "scratch" / probe).rmdir()
            if error.errno != errno.EXDEV:
                raise
            raise StiltsError(
                f"{root / 'scratch'} and {root / name} lie on two file systems, so a finished stage cannot be "
                "published by a rename; put both on one, or set output=FOLDER elsewhere."
            ) from error


def local_locks(root: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Says so when the locks of a network file system hold on one machine only, by the options of its mount.

    Args:
        root: A folder.
        mounts: The kernel's list of mounts, as in proc(5).

    Returns:
        A clause, or None when nothing is known against its locks.
    """
    try:
        lines = mounts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    place = root.resolve()
    best, found = -1, None
    for line in lines:
        left, _, right = line.partition(" - ")
        point = Path(left.split()[4].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best = len(point.parts)
            kind, _, options = right.split(" ", 2)
            told = set(left.split()[5].split(",")) | set(options.split(","))
            alone = told & {"nolock", "local_lock=all", "local_lock=flock", "localflock"}
            if not (kind.startswith("nfs") or kind == "lustre"):
                alone = set()
            found = f"the locks of {point} ({kind}, {min(alone)}) hold on this machine only" if alone else None
    return found

"""The stage store: every finished stage is an immutable folder under its key, made once, verified before use.

Layout below the output folder::

    stages/<key>/            a finished stage; manifest.json lists every file with size and digest, and is written last
    scratch/<key>/           a stage in the making; survives a kill, so that the same command continues it
    locks/<key>.lock         held by the process that makes the stage
    locks/<key>.weights      held by whoever reads the stage's weights (:mod:`stilts_xtreme.cell.thinning`)
    damaged/<key>-<n>/       a stage set aside because its files no longer match its manifest

A stage is made in scratch and published by renaming the folder, so no half-written stage can be taken for a whole one.
Locks are ``filelock``'s (``flock``), released by the operating system when a process dies, and by an NFS server for the
machine that it lost; :mod:`stilts_xtreme.cell.preflight` refuses a folder where they do not work. Nothing is decided
by a clock: times in a manifest are for people.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stilts_xtreme.cell.manifests import STORE_SCHEMA, is_manifest, is_newer, is_sealed, timeless
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import RESUME, disk_errors, shared, write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.manifest import SEAL, files_of, mismatch, refuse_removed, removed, seal_of
from stilts_xtreme.core.versions import versions

log = logging.getLogger(__name__)


class Store:
    """Finished stages by key below one output folder."""

    def __init__(self, root: str | Path, on_damage: str = "refuse"):
        self.root = Path(root)
        self.on_damage = on_damage

    def path(self, key: str) -> Path:
        """Folder of a finished stage, whether or not it exists."""
        return self.root / "stages" / key

    def scratch(self, key: str) -> Path:
        """Folder in which a stage is made."""
        return self.root / "scratch" / key

    def manifest(self, key: str) -> dict[str, Any] | None:
        """The manifest of a finished stage; None when the stage is not there or its manifest cannot be read."""
        try:
            found = read_json(self.path(key) / "manifest.json")
        except (NotADirectoryError, StiltsError):
            return None
        if is_newer(found):
            return dict(found)  # of an unknown layout; damage() refuses it
        return found if is_manifest(found) else None

    def damage(self, key: str, full: bool = True) -> str | None:
        """What is wrong with a finished stage.

        Args:
            key: The stage's key.
            full: Also compare every file's digest, not only its presence and size.

        Returns:
            The first mismatch in words, or None when the stage is whole or absent.
        """
        folder = self.path(key)
        if not folder.exists():
            return None
        manifest = self.manifest(key)
        if manifest is None:
            return "manifest.json is missing or cannot be read"
        if is_newer(manifest):
            raise StiltsError(
                f"The stage {folder} was written by a newer version of stilts_xtreme (schema {manifest['schema']}, "
                f"this one reads up to {STORE_SCHEMA}); upgrade, or set output=FOLDER elsewhere."
            )
        if manifest.get("key") != key:
            return f"manifest.json belongs to another stage ({manifest.get('key')})"
        if not is_sealed(manifest):
            return "the content of manifest.json has changed"
        return mismatch(folder, manifest["files"], full)

    def done(self, key: str) -> bool:
        """Whether a stage is finished and will not be made again.

        Its files have the right sizes. Where damaged stages are to be made again, they have the right digests, too.
        """
        return self.path(key).exists() and self.damage(key, full=self.on_damage == "retrain") is None

    def open(self, key: str, full: bool = True, thin: bool = False) -> Path:
        """The folder of a finished stage, checked.

        Args:
            key: The stage's key.
            full: As in :meth:`damage`.
            thin: A stage whose weights were removed will do, too.

        Raises:
            StiltsError: When the stage is damaged or absent, or has no weights any more.
        """
        found = self.damage(key, full)
        if found is not None:
            raise self._refusal(key, found)
        if not self.path(key).exists():
            raise StiltsError(f"The stage {key} is not in {self.root / 'stages'}.")
        if not thin:
            refuse_removed(self.path(key))
        return self.path(key)

    def _refusal(self, key: str, found: str) -> StiltsError:
        manifest = self.manifest(key) or {}
        remedy = "Give store.damaged=retrain to set it aside and make it again."
        if self.on_damage == "retrain":  # it was whole when this command looked
            remedy = "Give the same command again: it sets the stage aside and makes it again."
        return StiltsError(
            f"The stage {manifest.get('label', key)} in {self.path(key)} is damaged: {found}; it is not used. {remedy}"
        )

    def _refuse_damage(self, key: str) -> None:
        """Refuses a damaged stage or sets it aside; the caller holds its lock."""
        found = self.damage(key)
        if found is None:
            return
        folder = self.path(key)
        if self.on_damage == "refuse":
            raise self._refusal(key, found)
        aside = self.root / "damaged"
        aside.mkdir(parents=True, exist_ok=True)
        number = 0
        while (aside / f"{key}-{number}").exists():
            number += 1
        os.rename(folder, aside / f"{key}-{number}")
        log.warning("the damaged stage %s (%s) was set aside in %s", key, found, aside / f"{key}-{number}")

    def held(self, name: str) -> bool:
        """Whether a process holds the lock of a name; asked without writing, so by whoever may read the folder.

        Raises:
            OSError: Where a lock cannot be asked for without writing.
        """
        try:
            file = os.open(self.root / "locks" / f"{name}.lock", os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    @contextmanager
    def lock(self, name: str, label: str, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Holds the lock of a name; the operating system releases it when the process dies.

        Args:
            name: What is locked: a stage's key or a cell's name.
            label: Its name for people.
            on_wait: Told once when another process holds it.
        """
        (self.root / "locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / "locks" / f"{name}.lock", mode=shared())
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait(f"another process is making {label}; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def ensure(
        self,
        key: str,
        label: str,
        describe: dict[str, Any],
        make: Callable[[Path], dict[str, Any]],
        on_wait: Callable[[str], None] | None = None,
        whole: bool = False,
    ) -> tuple[Path, bool]:
        """Returns the finished folder of a stage, making it first if need be; exactly one process makes it.

        Args:
            key: The stage's key.
            label: Its name for people.
            describe: Identity and lineage, kept in the manifest.
            make: Fills the scratch folder it is given (which may hold an earlier, killed attempt's ``resume`` folder)
                and returns what is worth knowing about the making.
            on_wait: Told once when another process is already making the stage.
            whole: Whether one whose weights were removed is made again.

        Returns:
            The folder and whether this call made it.

        Raises:
            StiltsError: For a damaged stage, a full disk or a folder that cannot be written.
        """
        with disk_errors(self.root):
            # a finished stage needs no lock, nor a folder that can be written
            if self._there(key, whole) and self.damage(key) is None:
                return self.path(key), False
            with self.lock(key, label, on_wait):
                self._look_again()
                self._refuse_damage(key)
                if self._there(key, whole):
                    return self.path(key), False
                self._make(key, label, describe, make)
                return self.path(key), True

    def _there(self, key: str, whole: bool) -> bool:
        return self.path(key).exists() and not (whole and removed(self.path(key)))

    def _look_again(self) -> None:
        """Makes a network file system ask its server what stages there are.

        NFS remembers for up to a minute that a folder was not there; opening its parent ends that. Without it a process
        that waited for the lock would make again what another machine has just published.
        """
        with contextlib.suppress(FileNotFoundError):
            os.scandir(self.root / "stages").close()

    def _make(self, key: str, label: str, describe: dict[str, Any], make: Callable[[Path], dict[str, Any]]) -> None:
        scratch = self.scratch(key)
        scratch.mkdir(parents=True, exist_ok=True)
        self.path(key).parent.mkdir(parents=True, exist_ok=True)
        resume, aside = scratch / RESUME, scratch.with_name(f"{key}.{RESUME}")
        if aside.exists() and not resume.exists():  # a kill came between the two renames below
            os.rename(aside, resume)
        # Whatever a killed attempt left outside the resume folder may be half-written: only the checkpoint is trusted.
        for entry in scratch.iterdir():
            if entry.name != RESUME:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        start = time.monotonic()
        info = make(scratch)
        made = [path for path in scratch.rglob("*") if path.is_file() and resume not in path.parents]
        for file in made:
            os.chmod(file, shared())  # safetensors writes for the owner alone
        manifest: dict[str, Any] = {
            "schema": STORE_SCHEMA,
            "key": key,
            "label": label,
            **describe,
            "info": info,
            "made": {
                "seconds": round(time.monotonic() - start, 3),
                "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "host": socket.gethostname(),
                "versions": versions(),
            },
            "files": files_of(scratch, made),
        }
        manifest[SEAL] = seal_of(timeless(manifest))
        write_atomic(scratch / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False))
        # the checkpoint lives until the stage is published: to hash the files of a large model takes minutes
        if resume.exists():
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(resume, aside)
        thin = self.path(key).with_name(f".{key}.gone")  # what had lost its weights
        shutil.rmtree(thin, ignore_errors=True)
        if self.path(key).exists():
            os.rename(self.path(key), thin)
        os.rename(scratch, self.path(key))
        for left in (aside, thin):
            shutil.rmtree(left, ignore_errors=True)
        if os.name == "posix":  # the rename itself must survive a power cut
            folder = os.open(self.path(key).parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

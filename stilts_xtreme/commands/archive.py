"""Cells and their stages in one tar file, to carry them from one output folder to another."""

from __future__ import annotations

import errno
import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from stilts_xtreme.cell.manifests import parents_of
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.files import digest_of, disk_errors, shared, whole
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.manifest import REMOVED, removed
from stilts_xtreme.core.terminal import Plain
from stilts_xtreme.report import finished
from stilts_xtreme.sweep.needs import cell_keys

IMPORTING = ".import-"
"""What the folder begins with into which an import unpacks."""
KINDS = ("stages", "cells")
"""What a file holds, in the order in which it is taken: a cell is nothing without its stages."""
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OverflowError, RecursionError, UnicodeError)
"""What the libraries raise where a file ends too early or has changed."""
NAMES = (None, errno.ENAMETOOLONG, errno.EINVAL, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
"""Errors of the system that come from a file's content: a wrong sum, or a name that cannot be."""


def export(store: Store, file: Path, cells: Sequence[str], console: Plain) -> None:
    """Writes cells and their stages into a tar file, whole or not at all."""
    known = sorted(path.name for path in (store.root / "cells").glob("*") if finished.is_there(path))
    if not known:
        raise StiltsError(f"{store.root} has no cells to export.")
    chosen = []
    for cell in cells:
        name = Path(cell).name  # its folder names it too
        if name not in known or (name != cell and Path(cell).resolve() != (store.root / "cells" / name).resolve()):
            raise unknown("CELL", cell, known)
        chosen.append(name)
    chosen = list(dict.fromkeys(chosen)) or known
    for cell in chosen:
        finished.refuse_damage(store.root / "cells" / cell)
    stages = sorted({key for cell in chosen for key in cell_keys(store.root / "cells" / cell)})
    # what a link stands for is written, not the link: it leads nowhere on another machine
    with disk_errors(file.parent), whole(file) as scratch, tarfile.open(scratch, "w", dereference=True) as tar:
        folders = [(store.open(key, thin=True), f"stages/{key}") for key in stages]
        folders += [(store.root / "cells" / cell, f"cells/{cell}") for cell in chosen]
        for folder, name in folders:
            tar.add(folder, name, recursive=False)
            for part in _parts(folder):
                tar.add(folder / part, f"{name}/{part}", recursive=False)
    console.line_of(f"{len(chosen)} cells and {len(stages)} stages written to {file}")


def _parts(folder: Path) -> Iterator[str]:
    """The files of a stage or a cell: those that its manifest lists, and others that are no links, such as curves."""
    manifest = folder / "manifest.json"
    listed = set(read_json(manifest)["files"]) - removed(folder) if manifest.exists() else set()
    own = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    yield from sorted(listed | {path.as_posix() for path in own if path.parts[0] != finished.FRESH})


def import_(store: Store, file: Path, console: Plain) -> None:
    """Adds the cells and stages of a tar file; every stage is verified before it is taken.

    Raises:
        StiltsError: When the file cannot be read or is no export; when a cell or a stage is damaged; when a cell has no
            stages; when a stage has another key than its identity gives, holds a file that its manifest does not list,
            or is its own ancestor. Nothing of the file is used then.
    """
    if not file.is_file():
        raise StiltsError(f"FILE={file} is not {'a file' if file.exists() else 'there'}.")
    store.root.mkdir(parents=True, exist_ok=True)
    with (
        disk_errors(store.root),
        store.lock("import", f"an import into {store.root}", console.line_of),
        tempfile.TemporaryDirectory(dir=store.root, prefix=IMPORTING) as place,
    ):
        _unpack(file, Path(place))
        for path in Path(place).rglob("*"):  # the filter takes the group's right to write away
            if path.is_file():
                path.chmod(shared())
        found = Store(place)
        for key in _names(found, "stages"):
            if what := found.damage(key) or _foreign(found, key):
                raise StiltsError(f"FILE={file} holds a damaged stage, {key}: {what}; nothing of it is used.")
        for cell in _names(found, "cells"):
            if what := _incomplete(found, cell, store):
                raise StiltsError(f"FILE={file} holds a damaged cell, {cell}: {what}; nothing of it is used.")
        added = Counter[str]()
        for kind in KINDS:
            for name in _names(found, kind):
                goal = store.root / kind / name
                goal.parent.mkdir(parents=True, exist_ok=True)
                # whoever makes this stage or this cell now holds its lock, and publishes first
                with store.lock(name, name, console.line_of):
                    fuller = kind == "stages" and removed(goal) and not removed(found.root / kind / name)
                    aside = goal.with_name(f".{name}.gone")
                    if fuller:  # the file brings back the weights that were removed here
                        goal.rename(aside)
                    if not goal.exists():
                        (found.root / kind / name).rename(goal)
                        added[kind] += 1
                    shutil.rmtree(aside, ignore_errors=True)
    console.line_of(f"{added['stages']} stages and {added['cells']} cells added to {store.root}")


def _unpack(file: Path, place: Path) -> None:
    """Unpacks a file that is an export, and nothing but one.

    Raises:
        StiltsError: The file cannot be read, or holds what no export holds.
    """

    def taken(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        parts = [part for part in PurePosixPath(member.name).parts if part != "."]
        if parts and (parts[0] not in KINDS or (len(parts) < 3 and not member.isdir())):
            raise StiltsError(
                f"FILE={file} is no export of store: it holds {member.name}, and an export holds the folders "
                "stages/KEY and cells/NAME alone; nothing of it is used."
            )
        if member.issym() and parts[0] == "cells":
            return None  # of a logger, in an export of an earlier version
        if member.issym():
            raise StiltsError(
                f"FILE={file} holds a damaged stage, {parts[1]}: {parts[-1]} is a link; nothing of it is used."
            )
        return tarfile.data_filter(member, destination)

    try:
        with tarfile.open(file) as tar:
            tar.extractall(place, filter=taken)
    except UNREADABLE as error:
        raise _no_tar(file, error) from error
    except OSError as error:
        if error.errno not in NAMES:
            raise
        raise _no_tar(file, error) from error
    if not any((place / kind).is_dir() for kind in KINDS):
        raise StiltsError(f"FILE={file} is no export of store: it holds nothing.")


def _no_tar(file: Path, error: Exception) -> StiltsError:
    found = getattr(error, "strerror", None) or str(error) or type(error).__name__
    reason = found.splitlines()[0].rstrip(".:")
    return StiltsError(f"FILE={file} is no tar file that can be read: {reason}; nothing of it is used.")


def _names(store: Store, kind: str) -> list[str]:
    return sorted(path.name for path in (store.root / kind).glob("*"))


def _incomplete(unpacked: Store, cell: str, store: Store) -> str | None:
    """What an unpacked cell lacks; its stages may be in the store already."""
    folder = unpacked.root / "cells" / cell
    if not finished.is_there(folder):
        return "there is no result.json"
    if what := finished.damage(folder):
        return what
    for key in cell_keys(folder):
        if not unpacked.path(key).exists() and not store.path(key).exists():
            return f"its stage {key} is neither in the file nor in {store.root}"
    return None


def _foreign(store: Store, key: str) -> str | None:
    """Why a whole stage is not what its key says; None when it is."""
    manifest: dict[str, Any] = store.manifest(key) or {}
    if digest_of(manifest.get("identity")) != key:
        return "its key is not the digest of its identity"
    folder = store.path(key)
    listed = {*manifest["files"], "manifest.json", *([REMOVED] if removed(folder) else [])}
    there = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    if extra := sorted(there - listed):
        return f"{extra[0]} is not listed in its manifest"
    seen, todo = set(), list(parents_of(manifest))
    while todo:
        parent = todo.pop()
        if parent == key:
            return "it is its own ancestor"
        if parent not in seen:
            seen.add(parent)
            todo += parents_of(store.manifest(parent))
    return None

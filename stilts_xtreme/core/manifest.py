"""Manifests: what a folder holds, with a digest of every file, and a seal on the manifest itself.

A seal is a digest of a record inside of the record, so that a changed character in it is noticed. Records that an
earlier version wrote have none, and are taken as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import digest, digest_of

SEAL = "digest"
"""The field of a record that holds its seal."""

REMOVED = "removed.json"
"""In a folder whose weights were removed on purpose: the names of the files, and the size of the encoder."""
MODELS = ("models/", "points/")
"""Where such files are."""


def files_of(folder: Path, paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of files, each flushed to disk first.

    Args:
        folder: The folder whose manifest it will be.
        paths: Files below it.

    Returns:
        Path below the folder -> ``size`` in bytes and ``sha256``.
    """
    found = {}
    for path in sorted(paths):
        with path.open("rb") as opened:
            os.fsync(opened.fileno())
        found[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": digest(path)}
    return found


def are_files(found: object) -> bool:
    """Whether something is what :func:`files_of` returns."""
    return isinstance(found, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("size"), int) and isinstance(entry.get("sha256"), str)
        for entry in found.values()
    )


def mismatch(folder: Path, files: Mapping[str, Mapping[str, Any]], full: bool = True) -> str | None:
    """The first file of a folder that is not as its manifest says, in words; None when all are.

    Weights that were removed on purpose are not missing.

    Args:
        folder: The folder.
        files: What its manifest lists (:func:`files_of`).
        full: Also compare every file's digest, not only its presence and size.
    """
    gone = removed(folder)
    for name, expected in files.items():
        file = folder / name
        if name in gone:
            continue
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != expected["size"]:
            return f"{name} has {file.stat().st_size} bytes instead of {expected['size']}"
        if full and digest(file) != expected["sha256"]:
            return f"the content of {name} has changed"
    return None


def removed(folder: Path) -> frozenset[str]:
    """The files that were removed from a folder with its weights, on purpose; none where nothing says so."""
    names = _note(folder).get("files")
    listed = names if isinstance(names, list) else []
    return frozenset(name for name in listed if isinstance(name, str) and name.startswith(MODELS))


def removed_encoder(folder: Path) -> dict[str, int] | None:
    """The size of the encoder whose weights were removed; None where nothing says it."""
    found = _note(folder).get("encoder")
    return found if isinstance(found, dict) and all(type(number) is int for number in found.values()) else None


def _note(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / REMOVED).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def refuse_removed(folder: Path) -> None:
    """Refuses a folder whose weights were removed on purpose.

    Raises:
        StiltsError: They were.
    """
    if removed(folder):
        raise StiltsError(
            f"The weights in {folder} were removed: a run that starts from them makes them again; for anything else "
            "remove that folder, and give the command that made it again with store.weights=all."
        )


def seal_of(record: Mapping[str, Any]) -> str:
    """The seal of a record: a digest of all its fields but the seal itself."""
    own = {name: value for name, value in record.items() if name != SEAL}
    return digest_of(json.loads(json.dumps(own)))  # as it is read back: keys are texts, tuples are lists


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its seal."""
    return {**record, SEAL: seal_of(record)}


def is_whole(record: Mapping[str, Any], fields: Collection[str]) -> bool:
    """Whether a record is as it was written, or of a version that wrote no seal.

    Args:
        record: The record.
        fields: The fields that it can have: with another one beside them, the name of the seal itself has changed.
    """
    if SEAL in record:
        return seal_of(record) == record[SEAL]
    return set(fields).issuperset(record)

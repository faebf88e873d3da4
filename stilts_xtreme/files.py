"""Text files, whole or not there."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from stilts_xtreme.errors import StiltsError


def write_atomic(path: Path, text: str) -> None:
    """Writes a file in UTF-8 whole or not at all: beside its place, flushed to disk, then renamed over it.

    Args:
        path: Its place; folders above it are made.
        text: All of it.

    Raises:
        StiltsError: Half of a surrogate pair, which is no text in UTF-8.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StiltsError(f"{path}: half of a surrogate pair ({error.object[error.start]!r}) is not text.") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    # drawn, because machines may share the folder, and containers count their processes from 1
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(scratch, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def text_of(path: Path) -> str:
    """The content of a file.

    Raises:
        StiltsError: No such file, or not UTF-8; names file and line.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise StiltsError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise StiltsError(f"{path} line {line}: not UTF-8.") from error

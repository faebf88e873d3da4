"""Files that are whole or not there, and text in them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stilts_xtreme.errors import StiltsError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a place beside a file to write it to; afterwards it is flushed to disk and renamed over the file.

    Args:
        path: The file's own place; folders above it are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # drawn, because machines may share the folder, and containers count their processes from 1
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield scratch
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write_atomic(path: Path, text: str) -> None:
    """Writes a file in UTF-8, :func:`whole` or not at all.

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
    with whole(path) as scratch:
        scratch.write_bytes(data)


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

"""Files that are whole or not there, and text in them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stilts_xtreme.core.disk import refusal
from stilts_xtreme.core.errors import StiltsError


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


def shared() -> int:
    """The mode of a new file as the umask has it; asking sets the umask, so it is put back at once."""
    withheld = os.umask(0o077)
    os.umask(withheld)
    return 0o666 & ~withheld


def copy_folder(source: Path, goal: Path) -> None:
    """Copies the files of a folder as new ones, with the modes of the umask and not those of the source."""
    goal.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        place = goal / path.relative_to(source)
        place.mkdir() if path.is_dir() else shutil.copyfile(path, place)


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


RESUME = "resume"
"""Folder inside a scratch folder for what a killed run needs to continue; it is not published."""


def digest_of(content: object) -> str:
    """The address of something plain: 20 hexadecimal digits of SHA-256 over its JSON, keys sorted."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def digest(path: Path) -> str:
    """SHA-256 of a file, read in blocks of 1 MiB."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns what the system refuses below a folder into one sentence."""
    try:
        yield
    except StiltsError:
        raise
    except Exception as error:
        known = refusal(error, folder)
        if known is not None:
            raise known from error
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.ENOENT and not folder.exists():
            raise StiltsError(f"The folder {folder} cannot be made; set output=FOLDER elsewhere.") from error
        if number in (errno.EEXIST, errno.ENOTDIR):
            raise StiltsError(
                f"{getattr(error, 'filename', None) or folder} is a file where a folder is needed; set output=FOLDER "
                "elsewhere."
            ) from error
        raise

"""The one door to files of rows: opened here, or refused in a sentence with the file, the cause and the remedy.

Also what is known of a file beside its rows: its format, its digest, and how many rows it has.
"""

from __future__ import annotations

import functools
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from stilts_xtreme.core import files
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.json_text import Twice, table

_AGAIN = "bring the file again"
_POINTER, _GZIP, _PARQUET = b"version https://git-lfs", b"\x1f\x8b", b"PAR1"
_PACKED = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_UTF32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = "\ufeff"


class Absent(StiltsError):
    """Rows are not there. Of rows that are there and cannot be read, another error tells."""


def first_line(error: BaseException) -> str:
    """The first line of what is wrong, without the full stop: of the cause that ``datasets`` wraps, not its wrapper."""
    while type(error).__name__.startswith("DatasetGeneration") and error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def extension(path: Path) -> str:
    """What follows the last dot of a file's name, a final ``.gz`` left out; "" without a dot."""
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[-1] if "." in name else ""


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file: what is remembered of it holds as long as these stay."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def digest(path: Path) -> str:
    """SHA-256 of a file, computed once as long as the file stays as it is."""
    with opened(path):
        return _digest(path, *stamp(path))


@functools.lru_cache(maxsize=4096)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    return files.digest(path)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file of rows.

    Raises:
        StiltsError: It cannot be opened, is empty, or is something else in the place of the file.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(64)
            if begin.startswith(_POINTER):
                raise StiltsError(f"{path} is only Git LFS's pointer to the file; bring the file with 'git lfs pull'.")
            if begin.lstrip().lower().startswith((b"<!doctype html", b"<html")):
                raise StiltsError(f"{path} is a web page and not the file; {_AGAIN}.")
            packed = next((name for mark, name in _PACKED.items() if begin.startswith(mark)), None)
            if packed:
                raise StiltsError(f"{path} is packed with {packed}; unpack it.")
            if not begin:
                raise StiltsError(f"{path} is empty; bring a file with rows.")
            file.seek(0)
            yield file
    except OSError as error:
        raise StiltsError(f"{path} cannot be read ({error.strerror or first_line(error)}); {_AGAIN}.") from error


@contextmanager
def read_as(path: Path, what: str) -> Iterator[None]:
    """Names the file in whatever a library raises about it.

    Args:
        path: The file.
        what: Its format, such as ``parquet``.

    Raises:
        StiltsError: The library raises something.
    """
    with opened(path) as file:
        begin = file.read(4)
        file.seek(-min(4, path.stat().st_size), 2)
        if what == "parquet" and (begin != _PARQUET or file.read() != _PARQUET):
            part = "only a part of one" if begin == _PARQUET else "another file"
            raise StiltsError(f"{path} cannot be read as parquet ({part}: the mark PAR1 is missing); {_AGAIN}.")
    try:
        yield
    except StiltsError:
        raise
    except Exception as error:  # whatever the library raises about a file, the user needs its name
        raise StiltsError(f"{path} cannot be read as {what} ({first_line(error)}); {_AGAIN}.") from error


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Opens a file of text, unpacked where its name ends in ``.gz``."""
    try:
        with opened(path) as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            if packed and path.suffix != ".gz":
                raise StiltsError(f"{path} is packed with gzip; give it a name that ends in .gz.")
            if path.suffix == ".gz":
                with gzip.GzipFile(fileobj=file) as inner:
                    yield inner
            else:
                yield file
    except (EOFError, zlib.error) as error:
        raise StiltsError(f"{path} is no whole gzip file ({first_line(error)}); {_AGAIN}.") from error
    except StiltsError as error:
        if isinstance(error.__cause__, gzip.BadGzipFile):
            raise StiltsError(f"{path} is no whole gzip file ({first_line(error.__cause__)}); {_AGAIN}.") from error
        raise


def _decoded(path: Path, data: bytes, line: int) -> str:
    """The text of some bytes of a file that begin in a line, without a byte-order mark at the beginning of the file."""
    if line == 1 and data[:4] in _UTF32:
        raise StiltsError(f"{path} is in UTF-32; save it in UTF-8.")
    if line == 1 and (data[:2] in _UTF16 or data.count(0) * 4 > len(data)):
        raise StiltsError(f"{path} is in UTF-16; save it in UTF-8.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data[: error.start].count(b"\n")
        byte = data[error.start]
        raise StiltsError(f"{path} line {line}: not UTF-8 (byte 0x{byte:02x}); save the file in UTF-8.") from error
    return text.removeprefix(_BOM) if line == 1 else text


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, unpacked, without a byte-order mark.

    Raises:
        StiltsError: The file is empty, packed wrongly, in another encoding, or something else in its place.
    """
    with _unpacked(path) as file:
        text = _decoded(path, file.read(), 1)
    if not text.strip():
        raise StiltsError(f"{path} is empty; bring a file with rows.")
    return text


def lines_of(path: Path, blank: bool = False) -> Iterator[tuple[int, str]]:
    """Number and text of the lines of a file; only a line feed ends one, as in JSON and CoNLL.

    Args:
        path: The file, read line by line.
        blank: Whether lines without text are given, too.

    Raises:
        StiltsError: As :func:`text_of`.
    """
    found = False
    with _unpacked(path) as file:
        for n, data in enumerate(file, 1):
            line = _decoded(path, data, n).rstrip("\n").rstrip("\r")
            found = found or bool(line.strip())
            if blank or line.strip():
                yield n, line
    if not found:
        raise StiltsError(f"{path} is empty; bring a file with rows.")


def json_of(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        StiltsError: As :func:`text_of`, or the text is no JSON.
    """
    return json_in(text_of(path), str(path))


def json_in(text: str, where: str) -> Any:
    """The content of a JSON text.

    Args:
        text: The text.
        where: Where it is, in words.

    Raises:
        StiltsError: It is no JSON, has a key twice in one object, or half a character, which no tokenizer and no file
            takes.
    """
    try:
        found = json.loads(text, object_pairs_hook=table)
    except Twice as error:
        raise StiltsError(f"{where}: the key '{error.key}' occurs twice in one object; keep one of them.") from error
    except (ValueError, RecursionError) as error:
        raise StiltsError(f"{where}: not JSON ({first_line(error)}); mend it.") from error
    if "\\ud" in text.lower():
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise StiltsError(f"{where}: half a character (a lone surrogate such as \\ud800); mend the text.") from None
    return found


def rows_in(path: Path) -> int | None:
    """Rows of a file, from its metadata or its lines; None where only reading it would tell.

    Raises:
        StiltsError: The file cannot be read.
    """
    with opened(path):
        return _rows_in(path, *stamp(path))


@functools.lru_cache(maxsize=4096)
def _rows_in(path: Path, size: int, mtime_ns: int) -> int | None:
    suffix = extension(path)
    if suffix == "parquet":
        import pyarrow.parquet as pq

        with read_as(path, "parquet"):
            return pq.read_metadata(path).num_rows
    if suffix not in ("jsonl", "tsv"):
        return None
    return sum(1 for _ in lines_of(path)) - (suffix == "tsv")  # the first line of a tsv names its columns


def place(paths: Sequence[Path], row: int) -> str:
    """Where a row, counted from 0 over some files, is: a line of a file where there are lines, else a row of it."""
    for path in paths[:-1]:
        rows = rows_in(path)
        if rows is None:  # only reading it would tell
            return f"{paths[0].parent}, row {row + 1}"
        if row < rows:
            break
        row -= rows
    else:
        path = paths[-1]
    return f"{path}, {'line' if extension(path) == 'jsonl' else 'row'} {row + 1}"

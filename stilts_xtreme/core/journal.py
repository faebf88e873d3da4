"""Journals: files with a JSON object per line that are only ever appended to.

Every line carries a check of its own, so that a changed character is noticed; lines of an earlier version have none.
A damaged line is passed over, counted, and named by its number.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECK = "check"
"""The field of a line that holds its check."""


def _check_of(entry: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(entry, sort_keys=True).encode()):08x}"


class Journal:
    """Appends to a file of its own.

    Args:
        path: The file; folders above it are made.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("ab+")
        if self.file.tell():
            self.file.seek(-1, 2)
            if self.file.read(1) != b"\n":  # a killed writer left half a line, and the next one is not part of it
                self.file.write(b"\n")

    def write(self, entry: Mapping[str, Any]) -> None:
        """Appends a line."""
        plain = json.loads(json.dumps(entry))  # as it is read back: keys are texts, tuples are lists
        text = json.dumps({**plain, CHECK: _check_of(plain)}, ensure_ascii=False)
        # half of a surrogate pair becomes the escape that JSON has for it
        self.file.write(text.encode("utf-8", "backslashreplace") + b"\n")
        self.file.flush()

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


@dataclass(frozen=True)
class Lines:
    """What a journal holds.

    Attributes:
        entries: The good lines, in order.
        damaged: Numbers of the others, from 1.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)

    def note(self, name: str) -> str | None:
        """A sentence about what was passed over; None when that is nothing.

        Args:
            name: The file's name for people.
        """
        if not self.damaged:
            return None
        shown = ", ".join(map(str, self.damaged[:5])) + (", ..." if len(self.damaged) > 5 else "")
        if len(self.damaged) == 1:
            return f"{name}: 1 damaged line (number {shown}) was skipped"
        return f"{name}: {len(self.damaged)} damaged lines (numbers {shown}) were skipped"


def read(path: Path, is_valid: Callable[[dict[str, Any]], bool] = lambda _: True) -> Lines:
    """Reads a journal; one that is not there is empty.

    Args:
        path: The file.
        is_valid: Tells an entry with the fields that it needs from one that lacks them.
    """
    found = Lines()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return found
    for number, line in enumerate(data.split(b"\n"), 1):  # no other character ends a line: a text may hold U+2028
        if not line:
            continue
        entry = _entry(line)
        if entry is not None and is_valid(entry):
            found.entries.append(entry)
        else:
            found.damaged.append(number)
    return found


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    check = entry.pop(CHECK, None)
    return entry if check is None or check == _check_of(entry) else None

"""JSON whose mistakes are told with file and line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import text_of


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        StiltsError: No such file, no JSON, or a key that occurs twice in one object.
    """
    return parse_json(str(path), text_of(path).removeprefix("\ufeff"))  # a byte-order mark, which no JSON has


class Twice(ValueError):
    """A key occurs more than once in one object.

    Attributes:
        key: The first such key.
        extra: How many keys are too many.
    """

    def __init__(self, key: str, extra: int):
        super().__init__(key)
        self.key, self.extra = key, extra


def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ``json`` keeps the last of equal keys without a word.

    Raises:
        Twice: A key occurs more than once.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        raise Twice(next(name for name in names if names.count(name) > 1), len(pairs) - len(found))
    return found


def parse_json(where: str, text: str) -> Any:
    """The content of a JSON text; ``where`` is the name of its place in an error.

    Raises:
        StiltsError: No JSON, or a key that occurs twice in one object.
    """
    try:
        return json.loads(text, object_pairs_hook=table)
    except Twice as error:
        lines = lines_of(text, error.key, before="", after=r"\s*:")
        place = f"{where} line {lines[1]}" if len(lines) > 1 and "\n" in text else where
        raise StiltsError(
            f"{place}: {error.extra} keys occur more than once, first {error.key!r}; keep one of each."
        ) from error
    except json.JSONDecodeError as error:
        place = where if "line" in where.rpartition("/")[2] else f"{where} line {error.lineno}"
        raise StiltsError(f"{place}: not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise StiltsError(f"{where}: not JSON (lists in lists without end).") from error


def lines_of(text: str, key: str, before: str, after: str) -> list[int]:
    """The lines in which a JSON text has a string, between two patterns."""
    written = {json.dumps(key), json.dumps(key, ensure_ascii=False)}
    pattern = f"{before}(?:{'|'.join(map(re.escape, sorted(written)))}){after}"
    return [text.count("\n", 0, match.end()) + 1 for match in re.finditer(pattern, text)]

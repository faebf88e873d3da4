"""Files of ranking: ``{query id: [candidate ids]}``, the best first; gold ``{query id: [right ids]}``.

A ``.jsonl`` file with one such object a line is read too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import text_of, write_atomic
from stilts_xtreme.core.json_text import parse_json, read_json


def write_rankings(path: Path, rankings: Mapping[str, Sequence[str]]) -> Path:
    """Writes ``{query id: [candidate ids]}``, the best candidate first.

    Raises:
        StiltsError: Something other than lists of ids.
    """
    _check_rankings(path, rankings)
    lines = [f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(list(ids))}" for key, ids in rankings.items()]
    write_atomic(path, "{" + ",\n".join(lines) + "}\n")
    return path


def read_rankings(path: Path) -> dict[str, list[str]]:
    """Reads ``{query id: [candidate ids]}``; in a ``.jsonl`` file one such object a line.

    Raises:
        StiltsError: No such file, no JSON, a query twice, or something other than lists of ids; names file and line.
    """
    if path.suffix != ".jsonl":
        rankings = read_json(path)
        _check_rankings(path, rankings)
        return rankings
    joined: dict[str, list[str]] = {}
    for n, line in enumerate(text_of(path).split("\n"), 1):
        if not line.strip():
            continue
        part = parse_json(f"{path} line {n}", line)
        _check_rankings(f"{path} line {n}", part)
        twice = [key for key in part if key in joined]
        if twice:
            raise StiltsError(
                f"{path} line {n}: the query {twice[0]!r} occurs more than once; keep one of its rankings."
            )
        joined |= part
    return joined


def _check_rankings(where: object, rankings: Any) -> None:
    if not isinstance(rankings, Mapping):
        raise StiltsError(
            f"{where}: a {type(rankings).__name__} at the top; an object of id and list of ids is needed."
        )
    bad = [
        key
        for key, ids in rankings.items()
        if isinstance(ids, str) or not isinstance(ids, Sequence) or not all(isinstance(x, str) for x in ids)
    ]
    if bad:
        raise StiltsError(f"{where}: {len(bad)} rankings are not lists of ids, first query {bad[0]!r}.")

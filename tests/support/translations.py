"""Rows of the synthetic world as a file of the data set's own columns, as a user brings translations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data import catalogue


def raw_rows(name: str, rows: Columns, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Canonical rows of a data set as rows of its own columns, labels by name."""
    found: list[dict[str, Any]] = []
    for at in range(len(rows["id"])):
        row: dict[str, Any] = {}
        for column, source in catalogue.load_spec(name).columns.items():
            value = rows[column][at]
            if column == "label":
                value = labels[value]
            if column == "choices":
                row |= dict(zip(source.split(","), value, strict=True))
            elif "." in source:
                row.setdefault(source.split(".")[0], {})[source.split(".")[1]] = value
            else:
                row[source] = value
        found.append(row)
    return found


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Writes rows as jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path

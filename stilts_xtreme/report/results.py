"""The results of finished cells, read from their folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.paths import home
from stilts_xtreme.report.finished import is_there, read_result

NAMED = ("rows", "model", "intermediate", "target", "seed")
"""Fields of a result by which rows are named."""


@dataclass(frozen=True)
class FinishedCell:
    """A finished cell.

    Attributes:
        result: What its ``result.json`` holds.
        folder: Where that is; None for results of which only the numbers are known.
    """

    result: dict[str, Any]
    folder: Path | None = None


def read_cells(folder: str | Path, needs: tuple[str, ...] = ()) -> list[FinishedCell]:
    """Reads all finished cells below a folder, in the order of their names.

    Args:
        folder: An output folder, or the folder of one cell or of several.
        needs: Fields that each result must have beside those by which rows are named.

    Raises:
        StiltsError: When there is no such folder, no finished cell in it, a result that cannot be read, or a cell that
            is there twice.
    """
    root = home(folder)
    if not root.is_dir():
        raise StiltsError(f"folder={folder} is not a folder; take the one that output= named.")
    below = root / "cells" if (root / "cells").is_dir() else root
    cells = [cell for cell in (below, *sorted(below.glob("*"))) if is_there(cell)]
    if not cells:
        sweeps = sorted(path.parent for path in (root / "sweeps").glob("*/graph.json"))
        more = f"; what came of its sweep, this says: python -m stilts_xtreme.status {sweeps[0]}" if sweeps else ""
        raise StiltsError(f"folder={folder} holds no finished cell (no result.json){more}.")
    found: dict[str, FinishedCell] = {}
    for cell in cells:
        result = read_result(cell, needs=(*NAMED, *needs))
        name = str(result.get("cell", cell.name))
        if name in found:
            raise StiltsError(
                f"{found[name].folder} and {cell} hold the result of one cell, {name}, which would count twice; move "
                "the copy out of the folder."
            )
        found[name] = FinishedCell(result, cell)
    return list(found.values())

"""The results of finished cells, read from their folders."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.terminal import say
from stilts_xtreme.report.finished import is_there, read_result
from stilts_xtreme.report.sweeps.recorded import graph_of

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
        folder: An output folder; the folder of a study or of a sweep in it, for the cells of these alone; or the folder
            of one cell or of several.
        needs: Fields that each result must have beside those by which rows are named.

    Raises:
        StiltsError: When there is no such folder, no finished cell in it, a result that cannot be read, or a cell that
            is there twice.
    """
    root = home(folder)
    if not root.is_dir():
        raise StiltsError(f"folder={folder} is not a folder; take the one that output= named.")
    listed = _listed(root)
    below = root / "cells" if (root / "cells").is_dir() else root
    folders = [below, *sorted(below.glob("*"))] if listed is None else listed
    cells = [cell for cell in folders if is_there(cell)]
    if listed and 0 < len(cells) < len(listed):
        gone = next(cell.name for cell in listed if cell not in cells)
        say(f"{folder} names {len(listed):,} cells, of which {len(cells):,} are there; {gone} is not, for one.")
    if not cells:
        sweeps = sorted(path.parent for path in (root / "sweeps").glob("*/graph.json"))
        if (root / "rows.csv").is_file():
            more = f"; {root / 'rows.csv'} has the numbers of cells that are not beside it"
            raise StiltsError(f"folder={folder} holds no finished cell (no result.json){more}.")
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


def _listed(root: Path) -> list[Path] | None:
    """The folders of the cells that a study or a sweep names; None for any other folder."""
    root = root.resolve()
    places = root.parent.parent / "cells"
    if root.parent.name == "sweeps" and (root / "graph.json").is_file():
        return [places / name for name in sorted({cell["name"] for cell in graph_of(root)["cells"]})]
    if root.parent.name == "studies" and (own := cells_of_study(root)):
        return [places / name for name in own]
    return None


def cells_of_study(folder: Path) -> list[str]:
    """The names of the cells whose results a study's folder has; none where it has no ``rows.csv``."""
    path = folder / "rows.csv"
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return sorted({row.get("cell") or "" for row in csv.DictReader(file)} - {""})
    except (UnicodeDecodeError, csv.Error) as error:
        raise StiltsError(f"{path} is damaged; name the output folder, or give the study's command again.") from error

"""The results of finished cells as tidy rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.paths import home
from stilts_xtreme.report.finished import is_there, read_result
from stilts_xtreme.report.labels import tidy_rows

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


def load_results(folder: str | Path) -> list[dict[str, Any]]:
    """Reads the scores of all finished cells below a folder.

    Args:
        folder: An output folder, or the folder of one cell or of several.

    Returns:
        One row for each cell, language and metric, in the order of the cells' names: ``cell``, ``model``,
        ``intermediate``, ``target``, ``seed``, ``volume``, ``language``, ``metric``, ``value`` (in percent), ``n``,
        ``synthetic``, ``collapsed``, the keys of the stages, ``encoder`` and ``setting`` (digests of the encoder and of
        everything else that the scores depend on; None in results of an earlier version).
        ``pandas.DataFrame(load_results("outputs"))`` is a table of them. Where a name has two meanings in the folder,
        such as two encoders of one name, what tells them apart follows the name.

    Raises:
        StiltsError: When there is no such folder, no finished cell in it, a result that cannot be read, or a cell that
            is there twice.
    """
    return tidy_rows([cell.result for cell in read_cells(folder)])

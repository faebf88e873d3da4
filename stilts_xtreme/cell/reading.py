"""Cells of an output folder that can only be read: on a read-only mount, or another user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stilts_xtreme.cell import preflight
from stilts_xtreme.cell.plan import CellPlan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.report import finished as cells


def finished(planned: CellPlan, store: Store, name: str) -> dict[str, Any] | None:
    """The result of a cell that is finished where nothing can be written.

    Args:
        planned: The cell's stages.
        store: Where they are.
        name: The cell's name.

    Returns:
        What ``result.json`` holds; None where the folder can be written, or where something is still to be made.

    Raises:
        StiltsError: When a stage or the cell is damaged.
    """
    folder = store.root / "cells" / name
    if preflight.closed(store.root) is None or not cells.begun(folder):
        return None
    if not all(store.path(stage.key).exists() for stage in planned.stages()):
        return None
    for stage in planned.stages():
        store.open(stage.key, thin=True)
    result = cells.read_result(folder)
    return {**result, "stages": [{**stage, "made_now": False} for stage in result["stages"]]}


def note(output: str | Path) -> str:
    """What to tell who is shown such cells."""
    return f"{output} cannot be written; what is finished there is shown, and nothing is added"

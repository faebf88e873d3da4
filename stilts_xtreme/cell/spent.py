"""What the trainings behind finished cells took, and what of it falls on each of the cells that share them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from stilts_xtreme.cell.store import Store
from stilts_xtreme.report.results import FinishedCell

TRAINED = ("pretrain", "train", "select", "merge")
"""Kinds of stages that weights go through. An evaluation is none of them."""


def training_costs(cells: Sequence[FinishedCell]) -> dict[str, dict[str, float]]:
    """Seconds and steps of the stages that a cell's own weights went through, from their manifests.

    Args:
        cells: Cells in their output folders, all of those that share the stages.

    Returns:
        Name of a cell -> ``training_seconds``, ``training_seconds_shared`` (the seconds of a stage are divided by the
        number of the given cells that rest on it), and likewise ``training_steps`` and ``training_steps_shared``.
        A cell is left out where a stage is no more in the store.
    """
    chains = {str(cell.result["cell"]): _chain(cell) for cell in cells}
    shared = Counter(key for chain in chains.values() if chain is not None for key in chain)
    found = {}
    for name, chain in chains.items():
        if chain is not None:
            found[name] = {
                f"training_{what}{ending}": sum(
                    stage[what] / (shared[key] if ending else 1) for key, stage in chain.items()
                )
                for what in ("seconds", "steps")
                for ending in ("", "_shared")
            }
    return found


def _chain(cell: FinishedCell) -> dict[str, dict[str, float]] | None:
    """Key of a stage -> its seconds and steps; None where one of them is not there."""
    rows: Sequence[dict[str, Any]] = cell.result.get("rows") or ({},)
    if cell.folder is None:
        return None
    store = Store(str(cell.folder.parent.parent))
    todo = [rows[0].get("trained")]
    found: dict[str, dict[str, float]] = {}
    while todo:
        key = todo.pop()
        if key is None or key in found:
            continue
        manifest = store.manifest(str(key))
        if manifest is None:
            return None
        if manifest.get("kind") in TRAINED:
            steps = float((manifest.get("info") or {}).get("steps") or 0)
            found[str(key)] = {"seconds": float(manifest["made"]["seconds"]), "steps": steps}
        todo += manifest.get("parents") or [manifest.get("parent")]
    return found

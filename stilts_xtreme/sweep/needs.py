"""Which stages of a store the cells and sweeps need, by the records that they left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from stilts_xtreme.cell.manifests import is_newer, is_sealed, parents_of
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import finished
from stilts_xtreme.report.sweeps import recorded


def cell_keys(folder: Path) -> list[str]:
    """The stages that a finished cell needs.

    Raises:
        StiltsError: When its result cannot be read, so that nobody knows what it needs.
    """
    stages = finished.read_result(folder, only=("result.json",), needs=("stages",))["stages"]
    if not all(isinstance(stage, dict) and isinstance(stage.get("key"), str) for stage in stages):
        raise StiltsError(
            f"{folder / 'result.json'} is not a cell's result: it does not name the stages; to mend it, "
            f"{finished.REMEDY}."
        )
    return [stage["key"] for stage in stages]


@dataclass
class Needed:
    """What the cells and sweeps of a store need.

    Attributes:
        users: Stage -> how many cells and sweeps need it; a stage's parents are needed with it.
        unknown: A sentence on each record that cannot be read, so that nobody knows what it needs.
    """

    users: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)


def needed(store: Store) -> Needed:
    """Reads what is needed from the results of cells, the graphs of sweeps and the manifests of stages."""
    found = Needed()
    for cell in sorted((store.root / "cells").glob("*")):
        if finished.begun(cell):
            try:
                found.users.update(set(cell_keys(cell)))
            except StiltsError as error:
                found.unknown.append(str(error))
    for sweep in sorted((store.root / "sweeps").glob("*")):
        if any(not path.name.startswith(".") for path in sweep.glob("*")):
            try:
                nodes = recorded.graph_of(sweep)["nodes"]
                found.users.update({node["id"] for node in nodes if node["kind"] != "cell"})
            except StiltsError as error:
                found.unknown.append(str(error))
    for key in list(found.users):
        seen: set[str] = set()
        todo = [key]
        while todo:
            parent = todo.pop()
            if parent in seen:  # of a chain that another version of the package wrote, or of two that were merged
                continue
            seen.add(parent)
            found.users[parent] += 0 if parent in found.users else 1
            todo += _parents(store, parent, found)
    found.unknown = list(dict.fromkeys(found.unknown))
    return found


def awaited(store: Store, besides: str | None = None) -> set[str]:
    """The stages that something reads which sweeps have still to make.

    Args:
        store: Where the sweeps are.
        besides: Look at the sweeps that are running now, except the one of this name; None: at all sweeps.

    Raises:
        StiltsError: The graph of a sweep cannot be read.
    """
    found: set[str] = set()
    for graph in sorted((store.root / "sweeps").glob("*/graph.json")):
        name = graph.parent.name
        if besides is None or (name != besides and store.held(f"sweep-{name}")):
            nodes = recorded.graph_of(graph.parent)["nodes"]
            left = [node for node in nodes if node["kind"] != "cell" and not store.path(node["id"]).exists()]
            found.update(parent for node in left for parent in node["parents"])
    return found


def _parents(store: Store, key: str, found: Needed) -> tuple[str, ...]:
    """What a stage started from; a manifest that cannot tell is noted."""
    manifest = store.manifest(key)
    if is_newer(manifest):
        found.unknown.append(
            f"The stage {store.path(key)} was written by a newer version of stilts_xtreme, so that this one does not "
            "know what it was made from; upgrade."
        )
    elif store.path(key).exists() and (manifest is None or not is_sealed(manifest)):
        found.unknown.append(
            f"The stage {store.path(key)} is damaged: manifest.json cannot be read or has changed, so that nobody "
            "knows what it was made from; give the command that made it with store.damaged=retrain."
        )
    return parents_of(manifest)

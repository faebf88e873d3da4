"""The shape of a sweep's records: whether what was read has the fields that its readers take for granted.

Lines and graphs that an earlier version wrote carry no digest, so damage in them shows only here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS_OF_NODES = ("floors", "pretrain", "train", "select", "merge", "evaluate", "cell")

NEEDED: Mapping[str, tuple[str, ...]] = {
    "launched": ("slots",),
    "ended": (),
    "submitted": ("node", "job"),
    "started": ("node",),
    "progress": ("node",),
    "busy": ("node",),
    "lost": ("node", "error"),
    "requeued": ("node",),
    "stopped": ("node",),
    "done": ("node", "seconds"),
    "failed": ("node", "error"),
}
"""Event -> the fields that it must have besides its time."""

NUMBERS = ("time", "seconds", "slots", "slot", "done", "total")
TEXTS = ("node", "job", "error", "host", "note", "phase")


def is_event(entry: Mapping[str, Any]) -> bool:
    """Whether a line is an event (:meth:`stilts_xtreme.report.sweeps.state.State.apply`)."""
    name = entry.get("event")
    if not isinstance(name, str) or name not in NEEDED or not _is_number(entry.get("time")):
        return False
    if any(entry.get(field) is None for field in NEEDED[name]):
        return False
    if not all(entry.get(field) is None or _is_number(entry[field]) for field in NUMBERS):
        return False
    if name == "launched" and not (isinstance(entry["slots"], int) and entry["slots"] > 0):
        return False
    if entry.get("total") and entry.get("done") is None:
        return False
    return all(entry.get(field) is None or isinstance(entry[field], str) for field in TEXTS)


def is_graph(graph: object) -> bool:
    """Whether something is a sweep's graph, with parents before their children."""
    if not isinstance(graph, dict) or not all(isinstance(graph.get(part), list) for part in ("nodes", "cells")):
        return False
    seen: set[str] = set()
    for node in graph["nodes"]:
        if not _is_node(node) or not seen.issuperset(node["parents"]):
            return False
        seen.add(node["id"])
    refused = graph.get("refused")
    return (
        isinstance(graph.get("name"), str)
        and all(_is_cell(cell) and cell["name"] in seen for cell in graph["cells"])
        and isinstance(refused, list)
        and all(isinstance(entry, dict) and isinstance(entry.get("error"), str) for entry in refused)
    )


def _is_node(node: object) -> bool:
    return (
        isinstance(node, dict)
        and all(isinstance(node.get(field), str) for field in ("id", "kind", "label"))
        and node["kind"] in KINDS_OF_NODES
        and isinstance(node.get("parents"), list)
        and all(isinstance(parent, str) for parent in node["parents"])
        and _is_number(node.get("seconds"))
        and isinstance(node.get("done"), bool)
    )


def _is_cell(cell: object) -> bool:
    return (
        isinstance(cell, dict)
        and isinstance(cell.get("name"), str)
        and isinstance(cell.get("model"), str)
        and isinstance(cell.get("intermediate"), list)
        and all(isinstance(task, str) for task in cell["intermediate"])
        and isinstance(cell.get("target"), str | None)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

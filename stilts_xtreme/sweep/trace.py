"""The use of a launch's slots, read from its events: which stage was in which slot when, and who waited in vain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ENDS = ("done", "failed", "lost", "busy")
"""Events with which a node leaves its slot."""


@dataclass(frozen=True)
class Span:
    """A node's time in a slot.

    Attributes:
        node: The node's id.
        slot: Number of the slot; None where the executor has none.
        start: When it began, in the seconds of the events.
        end: When it ended; of a node that still runs, the time of the last event.
        how: ``done``, ``failed``, ``lost``, ``busy``, or ``running``.
    """

    node: str
    slot: int | None
    start: float
    end: float
    how: str


def spans(events: Iterable[Mapping[str, Any]]) -> list[Span]:
    """The times in slots of one launch, in the order of their ends."""
    found: list[Span] = []
    begun: dict[str, Mapping[str, Any]] = {}
    last = 0.0
    for event in events:
        last = event["time"]
        if event["event"] == "started":
            begun[event["node"]] = event
        elif event["event"] in ENDS and event["node"] in begun:
            start = begun.pop(event["node"])
            found.append(Span(event["node"], start.get("slot"), start["time"], last, event["event"]))
    return found + [Span(id_, start.get("slot"), start["time"], last, "running") for id_, start in begun.items()]


def waits(nodes: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Nodes that were ready beside an empty slot when the next news came in; there must be none.

    A node that another process was making is left out until it is tried again.

    Args:
        nodes: The nodes of a graph as in ``graph.json``.
        events: The events of one launch, from "launched" on.

    Returns:
        Pairs of the event before which a slot was empty, as ``name node``, and a node that was ready.
    """
    nodes = list(nodes)
    done = {node["id"] for node in nodes if node["done"]}
    missing = {
        node["id"]: {parent for parent in node["parents"] if parent not in done}
        for node in nodes
        if node["id"] not in done  # one that is there waits for nothing, also where its parent had been deleted
    }
    children: dict[str, list[str]] = {}
    for id_, parents in missing.items():
        for parent in parents:
            children.setdefault(parent, []).append(id_)
    ready = dict.fromkeys(id_ for id_, parents in missing.items() if not parents)
    running: set[str] = set()
    slots = 0
    found = []
    for event in events:
        name, id_ = event["event"], event.get("node", "")
        if name == "launched":
            slots = event["slots"]
        elif name == "started":
            ready.pop(id_, None)
            running.add(id_)
        elif name in (*ENDS, "progress", "ended"):
            if ready and len(running) < slots:
                found.append((f"{name} {id_}", next(iter(ready))))
            if name in ENDS:
                running.discard(id_)
            if name == "lost":
                ready[id_] = None
            elif name == "done":
                for child in children.get(id_, ()):
                    missing[child].discard(id_)
                    if not missing[child]:
                        ready[child] = None
    return found

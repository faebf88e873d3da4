"""The folder of a sweep: its graph, and a log of what happened, from which anyone can tell how it stands.

Layout below ``<output>/sweeps/<name>``::

    graph.json           nodes and cells, written anew at each launch (scratch, then rename)
    events.jsonl         one line per event, only ever appended to; those after the last "launched" are of this launch
    logs/worker-N.log    what the worker in slot N printed
    jobs/<node>.jsonl    on a cluster: the events of a node as its job tells them, so that each file has one writer
    configs/             on a cluster: the configurations from which jobs plan their nodes again
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.sweep.graph import Graph
from stilts_xtreme.sweep.planning import PlannedCell, Refusal
from stilts_xtreme.sweep.state import State

SCHEMA = 1
PROGRESS_SECONDS = 5.0
"""The log takes the progress of a node this often."""


def describe(name: str, graph: Graph, planned: Sequence[PlannedCell], refused: Sequence[Refusal]) -> dict[str, Any]:
    """What ``graph.json`` holds."""
    cells: dict[str, dict[str, Any]] = {}
    for entry in planned:
        cell = entry.cell
        cells[entry.name] = {
            "name": entry.name,
            "model": cell.model.name,
            "weights": cell.model.weights,
            "intermediate": list(cell.intermediate),
            "target": cell.target.name if cell.target else None,
            "seed": cell.seed,
        }
    nodes = [
        {
            "id": node.id,
            "kind": node.kind,
            "label": node.label,
            "parents": list(node.parents),
            "seconds": round(node.seconds, 3),
            "done": node.done,
        }
        for node in graph.nodes.values()
    ]
    refusals = [{"what": entry.what, "error": str(entry.error)} for entry in refused]
    return {"schema": SCHEMA, "name": name, "nodes": nodes, "cells": list(cells.values()), "refused": refusals}


class Log:
    """Appends events to a file of its own.

    Args:
        path: The file.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.said: dict[str, float] = {}
        self.events = path.open("a", encoding="utf-8")

    def tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Appends an event; progress only now and then."""
        if event == "progress":
            now = time.monotonic()
            if now - self.said.get(data["node"], -PROGRESS_SECONDS) < PROGRESS_SECONDS:
                return
            self.said[data["node"]] = now
        line = {"time": round(time.time(), 3), "event": event, **data}
        self.events.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.events.flush()

    def close(self) -> None:
        """Closes the file."""
        self.events.close()


class Record(Log):
    """Writes the folder of a sweep.

    Args:
        folder: The folder.
        described: The graph (:func:`describe`).
    """

    def __init__(self, folder: Path, described: Mapping[str, Any]):
        write_atomic(folder / "graph.json", json.dumps(described, indent=1, ensure_ascii=False))
        super().__init__(folder / "events.jsonl")

    def launched(self, slots: int) -> dict[str, Any]:
        """Begins a launch; what its event holds."""
        data = {"slots": slots, "host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
        self.tell("launched", data)
        return data


def lines(path: Path) -> list[dict[str, Any]]:
    """The events of a file; a line that is still being written, or was cut off, is passed over."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def told_by_job(folder: Path, id_: str, job: str) -> list[dict[str, Any]]:
    """What a job has told of one of its nodes."""
    return [event for event in lines(folder / "jobs" / f"{id_}.jsonl") if event.get("job") == job]


def made_by_jobs(folder: Path, id_: str) -> bool:
    """Whether a job of the sweep has made a node, and not found it."""
    return any(event["event"] == "done" and event["made"] for event in lines(folder / "jobs" / f"{id_}.jsonl"))


def submitted(folder: Path) -> dict[str, str]:
    """Node -> the last job that was submitted for it, whichever launch did so."""
    return {event["node"]: event["job"] for event in lines(folder / "events.jsonl") if event["event"] == "submitted"}


def events(folder: Path) -> list[dict[str, Any]]:
    """The events of the last launch: what was submitted, what jobs told of that, and what the launcher did."""
    found: list[dict[str, Any]] = []
    for event in lines(folder / "events.jsonl"):
        if event.get("event") == "launched":
            found.clear()
        found.append(event)
    jobs = {event["node"]: event["job"] for event in found if event["event"] == "submitted"}
    told = [event for id_, job in jobs.items() for event in told_by_job(folder, id_, job)]
    # by order and not by time, as hosts have clocks of their own: what a launcher says of a job is said after its end
    first = [event for event in found if event["event"] in ("launched", "submitted")]
    last = [event for event in found if event["event"] not in ("launched", "submitted")]
    return [*first, *sorted(told, key=lambda event: event["time"]), *last]


def read(folder: Path) -> State:
    """How a sweep stands, from its folder and from the stages that are there.

    Raises:
        StiltsError: When the folder is not that of a sweep, or of a newer version.
    """
    try:
        graph = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StiltsError(
            f"{folder} is not the folder of a sweep: graph.json is not there or cannot be read."
        ) from error
    if graph.get("schema", 0) > SCHEMA:
        raise StiltsError(f"{folder} was written by a newer version of stilts_xtreme; upgrade to read it.")
    state = State(graph)
    for event in events(folder):
        state.apply(event["event"], event)
    store = Store(folder.parent.parent)
    for id_, node in state.nodes.items():  # made by another sweep, or just before the launcher died
        if state.status[id_] != "done" and node["kind"] != "cell" and (store.path(id_) / "manifest.json").exists():
            state.status[id_] = "done"
    return state

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_xtreme.errors import StiltsError
from stilts_xtreme.files import write_atomic
from stilts_xtreme.store import Store
from stilts_xtreme.sweep.graph import Graph
from stilts_xtreme.sweep.planning import PlannedCell, Refusal

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


@dataclass
class State:
    """How a sweep stands: its graph, and what the events say of each node.

    Attributes:
        graph: As in ``graph.json``.
        nodes: Id -> node of the graph.
        status: Id -> ``waiting``, ``running``, ``done``, ``failed`` or ``skipped``.
        info: Id -> progress and place of a running node, error of a failed one, seconds of one that is done.
        slots: Workers of the launch.
        since: When the launch began, in seconds since the epoch; None when there was none.
        ended: Whether it came to its end.
    """

    graph: Mapping[str, Any]
    nodes: dict[str, Mapping[str, Any]] = field(init=False)
    children: dict[str, list[str]] = field(init=False)
    status: dict[str, str] = field(init=False)
    info: dict[str, dict[str, Any]] = field(init=False)
    slots: int = 1
    since: float | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        self.nodes = {node["id"]: node for node in self.graph["nodes"]}
        self.children = {id_: [] for id_ in self.nodes}
        for node in self.nodes.values():
            for parent in node["parents"]:
                self.children[parent].append(node["id"])
        self._reset()

    def _reset(self) -> None:
        self.status = {id_: "done" if node["done"] else "waiting" for id_, node in self.nodes.items()}
        self.info = {id_: {} for id_ in self.nodes}
        self.ended = False

    def apply(self, event: str, data: Mapping[str, Any]) -> None:
        """Takes an event."""
        if event == "launched":
            self._reset()
            self.since, self.slots = data["time"], data["slots"]
        elif event == "ended":
            self.ended = True
        id_ = data.get("node")
        if id_ not in self.nodes:
            return
        if event == "submitted":
            self.status[id_], self.info[id_] = "waiting", {"job": data["job"]}
        elif event == "started":
            self.status[id_], self.info[id_] = "running", dict(data)
        elif event == "progress":
            self.info[id_].update({name: value for name, value in data.items() if name != "time"})
        elif event in ("busy", "lost", "requeued", "stopped"):
            self.status[id_], self.info[id_] = "waiting", {"note": event, **_job(data)}
        elif event == "done":
            self.status[id_], self.info[id_] = "done", dict(data)
        elif event == "failed":
            self.status[id_], self.info[id_] = "failed", {"error": data["error"]}
            todo = list(self.children[id_])
            while todo:
                child = todo.pop()
                if self.status[child] == "waiting":
                    self.status[child], self.info[child] = "skipped", {"error": data["error"], "because": id_}
                    todo += self.children[child]

    def title(self, id_: str) -> str:
        """Kind and label of a node."""
        return f"{self.nodes[id_]['kind']} {self.nodes[id_]['label']}"

    def counts(self) -> dict[str, int]:
        """How many stages, the nodes of cells apart, stand how."""
        found = dict.fromkeys(("waiting", "running", "done", "failed", "skipped"), 0)
        for id_, status in self.status.items():
            if self.nodes[id_]["kind"] != "cell":
                found[status] += 1
        return found

    def share(self, id_: str) -> float:
        """How much of a running node is done, from 0 to 1, as far as it has said."""
        info = self.info[id_]
        return min(1.0, info["done"] / info["total"]) if info.get("total") else 0.0

    def eta(self) -> float | None:
        """Seconds to the end: the remaining work on all slots, or the longest chain of it, whichever is more.

        Estimates of what is left are scaled by what the stages of this launch took against theirs. None while nothing
        is known.
        """
        took = [
            (info["seconds"], self.nodes[id_]["seconds"])
            for id_, info in self.info.items()
            if self.status[id_] == "done" and info.get("made") and self.nodes[id_]["kind"] in ("pretrain", "train")
        ]
        expected = sum(estimate for _, estimate in took)
        scale = sum(seconds for seconds, _ in took) / expected if expected else 1.0
        left: dict[str, float] = {}
        for id_, node in self.nodes.items():
            if self.status[id_] in ("waiting", "running"):
                left[id_] = node["seconds"] * (1 - self.share(id_)) * (1.0 if node["kind"] == "cell" else scale)
        if not left:
            return None
        longest: dict[str, float] = {}
        for id_ in self.nodes:  # parents come first
            if id_ in left:
                before = max((longest.get(parent, 0.0) for parent in self.nodes[id_]["parents"]), default=0.0)
                longest[id_] = before + left[id_]
        return max(max(longest.values()), sum(left.values()) / self.slots)

    def cell(self, name: str) -> dict[str, Any]:
        """How a cell stands.

        Returns:
            ``state``: ``done``, ``running``, ``waiting`` or ``failed``; with ``running``, the stages that run with
            progress and host; ``waiting``, the first stages that are not there; ``error`` and ``because``, the stage
            that failed.
        """
        status = self.status[name]
        if status == "done":
            return {"state": "done"}
        if status in ("failed", "skipped"):
            info = self.info[name]
            because = self.title(info["because"]) if "because" in info else "its own result"
            return {"state": "failed", "error": info["error"], "because": because}
        needed = [*self.nodes[name]["parents"], name]
        running = [
            {
                "stage": self.title(id_),
                "progress": round(self.share(id_), 3),
                "host": self.info[id_].get("host"),
                "slot": self.info[id_].get("slot"),
                **_job(self.info[id_]),
                "since": self.info[id_].get("time"),
            }
            for id_ in needed
            if self.status[id_] == "running"
        ]
        if running:
            return {"state": "running", "running": running}
        first = [
            self.title(id_)
            for id_ in needed
            if self.status[id_] == "waiting"
            and all(self.status[parent] == "done" for parent in self.nodes[id_]["parents"])
        ]
        return {"state": "waiting", "waiting": first or [self.title(needed[0])]}


def _job(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"job": data["job"]} if "job" in data else {}


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

"""The state of a sweep, as its events tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class State:
    """How a sweep stands: its graph, and what the events say of each node.

    Attributes:
        graph: As in ``graph.json``.
        nodes: Id -> node of the graph.
        named: How many nodes have a kind and a label.
        status: Id -> ``waiting``, ``running``, ``done``, ``failed`` or ``skipped``.
        info: Id -> progress and place of a running node, error of a failed one, seconds of one that is done.
        slots: Workers of the launch.
        since: When the launch began, in seconds since the epoch; None when there was none.
        ended: Whether it came to its end.
        notes: Sentences on records that are damaged.
    """

    graph: Mapping[str, Any]
    nodes: dict[str, Mapping[str, Any]] = field(init=False)
    children: dict[str, list[str]] = field(init=False)
    named: Counter[str] = field(init=False)
    status: dict[str, str] = field(init=False)
    info: dict[str, dict[str, Any]] = field(init=False)
    slots: int = 1
    since: float | None = None
    ended: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = {node["id"]: node for node in self.graph["nodes"]}
        self.named = Counter(map(_title, self.nodes.values()))
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
        """Kind and label of a node; with digits of its key where another one is called the same."""
        title = _title(self.nodes[id_])
        return f"{title} ({id_[:8]})" if self.named[title] > 1 else title

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


def _title(node: Mapping[str, Any]) -> str:
    return f"{node['kind']} {node['label']}"


def _job(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"job": data["job"]} if "job" in data else {}

"""Runs a graph: ready nodes go to an executor, the dearest chain first; a failure takes only what needs it along.

A slot never waits while a node is ready. The dearest chain is that of the dearest cell: all that it needs, its floors
and its evaluation too, goes before what only cheaper cells need, so that cells are finished one after another and not
all at the end. :mod:`stilts_xtreme.sweep.simulate` shows what that costs.

The engine knows no processes and no clusters. An executor is anything that takes a ready node and reports on it: worker
processes here (:mod:`stilts_xtreme.sweep.executors.local`), or a simulation with a clock of its own.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stilts_xtreme.sweep.graph import Graph, Node

BUSY_SECONDS = 5.0
"""After this long a node that another process was making is tried again."""


@dataclass(frozen=True)
class Report:
    """What an executor says about a node it was given.

    Attributes:
        kind: ``progress``; or one of the ends: ``done``, ``failed``, ``lost`` (its worker died; it may be tried again)
            and ``busy`` (another process is making it).
        node: The node's id.
        data: ``made`` of a stage that is done; ``error`` of a failure, a sentence; ``done``, ``total`` and ``note`` of
            progress; ``seconds``, ``host``, ``pid`` and ``slot`` where they are known.
    """

    kind: str
    node: str
    data: dict[str, Any] = field(default_factory=dict)


class Executor(Protocol):
    """Makes nodes, several at a time."""

    def free(self) -> int:
        """How many nodes it would take now."""

    def start(self, node: Node, made: Collection[str]) -> dict[str, Any]:
        """Takes a ready node.

        Args:
            node: The node.
            made: Ids of its parents that this sweep has made.

        Returns:
            Where it runs: ``slot``, ``host``, ``pid`` as far as they are known.
        """

    def wait(self, seconds: float) -> Sequence[Report]:
        """Reports that have come in; waits for one for so long at most."""

    def now(self) -> float:
        """The time in seconds, by a clock that only goes forward."""


Listener = Callable[[str, dict[str, Any]], None]


class Tally:
    """What has come of the nodes of a graph.

    Args:
        graph: The graph.
        tell: Told everything that happens: an event's name and what belongs to it.

    Attributes:
        done: Ids of nodes that are there, made or found.
        made: Ids of the stages that this run has made.
        failed: Id -> error of the nodes that failed themselves.
        skipped: Id -> id of the failed node because of which it was not made.
        missing: Id -> how many of its parents are not there, of the nodes that were not there at first.
    """

    def __init__(self, graph: Graph, tell: Listener):
        self.graph, self.tell = graph, tell
        self.done = {node.id for node in graph.nodes.values() if node.done}
        self.made: set[str] = set()
        self.failed: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.missing = {
            node.id: sum(parent not in self.done for parent in node.parents)
            for node in graph.nodes.values()
            if not node.done
        }

    def fail(self, id_: str, error: str) -> None:
        """Ends a node, and all that need it."""
        self.failed[id_] = error
        self.tell("failed", {"node": id_, "error": error})
        for child in self.graph.below(id_):
            if child not in self.skipped and child not in self.failed and child not in self.done:
                self.skipped[child] = id_

    def finish(self, id_: str, made: bool) -> list[str]:
        """Takes a node for done; the nodes that have waited for it last."""
        self.done.add(id_)
        if made:
            self.made.add(id_)
        waiting = [child for child in self.graph.children[id_] if child in self.missing]
        for child in waiting:  # not of one that was there before its parent was: the parent had been deleted
            self.missing[child] -= 1
        return [child for child in waiting if not self.missing[child]]

    def run(self) -> None:
        """Runs to the end: every node is done, failed or skipped."""
        raise NotImplementedError

    def cause(self, id_: str) -> str | None:
        """The error because of which a node is not there; None if it is."""
        return self.failed.get(self.skipped.get(id_, id_))


class Engine(Tally):
    """One run of a graph on an executor.

    Args:
        graph: The graph.
        executor: Who makes its nodes.
        tell: Told everything that happens.
        retries: How often a node is tried again after its worker died.

    Attributes:
        running: Id -> what is known about it.
    """

    def __init__(self, graph: Graph, executor: Executor, tell: Listener, retries: int = 2):
        super().__init__(graph, tell)
        self.executor, self.retries = executor, retries
        self.running: dict[str, dict[str, Any]] = {}
        self.lost: dict[str, int] = {}
        self.ready: list[tuple[float, float, int, str]] = []
        self.busy: list[tuple[float, str]] = []
        self.order = {id_: position for position, id_ in enumerate(graph.nodes)}
        for id_, missing in self.missing.items():
            if not missing:
                self._push(id_)

    def _push(self, id_: str) -> None:
        place = (-self.graph.chain[id_], -self.graph.tail[id_], self.order[id_], id_)
        heapq.heappush(self.ready, place)

    def run(self) -> None:
        """Runs to the end: every node is done, failed or skipped."""
        while True:
            now = self.executor.now()
            while self.busy and self.busy[0][0] <= now:
                self._push(heapq.heappop(self.busy)[1])
            self._fill()
            if not self.running and not self.busy:
                return
            until = max(0.0, self.busy[0][0] - now) if self.busy else 3600.0
            for report in self.executor.wait(until):
                self._take(report)
                self._fill()  # what became ready begins before the next report is looked at

    def _fill(self) -> None:
        while self.ready and self.executor.free():
            self._start(heapq.heappop(self.ready)[3])

    def _start(self, id_: str) -> None:
        if id_ in self.skipped or id_ in self.failed:
            return
        node = self.graph.nodes[id_]
        where = self.executor.start(node, [parent for parent in node.parents if parent in self.made])
        self.running[id_] = {"since": self.executor.now(), **where}
        self.tell("started", {"node": id_, **where})

    def _take(self, report: Report) -> None:
        id_, data = report.node, report.data
        if report.kind == "progress":
            self.running[id_].update(data)
            self.tell("progress", {"node": id_, **data})
            return
        self.running.pop(id_)
        if report.kind == "busy":
            self.tell("busy", {"node": id_})
            heapq.heappush(self.busy, (self.executor.now() + BUSY_SECONDS, id_))
        elif report.kind == "lost":
            self.lost[id_] = self.lost.get(id_, 0) + 1
            if self.lost[id_] > self.retries:
                self.fail(id_, f"{data['error']}, {self.lost[id_]} times in all; {data.get('hint', '')}".rstrip("; "))
            else:
                self.tell("lost", {"node": id_, **data})
                self._push(id_)
        elif report.kind == "failed":
            self.fail(id_, data["error"])
        else:
            self.tell("done", {"node": id_, **data})
            for child in self.finish(id_, bool(data.get("made"))):
                self._push(child)

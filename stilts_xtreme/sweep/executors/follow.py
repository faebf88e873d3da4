"""Follows a sweep whose nodes are jobs of a cluster: submits them, then listens to what they tell until all end.

The cluster itself keeps the order: a job waits for those that make its parents, and is cancelled when one of them
fails. So the jobs need nobody: who follows may go and come back.
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.terminal import say
from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.sweep.engine import Listener, Tally
from stilts_xtreme.sweep.executors.sbatch import JobState
from stilts_xtreme.sweep.graph import Graph, Node, chains

POLL_SECONDS = 1.0
"""How often the jobs' files are looked at."""
QUEUE_SECONDS = 10.0
"""How often the queue is asked."""
GRACE_SECONDS = 30.0
"""A job that has ended is given so long for its last words to arrive over a network filesystem."""
HINTS = {
    "TIMEOUT": "a longer hydra.launcher.time helps",
    "OUT_OF_MEMORY": "a larger hydra.launcher.mem or a smaller trainer.micro_batch_tokens helps",
}


class Cluster(Protocol):
    """A queue of jobs."""

    def submit(self, nodes: Sequence[Node], after: Sequence[str]) -> str | None:
        """Submits a job that makes nodes in order once jobs have ended well; its id, or None when there is no room."""

    def states(self) -> Mapping[str, JobState] | None:
        """The jobs that it knows, by id; None when it does not answer."""

    def log(self, job: str) -> Path:
        """What a job printed."""

    def farewell(self) -> str:
        """What to tell who leaves while jobs go on."""


class Follow(Tally):
    """One launch of a sweep on a cluster.

    Args:
        graph: The graph.
        folder: The sweep's folder.
        cluster: Takes the jobs.
        tell: Told what happens here.
        show: Told what jobs have recorded themselves.
        most: So many jobs are submitted at a time at the most; None: all at once.

    Attributes:
        jobs: Node -> job, of the nodes that have one.
    """

    def __init__(
        self, graph: Graph, folder: Path, cluster: Cluster, tell: Listener, show: Listener, most: int | None = None
    ):
        super().__init__(graph, tell)
        self.folder, self.cluster, self.show, self.most = folder, cluster, show, most
        self.jobs: dict[str, str] = {}
        self.heard: dict[str, int] = {}
        self.silent: dict[str, float] = {}
        self.asked = 0.0
        known = cluster.states() or {}
        for id_, job in recorded.submitted(folder).items():
            if id_ in self.missing and job in known and known[job].live:
                self.jobs[id_] = job
        self.attached = list(self.jobs)
        if not self.jobs:  # what earlier launches told is no longer of interest
            shutil.rmtree(folder / "jobs", ignore_errors=True)
        self.queue = deque(chains(graph, self.missing.keys() - self.jobs.keys()))

    def open(self) -> list[str]:
        """The nodes that have not ended."""
        return [id_ for id_ in self.missing if not (id_ in self.done or id_ in self.failed or id_ in self.skipped)]

    def run(self) -> None:
        """Follows to the end: every node is done, failed or skipped."""
        for id_ in self.attached:
            self.tell("submitted", {"node": id_, "job": self.jobs[id_]})
        try:
            while True:
                self._submit()
                heard = self._listen()
                if not self.open():
                    return
                if not heard:
                    self._ask()
                    time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            say(self.cluster.farewell())
            raise

    def _submit(self) -> None:
        """Submits what is left, as far as there is room."""
        while self.queue:
            chain = self.queue[0]
            if chain[0] in self.skipped:
                self.queue.popleft()
                continue
            if self.most is not None and len({self.jobs[id_] for id_ in self.open() if id_ in self.jobs}) >= self.most:
                return
            parents = {parent for id_ in chain for parent in self.graph.nodes[id_].parents}
            after = {self.jobs[parent] for parent in parents - self.done - set(chain)}
            job = self.cluster.submit([self.graph.nodes[id_] for id_ in chain], sorted(after))
            if job is None:
                return
            self.queue.popleft()
            for id_ in chain:
                self.jobs[id_] = job
                self.tell("submitted", {"node": id_, "job": job})
            self._listen()

    def _listen(self) -> bool:
        """Takes what jobs have told; whether there was anything."""
        any_ = False
        moved = True
        while moved:
            moved = False
            for id_ in self._due():
                told = recorded.told_by_job(self.folder, id_, self.jobs[id_])
                new = told[self.heard.get(id_, 0) :]
                self.heard[id_] = len(told)
                for event in new:
                    moved = any_ = True
                    self._take(id_, event)
        return any_

    def _due(self) -> list[str]:
        """Nodes with a job whose parents are there."""
        return [id_ for id_ in self.open() if id_ in self.jobs and not self.missing[id_]]

    def _take(self, id_: str, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        data = {name: value for name, value in event.items() if name != "event"}
        self.silent.pop(id_, None)
        if kind == "done":
            self.show(kind, data)
            self.finish(id_, bool(data.get("made")))
        elif kind == "failed":
            self._without_record(lambda: self.fail(id_, data["error"]))
        else:
            self.show(kind, data)

    def _without_record(self, work: Callable[[], None]) -> None:
        """Does what tells, of something that a job has recorded."""
        tell, self.tell = self.tell, self.show
        try:
            work()
        finally:
            self.tell = tell

    def _ask(self) -> None:
        """Finds the jobs that have ended without a word."""
        now = time.monotonic()
        if now - self.asked < QUEUE_SECONDS:
            return
        self.asked = now
        known = self.cluster.states()
        if known is None:
            return
        for id_ in self._due():
            state = known.get(self.jobs[id_])
            if state is not None and state.live:
                self.silent.pop(id_, None)
            elif now - self.silent.setdefault(id_, now) >= GRACE_SECONDS or (state and state.state == "CANCELLED"):
                self._ended(id_, state)

    def _ended(self, id_: str, state: JobState | None) -> None:
        node, job = self.graph.nodes[id_], self.jobs[id_]
        if node.cell is not None and Store(node.cell.output).done(id_):
            self.finish(id_, recorded.made_by_jobs(self.folder, id_))
            self.tell("done", {"node": id_, "seconds": 0.0, "job": job})
            return
        how = f"ended as {state.state}" if state else "is no longer known to the queue"
        hint = HINTS.get(state.state, "") if state else ""
        log = self.cluster.log(job)
        last = _last_line(log) if state is None or state.state != "CANCELLED" else ""
        parts = [
            f"{node.title}: its job {job} {how}",
            hint,
            f"its output is in {log}" + (f" and ends with: {last}" if last else ""),
        ]
        self.fail(id_, "; ".join(filter(None, parts)))


def _last_line(log: Path) -> str:
    """The last line that is not srun's, which only repeats the exit code."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip() and not line.startswith("srun:")), "")

"""Jobs are followed to their end, on a queue without machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.graphs import node

from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.sweep import record
from stilts_xtreme.sweep.engine import Listener
from stilts_xtreme.sweep.executors import follow
from stilts_xtreme.sweep.executors.follow import Follow
from stilts_xtreme.sweep.executors.sbatch import JobState
from stilts_xtreme.sweep.graph import Graph, Node


class Queue:
    """A cluster without machines: a job runs when those it waits for have ended well, and tells what is its fate."""

    def __init__(self, folder: Path, fate: Mapping[str, str] | None = None, room: int = 99):
        self.folder, self.fate, self.room = folder, dict(fate or {}), room
        self.jobs: dict[str, tuple[list[str], list[str]]] = {}
        self.known: dict[str, JobState] = {}
        self.most = 0

    def submit(self, nodes: Sequence[Node], after: Sequence[str]) -> str | None:
        assert all(self.known[job].state != "FAILED" for job in after)
        pending = [job for job, state in self.known.items() if state.state == "PENDING"]
        if len(pending) >= self.room:
            return None
        job = str(len(self.jobs) + 7)
        self.jobs[job] = ([node.id for node in nodes], list(after))
        self.known[job] = JobState("PENDING", "Dependency")
        self.most = max(self.most, len(pending) + 1)
        return job

    def states(self) -> Mapping[str, JobState]:
        return self.known

    def log(self, job: str) -> Path:
        path = self.folder / f"{job}.log"
        path.write_text("its last words\nsrun: error: exit code 1\n\n")
        return path

    def farewell(self) -> str:
        return "farewell"

    def step(self, _: float = 0) -> None:
        """Runs what can run, or ends it."""
        for job, (ids, after) in self.jobs.items():
            states = [self.known[other].state for other in after]
            if self.known[job].state != "PENDING" or "PENDING" in states:
                continue
            if "FAILED" in states or "CANCELLED" in states or "TIMEOUT" in states:
                self.known[job] = JobState("CANCELLED", "Dependency")
                continue
            self.known[job] = JobState("COMPLETED", "None")
            for id_ in ids:
                fate = self.fate.get(id_, "done")
                log = record.Log(self.folder / "jobs" / f"{id_}.jsonl")
                log.tell("started", {"node": id_, "job": job, "host": "n1"})
                if fate == "done":
                    log.tell("done", {"node": id_, "job": job, "made": True, "seconds": 1.0})
                elif fate == "failed":
                    log.tell("failed", {"node": id_, "job": job, "error": f"{id_} broke"})
                    self.known[job] = JobState("FAILED", "None")
                else:
                    self.known[job] = JobState(fate, "None")
                if fate != "done":
                    break
            return


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Queue], None]:
    """Nothing is waited for but the queue's next step."""

    def use(queue: Queue) -> None:
        monkeypatch.setattr(follow.time, "sleep", queue.step)
        monkeypatch.setattr(follow, "QUEUE_SECONDS", 0.0)
        monkeypatch.setattr(follow, "GRACE_SECONDS", 0.0)

    return use


def folder_for(tmp_path: Path, graph: Graph) -> tuple[Path, record.Record, Listener]:
    folder = tmp_path / "out" / "sweeps" / "sweep"
    nodes = [
        {"id": n.id, "kind": n.kind, "label": n.label, "parents": n.parents, "seconds": 1, "done": n.done}
        for n in graph.nodes.values()
    ]
    writer = record.Record(folder, {"schema": 1, "name": "sweep", "nodes": nodes, "cells": [], "refused": []})
    writer.launched(1)
    return folder, writer, writer.tell


DIAMOND = [node("a", 1), node("b", 1, "a"), node("c", 1, "a"), node("d", 1, "b", "c"), node("e", 1)]


def silent(event: str, data: Mapping[str, Any]) -> None:
    pass


@pytest.mark.parametrize("most", [None, 1, 2])
def test_jobs_wait_for_their_parents(tmp_path: Path, instant: Callable[[Queue], None], most: int | None) -> None:
    graph = Graph(DIAMOND)
    folder, _, tell = folder_for(tmp_path, graph)
    queue = Queue(folder, room=3)
    instant(queue)
    found = Follow(graph, folder, queue, tell, silent, most)
    found.run()
    assert found.done == found.made == set("abcde")
    assert queue.most == (most or 3)
    by_first = {ids[0]: (job, after) for job, (ids, after) in queue.jobs.items()}
    assert sorted(by_first) == list("abcde")
    if most is None:  # those there was room for were submitted before any had run
        assert by_first["b"][1] == [by_first["a"][0]]
    state = recorded.read(folder)
    assert set(state.status.values()) == {"done"}


def test_a_failed_job_fails_what_needs_it(tmp_path: Path, instant: Callable[[Queue], None]) -> None:
    graph = Graph(DIAMOND)
    folder, _, tell = folder_for(tmp_path, graph)
    queue = Queue(folder, {"b": "failed"})
    instant(queue)
    found = Follow(graph, folder, queue, tell, silent)
    found.run()
    assert found.done == {"a", "c", "e"}
    assert found.cause("b") == found.cause("d") == "b broke"
    state = recorded.read(folder)
    assert (state.status["b"], state.status["d"]) == ("failed", "skipped")
    # again: what failed is submitted anew, with what was cancelled, and nothing else
    done = Graph([Node(n.id, n.kind, n.label, n.parents, 1, n.id in found.done) for n in DIAMOND])
    queue.fate.clear()
    folder, _, tell = folder_for(tmp_path, done)
    second = Follow(done, folder, queue, tell, silent)
    assert not second.attached
    second.run()
    assert second.done == set("abcde")
    assert [ids for ids, _ in queue.jobs.values()][-1] == ["b", "d"]
    assert set(recorded.read(folder).status.values()) == {"done"}


@pytest.mark.parametrize(("state", "hint"), [("TIMEOUT", "hydra.launcher.time"), ("CANCELLED", "CANCELLED")])
def test_a_job_that_ends_without_a_word(
    tmp_path: Path, instant: Callable[[Queue], None], state: str, hint: str
) -> None:
    graph = Graph(DIAMOND)
    folder, _, tell = folder_for(tmp_path, graph)
    queue = Queue(folder, {"c": state})
    instant(queue)
    found = Follow(graph, folder, queue, tell, silent)
    found.run()
    assert set(found.failed) == {"c"}
    assert f"ended as {state}" in found.failed["c"]
    assert hint in found.failed["c"]
    assert ("its last words" in found.failed["c"]) == (state == "TIMEOUT")
    assert recorded.read(folder).status["c"] == "failed"


def test_who_comes_back_attaches(tmp_path: Path, instant: Callable[[Queue], None]) -> None:
    graph = Graph(DIAMOND)
    folder, writer, tell = folder_for(tmp_path, graph)
    queue = Queue(folder)
    instant(queue)
    first = Follow(graph, folder, queue, tell, silent)
    first._submit()  # and dies
    queue.step()
    writer.close()
    found = recorded.read(folder)
    assert sorted(found.status.values()) == ["done", *["waiting"] * 4]
    count = len(queue.jobs)
    left = Graph([Node(n.id, n.kind, n.label, n.parents, 1, found.status[n.id] == "done") for n in DIAMOND])
    folder, _, tell = folder_for(tmp_path, left)
    second = Follow(left, folder, queue, tell, silent)
    assert len(second.attached) == 4
    assert not second.queue
    second.run()
    assert len(queue.jobs) == count
    assert second.done == set("abcde")
    assert set(recorded.read(folder).status.values()) == {"done"}


def test_ctrl_c_leaves_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, tell = folder_for(tmp_path, Graph(DIAMOND))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Follow(Graph(DIAMOND), folder, Queue(folder), tell, silent).run()
    assert "farewell" in capsys.readouterr().err

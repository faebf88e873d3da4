"""Sweeps as jobs of SLURM: with stand-ins for its commands, and with a real one where it runs."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cells import ROOT, TINY, check_refusal, composed
from support.graphs import graphs, node
from support.sweeps import values, weights

from stilts_xtreme.__main__ import main
from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.config.machine import elsewhere
from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands import status
from stilts_xtreme.commands.plan import main as plan_main
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep import planning, record
from stilts_xtreme.sweep.engine import Listener
from stilts_xtreme.sweep.executors import follow, sbatch
from stilts_xtreme.sweep.executors.follow import Follow
from stilts_xtreme.sweep.executors.sbatch import JobState
from stilts_xtreme.sweep.graph import Graph, Node, build, chains
from stilts_xtreme.sweep.job import Job, keep_config, rebuild

submitit = pytest.importorskip("submitit")

NAMES = ("sbatch", "squeue", "scontrol", "srun", "sinfo")
REFUSING = """case "$*" in
*--partition=nope*) echo "sbatch: error: invalid partition specified: nope" >&2; exit 1;;
*--gres=tpu*) echo "sbatch: error: Invalid generic resource (gres) specification" >&2; exit 1;;
*--mem=9T*|*--gres=gpu:2*--mem=8G*|*--mem=8G*--gres=gpu:2*)
  echo "allocation failure: Requested node configuration is not available" >&2; exit 1;;
*--time=9-0*) echo "allocation failure: Requested time limit is invalid (missing or exceeds some limit)" >&2; exit 1;;
*--account=down*) echo "sbatch: error: Unable to contact slurm controller (connect failure)" >&2; exit 1;;
*--bogus*) echo "sbatch: unrecognized option '--bogus=3'" >&2; echo 'Try "sbatch --help"' >&2; exit 255;;
esac
"""
SINFO = """case "$*" in
*%R*) echo long; echo debug; echo long;; *%G*) echo gpu:4;; *%l*) echo 1-00:00:00;; *%m*) echo 16000;;
esac
"""


def stand_in(folder: Path, **scripts: str) -> Path:
    """Commands in SLURM's place."""
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / name).write_text("#!/bin/sh\n" + scripts.get(name, ""))
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = stand_in(tmp_path / "bin", sbatch=REFUSING, sinfo=SINFO)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a tiny multirun on SLURM: exit code, stdout, stderr."""

    def call(output: Path, *arguments: str) -> tuple[int, str, str]:
        command = ["-m", *TINY, "hydra/launcher=slurm", f"output={output}", *arguments]
        monkeypatch.setattr(sys, "argv", ["stilts_xtreme", *command])
        capsys.readouterr()
        code = main()
        return (code, *capsys.readouterr())

    return call


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["partition=nope"], ["partition=nope", "invalid partition specified", "partitions here: debug, long."]),
        (["partition=long", "mem=4G", "gres=tpu:1"], ["gres=tpu:1", "Invalid generic resource", "here: gpu:4."]),
        (["time=9-0"], ["time=9-0", "time limit is invalid", "1-00:00:00"]),
        (["mem=9T"], ["mem=9T", "not available", "16000"]),
        (["gres=gpu:2", "mem=8G"], ["hydra.launcher.mem=8G hydra.launcher.gres=gpu:2", "not available"]),
        (["additional.bogus=3"], ["hydra.launcher.additional.bogus=3", "unrecognized option"]),
        (["account=down"], ["controller does not answer", "connect failure"]),
        (["time=abc"], ["hydra.launcher.time=abc", "minutes"]),
        (["time=0:00"], ["hydra.launcher.time=0:00", "minutes"]),
        (["cpus_per_task=0"], ["hydra.launcher.cpus_per_task=0", "whole number"]),
        (["max_jobs=many"], ["hydra.launcher.max_jobs=many", "null or a whole number"]),
        (["requeue=maybe"], ["hydra.launcher.requeue=maybe", "true or false"]),
    ],
)
def test_refusals_come_before_anything_is_made(
    sweep: Callable[..., Any], commands: Path, tmp_path: Path, options: Sequence[str], words: Sequence[str]
) -> None:
    code, out, err = sweep(
        tmp_path / "out",
        "+target=xnli",
        *(f"{'+' * option.startswith('additional')}hydra.launcher.{option}" for option in options),
    )
    assert (code, out) == (1, "")
    check_refusal(err, words, tmp_path / "out")


def test_a_machine_without_slurm_or_submitit(
    sweep: Callable[..., Any], commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (commands / "sbatch").unlink()
    monkeypatch.setenv("PATH", str(commands))
    code, _, err = sweep(tmp_path / "out", "+target=xnli")
    assert code == 1
    assert "sbatch is not on the PATH" in err
    monkeypatch.setitem(sys.modules, "submitit", None)
    code, _, err = sweep(tmp_path / "out", "+target=xnli")
    assert code == 1
    assert "pip install 'stilts-xtreme[slurm]'" in err
    assert not (tmp_path / "out").exists()


def test_a_gpu_is_that_of_the_job(sweep: Callable[..., Any], commands: Path, tmp_path: Path) -> None:
    code, _, err = sweep(tmp_path / "out", "+target=xnli", "trainer=gpu")
    assert code == 1
    assert "add hydra.launcher.gres=gpu:1" in err
    cfg = composed("+target=xnli", "trainer=auto")
    with elsewhere(True):
        there = make_cell(cfg).trainer
    assert (there.accelerator, there.precision) == ("gpu", "bf16-mixed")
    with elsewhere(False):
        assert make_cell(cfg).trainer.accelerator == "cpu"


@given(graphs(), st.data())
def test_chains_keep_nothing_else_waiting(graph: Graph, data: st.DataObject) -> None:
    done = data.draw(st.sets(st.sampled_from(sorted(graph.nodes)), max_size=4))
    done |= {parent for id_ in done for parent in graph.above(id_)}
    graph = Graph([Node(n.id, n.kind, n.label, n.parents, n.seconds, n.id in done) for n in graph.nodes.values()])
    found = chains(graph, graph.nodes.keys() - done)
    assert sorted(id_ for chain in found for id_ in chain) == sorted(graph.nodes.keys() - done)
    before: set[str] = set(done)
    for chain in found:
        needed = set()
        for id_ in chain:
            assert set(graph.nodes[id_].parents) <= before | needed | {*chain}
            needed.add(id_)
            assert chain.index(id_) == 0 or {*graph.nodes[id_].parents} & {*chain}
        # a job that waits for this one needs all that this one makes
        for id_ in chain:
            for child in set(graph.children[id_]) - set(chain):
                assert set(chain) <= set(graph.above(child))
        before |= set(chain)


def test_an_evaluation_goes_with_its_training() -> None:
    graph = Graph(
        [
            node("mnli", 5),
            node("train", 5, "mnli"),
            node("evaluate", 1, "train"),
            node("other", 9, "mnli"),
            node("floors", 1),
            node("cell", 1, "mnli", "train", "evaluate", "floors"),
            node("alone", 1, "mnli", "other"),
        ]
    )
    assert chains(graph, graph.nodes) == [["mnli"], ["other", "alone"], ["train", "evaluate"], ["floors"], ["cell"]]


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
    writer = record.Record(folder, {"schema": 1, "nodes": nodes, "cells": [], "refused": []})
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
    state = record.read(folder)
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
    state = record.read(folder)
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
    assert set(record.read(folder).status.values()) == {"done"}


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
    assert record.read(folder).status["c"] == "failed"


def test_who_comes_back_attaches(tmp_path: Path, instant: Callable[[Queue], None]) -> None:
    graph = Graph(DIAMOND)
    folder, writer, tell = folder_for(tmp_path, graph)
    queue = Queue(folder)
    instant(queue)
    first = Follow(graph, folder, queue, tell, silent)
    first._submit()  # and dies
    queue.step()
    writer.close()
    found = record.read(folder)
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
    assert set(record.read(folder).status.values()) == {"done"}


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


LONG = ("+intermediate=mnli", "+target=xnli", "baseline=false", "evaluation.floors=false")
STEPS = ("recipe.intermediate.max_steps=600", "++recipe.intermediate.epochs=1000")


def planned_job(output: Path, *arguments: str) -> tuple[Path, Graph, list[str]]:
    """The folder of a planned sweep of one cell, its graph, and the chain of its stages."""
    cfg = composed(*TINY, *LONG, *arguments, f"output={output}")
    planned = list(planning.cells([["x"]], lambda _: cfg))
    graph = build(planned, Store(output))
    folder = output / "sweeps" / planning.sweep_name(planned)
    record.Record(folder, record.describe(folder.name, graph, planned, [])).close()
    (chain,) = chains(graph, [id_ for id_, n in graph.nodes.items() if not n.done])
    return folder, graph, chain


def job_of(folder: Path, graph: Graph, chain: Sequence[str], **changes: Any) -> Job:
    nodes = tuple((id_, keep_config(folder, graph.nodes[id_].config or {})) for id_ in chain)
    return Job(str(folder), nodes, **{"gpu": False, "requeue": True, "margin": 30, **changes})


def at_work(job: Job, path: str, log: str) -> None:
    """A job in a process of its own, among stand-ins for SLURM's commands."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.environ.update(SLURM_JOB_ID="41", PATH=f"{path}:{os.environ['PATH']}")
    job()


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts a job."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["stilts_xtreme.cell.run", "stilts_xtreme.training.train", "hydra", "support.launching"]
    )
    started = []

    def start(job: Job, path: Path) -> Any:
        started.append(context.Process(target=at_work, args=(job, str(path), str(tmp_path / "job.txt"))))
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.join()


def wait_for(condition: Callable[[], Any], what: Callable[[], str] = lambda: "", seconds: float = 90) -> Any:
    """What a condition comes to once it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"waited in vain: {what()}")


def told(folder: Path, event: str) -> list[dict[str, Any]]:
    found = [line for path in folder.glob("jobs/*.jsonl") for line in record.lines(path)]
    return [line for line in found if line["event"] == event]


def training(folder: Path) -> list[dict[str, Any]]:
    return [line for line in told(folder, "progress") if line["phase"] == "training mnli" and line["done"] > 3]


def copied(pretrained: Path, to: Path) -> Path:
    """Another output folder with what is there."""
    shutil.copytree(pretrained / "stages", to / "stages")
    return to


def undisturbed(pretrained: Path, to: Path, launch: Callable[..., Any]) -> Path:
    """The same cell in one go, in one process."""
    output = copied(pretrained, to)
    process = launch([*TINY, *LONG, *STEPS, f"output={output}"], to / "log.txt")
    process.join(120)
    assert process.exitcode == 0, (to / "log.txt").read_text()
    return output


def test_a_preempted_job_goes_on_exactly(
    work: Callable[..., Any], launch: Callable[..., Any], pretrained: Path, tmp_path: Path
) -> None:
    expected = undisturbed(pretrained, tmp_path / "other", launch)
    asked = tmp_path / "asked.txt"
    path = stand_in(tmp_path / "bin", squeue="echo 'RUNNING|30:00'", scontrol=f'echo "$@" >> {asked}')
    folder, graph, chain = planned_job(pretrained, *STEPS)
    assert [graph.nodes[id_].kind for id_ in chain] == ["train", "train", "evaluate", "cell"]
    job = job_of(folder, graph, chain)
    log = tmp_path / "job.txt"
    process = work(job, path)
    wait_for(lambda: training(folder), log.read_text)
    os.kill(process.pid, signal.SIGUSR1)
    process.join(60)
    assert process.exitcode == 0, log.read_text()
    assert asked.read_text() == "requeue 41\n"
    assert [event["node"] for event in told(folder, "requeued")] == [chain[0]]
    (checkpoint,) = pretrained.glob("scratch/*/resume/last.ckpt")
    assert checkpoint.exists()
    # cancelled, or put back by somebody else: a checkpoint, and no word to the queue
    path = stand_in(tmp_path / "bin2", squeue="echo 'COMPLETING|30:00'", scontrol="exit 1")
    process = work(job, path)
    before = len(training(folder))
    wait_for(lambda: len(training(folder)) > before, log.read_text)
    age = checkpoint.stat().st_mtime_ns
    process.terminate()
    process.join(60)
    assert process.exitcode == 1
    assert checkpoint.stat().st_mtime_ns > age
    assert len(told(folder, "stopped")) == 1
    process = work(job, path)
    process.join(120)
    assert process.exitcode == 0, log.read_text()
    assert {event["node"] for event in told(folder, "done")} == set(chain)
    assert log.read_text().count("training") == 0
    assert weights(pretrained) == weights(expected)
    assert values(pretrained) == values(expected)
    flags = json.loads(next(pretrained.glob("cells/*/result.json")).read_text())["stages"]
    assert [entry["made_now"] for entry in flags] == [False, True, True, True]


@pytest.mark.parametrize(
    ("queue", "scontrol", "changes", "words"),
    [
        ("RUNNING|5:00", "exit 0", {"requeue": False}, "hydra.launcher.requeue=false"),
        ("RUNNING|0:40", "exit 0", {}, "a longer hydra.launcher.time helps"),
        ("RUNNING|1-00:00:40", "echo 'slurm_requeue error: Access denied' >&2; exit 1", {}, "Access denied"),
        ("RUNNING|UNLIMITED", "exit 0", {}, ""),
    ],
)
def test_a_job_that_must_leave_before_it_trains(
    work: Callable[..., Any],
    pretrained: Path,
    tmp_path: Path,
    queue: str,
    scontrol: str,
    changes: Mapping[str, Any],
    words: str,
) -> None:
    folder, graph, chain = planned_job(pretrained)
    path = stand_in(tmp_path / "bin", squeue=f"echo '{queue}'", scontrol=scontrol)
    key = chain[0]
    with Store(pretrained).lock(key, "the stage"):  # the job waits
        process = work(job_of(folder, graph, chain, **changes), path)
        wait_for(lambda: told(folder, "started"))
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGUSR1)
        process.join(60)
    assert process.exitcode == (1 if words else 0)
    if words:
        (event,) = told(folder, "failed")
        assert words in event["error"]
        assert not told(folder, "requeued")
    else:
        assert told(folder, "requeued")


def test_a_machine_that_plans_something_else_is_refused(pretrained: Path) -> None:
    folder, graph, chain = planned_job(pretrained)
    name = keep_config(folder, graph.nodes[chain[0]].config or {})
    assert rebuild(folder, chain[0], name, False).stage == graph.nodes[chain[0]].stage
    other = keep_config(folder, {**(graph.nodes[chain[0]].config or {}), "seed": 5})
    with pytest.raises(StiltsError, match="plans another train mnli"):
        rebuild(folder, chain[0], other, False)
    with pytest.raises(StiltsError, match="planned anew"):
        rebuild(folder, "gone", name, False)


def why_not() -> str:
    """Why there is no SLURM to test with; empty where there is one."""
    for name in NAMES:
        if shutil.which(name) is None:
            return f"{name} is not on the PATH"
    done = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, timeout=30, check=False)
    if not re.search("idle|mixed|allocated|completing", done.stdout):
        return f"no node of SLURM is up: {done.stdout or done.stderr}"
    return ""


real = pytest.mark.slurm


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real SLURM, without jobs of the test afterwards."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(follow, "QUEUE_SECONDS", 1.0)
    monkeypatch.setattr(status, "QUEUE_SECONDS", 0.0)
    yield
    for folder in tmp_path.glob("**/sweeps/*"):
        subprocess.run(["scancel", f"--name={folder.name}"], check=False)


def sweep_folder(output: Path) -> Path:
    (found,) = output.glob("sweeps/*")
    return found


@real
@pytest.mark.usefixtures("cluster")
def test_a_matrix_on_slurm_makes_each_stage_once(
    sweep: Callable[..., Any], pretrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = ("+intermediate=none,mnli", "+target=xquad", "evaluation.floors=false")
    assert plan_main(["-m", *TINY, *matrix, f"output={pretrained}"]) == 0
    planned = re.search(r"To make: (\d+) of (\d+) stages", " ".join(capsys.readouterr().out.split()))
    assert planned is not None
    code, out, err = sweep(pretrained, *matrix, "hydra.launcher.gres=gpu:1", "hydra.launcher.time=10")
    assert code == 0, err
    count = int(planned.group(1))
    folder = sweep_folder(pretrained)
    assert len([event for event in told(folder, "done") if event["made"] and len(event["node"]) == 20]) == count == 5
    assert f"{count} of them planned to be made: {count} made, 1 found, 0 failed" in err
    assert "matrix, rows and picture" in out
    assert len(values(pretrained)) == 2
    assert len(record.submitted(folder)) == count + 2
    assert len(set(record.submitted(folder).values())) == 4, "trainings take their evaluations and cells along"
    flags: dict[str, int] = {}
    for path in pretrained.glob("cells/*/result.json"):
        for entry in json.loads(path.read_text())["stages"]:
            flags[entry["key"]] = entry["made_now"]
    assert sorted(flags.values()) == [False] + [True] * count
    code, again, err = sweep(pretrained, *matrix)
    assert (code, again) == (0, out), err
    assert f"0 made, {count + 1} found" in err
    code, _, err = sweep(pretrained, *matrix, "hydra.launcher.partition=nope")
    assert code == 1
    assert "hydra.launcher.partition=nope is refused by SLURM" in err
    assert "partitions here: debug" in err


@real
@pytest.mark.usefixtures("cluster")
def test_jobs_outlive_their_launcher_and_a_requeue(
    launch: Callable[..., Any], sweep: Callable[..., Any], pretrained: Path, tmp_path: Path
) -> None:
    expected = undisturbed(pretrained, tmp_path / "other", launch)
    log = tmp_path / "log.txt"
    process = launch(["-m", *TINY, *LONG, *STEPS, "hydra/launcher=slurm", f"output={pretrained}"], log)
    wait_for(lambda: list(pretrained.glob("sweeps/*/jobs/*")), log.read_text)
    folder = sweep_folder(pretrained)
    job = wait_for(lambda: training(folder), log.read_text)[0]["job"]
    process.kill()
    process.join()
    assert status.alive(folder)
    assert status.read(folder, True).counts()["running"] == 1
    jobs = record.submitted(folder)
    subprocess.run(["scontrol", "requeue", job], check=True)
    wait_for(lambda: sbatch.seconds_left(job)[0] == "PENDING")
    wait_for(lambda: told(folder, "stopped"))  # its last words may come after the queue has it back
    assert list(pretrained.glob("scratch/*/resume/last.ckpt"))
    assert status.read(folder, True).counts()["running"] == 0
    # SLURM would wait for two minutes; in the same second it still holds the first run's credential for revoked
    time.sleep(2)
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)
    code, _, err = sweep(pretrained, *LONG, *STEPS)
    assert code == 0, err
    assert "jobs of an earlier command that are in the queue: 1; to be submitted besides: 0" in err
    assert record.submitted(folder) == jobs
    assert len({event["pid"] for event in told(folder, "started")}) == 2
    assert weights(pretrained) == weights(expected)
    assert values(pretrained) == values(expected)
    assert not status.alive(folder)


@real
@pytest.mark.usefixtures("cluster")
def test_a_failed_stage_on_slurm(sweep: Callable[..., Any], pretrained: Path) -> None:
    broken = "+recipe.intermediate.tasks.qqp={learning_rate: 1e30}"
    code, _, err = sweep(
        pretrained, "+intermediate=qqp", "+target=xquad,panx", "baseline=false", broken, "evaluation.floors=false"
    )
    assert code == 1
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "The loss of qqp is" in line
    folder = sweep_folder(pretrained)
    assert {event["node"] for event in told(folder, "started")} == {event["node"] for event in told(folder, "failed")}
    state = status.read(folder, False)
    assert {state.cell(cell["name"])["because"] for cell in state.graph["cells"]} == {"train qqp"}
    live = wait_for(lambda: not [job for job in (sbatch.states(folder.name) or {}).values() if job.live])
    assert live, "SLURM has cancelled the jobs that waited"

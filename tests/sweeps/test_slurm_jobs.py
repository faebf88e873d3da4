"""A job of SLURM on its own: preempted, put back, and refused where it plans something else."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY, composed
from support.slurm import LONG, STEPS, stand_in, told, training, undisturbed, wait_for
from support.sweeps import values, weights

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep import planning, record
from stilts_xtreme.sweep.graph import Graph, build, chains
from stilts_xtreme.sweep.job import Job, keep_config, rebuild


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


@pytest.mark.slow
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
    for tries in range(1, 6):  # one that is ended before its first step has nothing new to keep
        before = len(training(folder))
        process = work(job, path)
        wait_for(lambda before=before: len(training(folder)) > before, log.read_text)
        age = checkpoint.stat().st_mtime_ns
        process.terminate()
        process.join(60)
        assert process.exitcode == 1
        assert len(told(folder, "stopped")) == tries
        if checkpoint.stat().st_mtime_ns > age:
            break
    else:
        pytest.fail("no checkpoint was written in five tries")
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

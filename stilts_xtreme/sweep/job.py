"""A job of a cluster: it makes nodes of a sweep in order and writes their events into the sweep's folder.

A job is given names only. It plans its nodes again from the configurations in the sweep's folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.config.machine import elsewhere
from stilts_xtreme.cell.plan import CellPlan, plan
from stilts_xtreme.core import terminal
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.preemption import NOTICE
from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.sweep import record
from stilts_xtreme.sweep.engine import BUSY_SECONDS
from stilts_xtreme.sweep.executors import sbatch, worker
from stilts_xtreme.sweep.graph import Node

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
"""What SLURM and submitit send before a job's end, and SLURM when it cancels or requeues one."""


def keep_config(folder: Path, values: Mapping[str, Any]) -> str:
    """Writes a configuration below a sweep's folder, once; the name by which :func:`rebuild` finds it."""
    text = json.dumps(values, ensure_ascii=False)
    name = _name_of(text.encode())
    path = folder / "configs" / f"{name}.json"
    if not path.exists() or _name_of(path.read_bytes()) != name:
        write_atomic(path, text)
    return name


def _name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def rebuild(folder: Path, id_: str, name: str, gpu: bool) -> Node:
    """A node from the configuration of a cell that needs it.

    Args:
        folder: The sweep's folder.
        id_: The node's id.
        name: The configuration (:func:`keep_config`).
        gpu: Whether the sweep's stages have GPUs.

    Raises:
        StiltsError: When this machine plans something else.
    """
    values = _config(folder, name)
    found = next((entry for entry in recorded.graph_of(folder)["nodes"] if entry["id"] == id_), None)
    if found is None:
        raise StiltsError(f"The sweep in {folder} has been planned anew without the node of this job.")
    kind, label, parents = found["kind"], found["label"], tuple(found["parents"])
    planned = _planned(folder, name, gpu)
    if kind == "cell":
        return Node(id_, kind, label, parents, 0.0, planned=planned, config=values, sweep=folder.name)
    stage = next((stage for stage in planned.stages() if stage.key == id_), None)
    if stage is None:
        raise StiltsError(
            f"{socket.gethostname()} plans another {kind} {label} than the machine that submitted it: the data below "
            "data.root and the version of stilts_xtreme must be the same on both."
        )
    return Node(id_, kind, label, parents, 0.0, cell=planned.cell, stage=stage, config=values, sweep=folder.name)


@lru_cache(maxsize=16)
def _planned(folder: Path, name: str, gpu: bool) -> CellPlan:
    """The plan of a kept configuration, once for all nodes that this process makes from it."""
    with elsewhere(gpu):
        return plan(make_cell(_config(folder, name)))


def _config(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "configs" / f"{name}.json"
    if path.exists() and _name_of(path.read_bytes()) != name:  # a name is a digest
        raise StiltsError(f"{path} is damaged; give the command of the sweep again, and it is written anew.")
    found: dict[str, Any] = read_json(path)
    return found


@dataclass(frozen=True)
class Job:
    """Makes nodes; called on the machine that the cluster has chosen.

    Attributes:
        folder: The sweep's folder.
        nodes: Ids of the nodes, in order, each with the name of its configuration.
        gpu: Whether the sweep's stages have GPUs.
        requeue: Whether it goes back into the queue when it is told to leave.
        margin: Seconds before its limit of time at which SLURM tells it to leave.
    """

    folder: str
    nodes: tuple[tuple[str, str], ...]
    gpu: bool
    requeue: bool
    margin: int

    def __call__(self) -> None:
        """Makes the nodes; the exit code tells SLURM, and through it the jobs that depend on this one, how it went."""
        try:
            _Work(self).run()
        finally:
            for number in SIGNALS:  # Python puts handlers back at its end, and the job would fail with its work done
                signal.signal(number, signal.SIG_IGN)


class _Work:
    """A job at work."""

    def __init__(self, job: Job):
        self.job = job
        self.folder = Path(job.folder)
        self.id = os.environ["SLURM_JOB_ID"]
        self.place = {"host": socket.gethostname(), "pid": os.getpid(), "job": self.id}
        self.node, _ = job.nodes[0]
        self.advanced = False

    def run(self) -> None:
        NOTICE.leave = self.leave
        for number in SIGNALS:
            signal.signal(number, NOTICE.give)
        fresh = None
        for id_, name in self.job.nodes:
            if fresh is not None:
                fresh.restore()
            elif len(self.job.nodes) > 1:
                fresh = worker.Fresh(None)
            self.node = id_
            self.make(name)
            self.advanced = True

    def tell(self, event: str, id_: str, data: Mapping[str, Any]) -> None:
        self.log.tell(event, {"node": id_, **data, **self.place})

    def make(self, name: str) -> None:
        self.log = record.Log(self.folder / "jobs" / f"{self.node}.jsonl")
        self.tell("started", self.node, {})
        try:
            node = rebuild(self.folder, self.node, name, self.job.gpu)
        except StiltsError as error:
            terminal.error(error)
            self.fail(str(error))
        made = [parent for parent in node.parents if recorded.made_by_jobs(self.folder, parent)]
        with elsewhere(self.job.gpu):
            while (ended := worker.attempt(node, made, self.tell))[0] == "busy":
                time.sleep(BUSY_SECONDS)  # the stage of another sweep, or of a job that SLURM took for lost
        kind, data = ended
        if kind == "failed":
            self.fail(data["error"])
        self.tell(kind, self.node, data)
        self.log.close()

    def fail(self, error: str) -> NoReturn:
        self.tell("failed", self.node, {"error": error})
        raise SystemExit(1)

    def leave(self, training: bool) -> None:
        """Ends this process at once, as a kill would, with the job back in the queue if it may go there.

        Args:
            training: Whether what is being made goes on from a checkpoint.
        """
        state, left = sbatch.seconds_left(self.id)
        event, data, code = "stopped", {}, 1
        if state == "RUNNING":  # else it has been cancelled, or somebody has put it back already
            late = left is not None and left <= 2 * self.job.margin
            if not self.job.requeue:
                why = "it was told to leave, and hydra.launcher.requeue=false keeps it from the queue"
            elif late and not training and not self.advanced:
                why = "its limit of time is too short for it; a longer hydra.launcher.time helps"
            else:
                why = sbatch.requeue(self.id) or ""
            if why:
                event, data = "failed", {"error": f"job {self.id} ended before its end: {why}"}
            else:
                event, code = "requeued", 0
        with contextlib.suppress(RuntimeError):  # the signal came in the middle of writing to the same file
            self.tell(event, self.node, data)
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)

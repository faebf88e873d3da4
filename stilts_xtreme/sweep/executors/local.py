"""Slots on this machine: one warm worker process each, with a GPU of its own where there are any."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from stilts_xtreme.core import processes
from stilts_xtreme.core.checks import refused
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep.engine import Report
from stilts_xtreme.sweep.executors import worker
from stilts_xtreme.sweep.executors.worker import Place
from stilts_xtreme.sweep.graph import Node

UNKNOWN = 255
"""What ``multiprocessing`` gives as exit code when the process that starts the workers is gone, too."""
STARTS = 3
"""A worker is started so often before a sweep gives up."""
BETWEEN_SECONDS = 0.2
"""After this time a killed process is known to be gone."""
STOP_SECONDS = 5.0
"""A worker that does not end by itself within this time is killed."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def gpus() -> list[str]:
    """The GPUs that are to be used, each as ``CUDA_VISIBLE_DEVICES`` would name it alone; found without torch.

    MIG slices count as devices of their own.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi"):
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
        slices = re.findall(r"\(UUID: (MIG-\S+?)\)", done.stdout)
        found = slices or re.findall(r"\(UUID: (GPU-\S+?)\)", done.stdout)
        if found:
            return found
    return [str(at) for at, _ in enumerate(sorted(Path("/dev").glob("nvidia[0-9]*")))]


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slots_of(wanted: object, devices: Sequence[str]) -> int:
    """How many workers run at once.

    Args:
        wanted: ``hydra.launcher.slots``: a number, or ``auto`` for one per GPU, or per core without GPUs.
        devices: The GPUs; empty when the processor does the work.

    Raises:
        StiltsError: For anything else.
    """
    if wanted == "auto":
        return len(devices) or cores()
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise refused("hydra.launcher.slots", wanted, "it must be auto or a whole number of at least 1")
    return wanted


def threads_of(wanted: object) -> int | None:
    """Threads of torch in each worker; None where the option leaves it open.

    Args:
        wanted: ``hydra.launcher.threads``.

    Raises:
        StiltsError: For anything but a number.
    """
    if wanted is None or (isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1):
        return wanted
    raise refused("hydra.launcher.threads", wanted, "it must be null or a whole number of at least 1")


@dataclass
class Worker:
    """A process and the node it has."""

    place: Place
    process: Any
    orders: connection.Connection
    lifeline: connection.Connection
    node: Node | None = None


class Local:
    """An executor of worker processes on this machine.

    Workers start when there is something for them to do. On Linux they are forked from one process that has imported
    torch, so that a new one costs nothing; where GPUs are used, each imports for itself, because CUDA does not survive
    a fork.

    Args:
        slots: How many at once.
        threads: Threads of torch in each where a cell does not say; None: 1 on the processor, a share of the cores
            beside a GPU.
        devices: The GPUs, dealt out one per slot; empty without.
        logs: The folder of the workers' output.
    """

    def __init__(self, slots: int, threads: int | None, devices: Sequence[str], logs: Path):
        processes.allow_files(slots)
        self.threads = threads or (max(1, cores() // slots) if devices else 1)
        forks = sys.platform == "linux" and not devices
        self.context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            self.context.set_forkserver_preload(["stilts_xtreme.training.train"])
        self.places = [
            Place(
                slot, self.threads, devices[slot % len(devices)] if devices else None, str(logs / f"worker-{slot}.log")
            )
            for slot in range(slots)
        ]
        self.workers: list[Worker | None] = [None] * slots
        self.logs = logs

    def now(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def free(self) -> int:
        """Slots without a node."""
        return sum(entry is None or entry.node is None for entry in self.workers)

    def start(self, node: Node, made: Collection[str]) -> dict[str, Any]:
        """Gives a node to a worker that has none; one that has run before is preferred, for what it has in memory."""
        idle = [slot for slot, entry in enumerate(self.workers) if entry is None or entry.node is None]
        slot = min(idle, key=lambda at: (self.workers[at] is None, at))
        while True:
            entry = self.workers[slot] or self._started(slot)
            try:
                entry.orders.send((node, list(made)))
                break
            except OSError:  # it died without work
                self._bury(slot)
        entry.node = node
        return {"slot": slot, "host": socket.gethostname(), "pid": entry.process.pid}

    def _started(self, slot: int) -> Worker:
        """A new worker; once more when the process that starts them was killed meanwhile.

        Raises:
            StiltsError: When that happens again and again.
        """
        for _ in range(STARTS):
            try:
                return self._launch(slot)
            except (EOFError, ConnectionError):  # the next try brings up another such process
                time.sleep(BETWEEN_SECONDS)
        raise StiltsError(
            f"No worker can be started: the process that starts them was killed {STARTS} times, as the system does "
            "when memory is short; a smaller hydra.launcher.slots helps. Finished stages are untouched."
        )

    def _launch(self, slot: int) -> Worker:
        self.logs.mkdir(parents=True, exist_ok=True)
        processes.keep_sockets_short()
        ours, theirs = self.context.Pipe()
        their_end, our_end = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=worker.main, args=(theirs, their_end, self.places[slot]), name=f"slot {slot}", daemon=False
        )
        try:
            with _environment(dict.fromkeys(THREAD_SETTINGS, str(self.threads))):
                process.start()
        except BaseException:
            ours.close()
            our_end.close()
            raise
        finally:
            theirs.close()
            their_end.close()
        entry = Worker(self.places[slot], process, ours, our_end)
        self.workers[slot] = entry
        return entry

    def _bury(self, slot: int) -> int | None:
        """Ends what is left of a worker; its exit code."""
        entry = self.workers[slot]
        assert entry is not None
        entry.lifeline.close()
        entry.orders.close()
        entry.process.join(STOP_SECONDS)
        if entry.process.is_alive():
            entry.process.kill()
            entry.process.join()
        self.workers[slot] = None
        return entry.process.exitcode

    def wait(self, seconds: float) -> list[Report]:
        """What the workers say, or that they died."""
        waiting = {entry.orders: slot for slot, entry in enumerate(self.workers) if entry is not None and entry.node}
        # the pipe of a dead process is at its end, and brings before that what the process still said
        reports = []
        for ready in connection.wait(list(waiting), seconds):
            slot = waiting[ready]  # type: ignore[index]
            entry = self.workers[slot]
            assert entry is not None
            assert entry.node is not None
            try:
                kind, id_, data = entry.orders.recv()
            except (EOFError, OSError):
                node = entry.node
                code = self._bury(slot)
                reports.append(Report("lost", node.id, _death(node, code, self.places[slot].log)))
                continue
            if kind != "progress":
                entry.node = None
            reports.append(Report(kind, id_, {"slot": slot, **data}))
        return reports

    def close(self) -> None:
        """Ends all workers: idle ones by themselves, others in mid-stage, whose checkpoints stay."""
        for entry in self.workers:
            if entry is not None:
                entry.orders.close()
                entry.lifeline.close()
        for slot, entry in enumerate(self.workers):
            if entry is not None:
                self._bury(slot)


def _death(node: Node, code: int | None, log: str) -> dict[str, Any]:
    how = f"ended with exit code {code}"
    hint = f"its output is in {log}"
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            how = f"was killed by {signal.Signals(-code).name}"
    elif code == UNKNOWN:
        how = "was killed, or the process was that starts the workers"
    if code in (-signal.SIGKILL, UNKNOWN):
        hint += "; where memory is short, a smaller hydra.launcher.slots or trainer.micro_batch_tokens helps"
    return {"error": f"{node.title}: its worker {how}", "hint": hint}


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Sets variables of the environment for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""A warm worker: a process that imports torch once and makes one node after another, each as if it were the first."""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import progress, terminal
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep.graph import Node


@dataclass(frozen=True)
class Place:
    """Where a worker runs.

    Attributes:
        slot: Its number.
        threads: Threads of torch where a cell does not say.
        device: What it sees of the machine's GPUs, as in ``CUDA_VISIBLE_DEVICES``; None for all that its parent sees.
        log: The file that takes its output.
    """

    slot: int
    threads: int | None
    device: str | None
    log: str


class _Busy(Exception):
    """Another process is making the stage."""


class Fresh:
    """The global state of the process and of its libraries, taken once and put back before every node."""

    def __init__(self, threads: int | None):
        import numpy as np
        import torch

        if threads:
            torch.set_num_threads(threads)
        self.threads = torch.get_num_threads()
        self.environment = dict(os.environ)
        self.folder = os.getcwd()
        self.random = random.getstate()
        self.numpy = np.random.get_state()
        self.torch = torch.get_rng_state()
        self.dtype = torch.get_default_dtype()
        self.deterministic = (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        )
        self.matmul = torch.get_float32_matmul_precision()
        cudnn = torch.backends.cudnn
        self.cudnn = (cudnn.deterministic, cudnn.benchmark)
        self.signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore(self) -> None:
        """Puts everything back, and gives memory back that no one uses."""
        import numpy as np
        import torch

        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)
        random.setstate(self.random)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        torch.set_num_threads(self.threads)
        torch.set_default_dtype(self.dtype)
        torch.set_grad_enabled(True)
        torch.autograd.set_detect_anomaly(False)
        torch.use_deterministic_algorithms(self.deterministic[0], warn_only=self.deterministic[1])
        torch.set_float32_matmul_precision(self.matmul)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = self.cudnn
        for number, handler in self.signals.items():
            signal.signal(number, handler)
        gc.collect()
        # what is left stays: libraries, and rows that are kept for the next node; there are millions of objects, and
        # to look through them again and again took a second each time
        gc.freeze()
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(torch.default_generator.initial_seed())
            torch.cuda.empty_cache()


def main(orders: Connection, lifeline: Connection, place: Place) -> None:
    """Makes nodes until the other end of ``orders`` is closed, or until that of ``lifeline`` is, at once.

    Args:
        orders: Brings ``(node, ids of parents made by the sweep)``, takes ``(kind, node's id, data)``.
        lifeline: Never brings anything; it ends when the launcher dies, however it dies.
        place: Where this worker runs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the launcher decides
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)  # as the umask has it
    os.dup2(log, 1)
    os.dup2(log, 2)
    terminal.prepare()
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    if place.device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = place.device
    fresh: Fresh | None = None
    while True:
        try:
            node, made = orders.recv()
        except (EOFError, ConnectionError):
            return
        if fresh is None:
            fresh = Fresh(place.threads)
        fresh.restore()
        kind, data = attempt(node, made, lambda kind, id_, data: orders.send((kind, id_, data)))
        sys.stdout.flush()
        sys.stderr.flush()
        orders.send((kind, node.id, data))


def _die_with(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def attempt(
    node: Node, made: Collection[str], tell: Callable[[str, str, dict[str, Any]], None]
) -> tuple[str, dict[str, Any]]:
    """Makes a node, and says how that went instead of raising anything.

    Args:
        node: The node, whose parents are done.
        made: Ids of its parents that the sweep has made.
        tell: Told of its progress: a kind of report, the node's id, and data.

    Returns:
        How it ended: ``done``, ``failed`` or ``busy``, and data.
    """
    terminal.say(f"--- {node.title} ({node.id})")
    start = time.monotonic()

    def on_phase(phase: progress.Phase) -> None:
        data = {"phase": phase.label, "done": phase.done, "total": phase.total, "note": phase.note}
        tell("progress", node.id, data)

    try:
        with progress.listening(on_phase), progress.phases() as seen:
            was_made = make(node, made)
    except _Busy:
        return "busy", {}
    except StiltsError as error:
        terminal.error(error)
        return "failed", {"error": str(error)}
    except Exception as error:
        traceback.print_exc()
        last = traceback.format_exception_only(error)[-1].strip().splitlines()[-1]
        return "failed", {"error": f"{node.title}: {last}", "bug": True}
    seconds = time.monotonic() - start
    return "done", {
        "made": was_made,
        "came_to": _came_to(node, seconds, seen) if was_made else "",
        "seconds": round(seconds, 3),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def _came_to(node: Node, seconds: float, seen: list[progress.Phase]) -> str:
    """What came of a stage, in words; nothing of a cell."""
    if node.stage is None or node.cell is None:
        return ""
    manifest = Store(node.cell.output).manifest(node.stage.key) or {}
    return progress.closing(manifest.get("info", {}), seconds, seen)


def make(node: Node, made: Collection[str]) -> bool:
    """Makes a node whose parents are done.

    Args:
        node: A stage, or a cell.
        made: Ids of its parents that the sweep has made.

    Returns:
        Whether there was anything to make.
    """
    from stilts_xtreme.cell import run as cell
    from stilts_xtreme.cell import tracking

    if node.stage is None:
        assert node.config is not None
        cell.run(node.config, made, node.planned, node.sweep)
        return True
    assert node.cell is not None

    def on_wait(_: str) -> None:
        raise _Busy

    store = Store(node.cell.output, node.cell.on_damage)
    goal = tracking.goal(node.cell, node.config or {}, node.sweep)
    return cell.ensure(node.cell, node.stage, store, goal, on_wait)[1]

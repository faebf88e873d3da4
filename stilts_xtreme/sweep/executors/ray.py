"""Tasks of a Ray cluster, one per node of the graph, each with its parents' references as arguments.

A task is submitted when its parents are there and the cluster has room for it, not all of them at once: Ray has no
priorities, and so the engine's order, the dearest chain first, holds. How a task ended is its value, a failure too;
only Ray itself raises, when a worker or a node died. References carry these few words; weights go through the store.

What prints is in ``logs/<host>-<pid>.log``, progress in ``running/<node>.json``, both in the sweep's folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme import __version__
from stilts_xtreme.cell.config.machine import elsewhere
from stilts_xtreme.sweep.engine import Report
from stilts_xtreme.sweep.executors import worker
from stilts_xtreme.sweep.graph import Graph, Node

POLL_SECONDS = 1.0
"""Progress is looked for this often, and room on new nodes."""
TELL_SECONDS = 2.0
"""A task writes its progress this often."""
STOP_SECONDS = 10.0
"""Cancelled tasks are waited for as long at most."""
FREE_OF_DEVICES = ("cell", "floors")
"""Kinds of nodes that never use a GPU, and so can share a warm process."""


@dataclass(frozen=True)
class Site:
    """What a task has to know of the sweep besides its node.

    Attributes:
        home: The working directory of the launcher, from which relative paths go.
        folder: The sweep's folder.
        sign: A file in its folder ``running``, by which a machine knows that it sees the same folder.
        threads: Threads of torch where a cell does not say.
        version: Of the launcher's package.
    """

    home: str
    folder: str
    sign: str
    threads: int
    version: str = __version__

    def enter(self) -> str | None:
        """Goes there; what is wrong with this machine, in a sentence, if anything."""
        with contextlib.suppress(OSError):
            os.chdir(self.home)
        host, folder = socket.gethostname(), Path(self.folder)
        if self.version != __version__:
            return f"The Ray node {host} has stilts_xtreme {__version__}, this one {self.version}; both need the same."
        if not (folder / "running" / self.sign).exists():
            return (
                f"The Ray node {host} does not see {folder}: all machines of a sweep need its output folder on a file "
                "system that they share; set output=FOLDER to one, as an absolute path."
            )
        if not os.access(folder, os.W_OK):
            return f"The Ray node {host} may not write in {folder}; set output=FOLDER to one where it may."
        return None


def look(site: Site) -> str | None:
    """A task: whether this machine can take part; what is wrong if it cannot."""
    return site.enter()


_FRESH: worker.Fresh | None = None
"""The state of this process before its first task."""


def stage(
    site: Site, node: Node, gpu: bool, *parents: tuple[str, str, dict[str, Any]]
) -> tuple[str, str, dict[str, Any]]:
    """A task: makes a node in a process of Ray's that may have made others.

    Args:
        site: The sweep.
        node: The node.
        gpu: Whether its cell trains on a GPU.
        parents: What the tasks of its parents in this sweep came to.

    Returns:
        The node's id, how it ended (``done``, ``failed``, ``busy`` or ``lost``), and data.
    """
    import ray

    global _FRESH
    wrong = site.enter()
    if wrong is not None:
        return node.id, "lost", {"error": wrong}
    devices = ray.get_runtime_context().get_accelerator_ids().get("GPU", []) if gpu else []
    made = [id_ for id_, kind, data in parents if kind == "done" and data["made"]]
    folder = Path(site.folder)
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    progress = folder / "running" / f"{node.id}.json"
    said = 0.0

    def tell(_: str, __: str, data: dict[str, Any]) -> None:
        nonlocal said
        if time.monotonic() - said > TELL_SECONDS:
            said = time.monotonic()
            scratch = progress.with_suffix(f".{here['pid']}.tmp")
            with contextlib.suppress(OSError):  # it is only for show
                scratch.write_text(json.dumps({**here, **data}), encoding="utf-8")
                scratch.replace(progress)

    with _output(folder / "logs" / f"{here['host']}-{here['pid']}.log"):
        tell("", "", {})
        if _FRESH is None:
            _FRESH = worker.Fresh(site.threads)
        _FRESH.restore()
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
        with elsewhere(gpu):
            kind, data = worker.attempt(node, made, tell)
    return node.id, kind, {**here, **data}


@contextlib.contextmanager
def _output(log: Path) -> Iterator[None]:
    """All that this process prints goes to a file while the block runs."""
    log.parent.mkdir(parents=True, exist_ok=True)
    streams, kept = (sys.stdout, sys.stderr), [os.dup(1), os.dup(2)]
    with log.open("a", encoding="utf-8", buffering=1) as file:
        sys.stdout = sys.stderr = file
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            for number, descriptor in zip((1, 2), kept, strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)


def room(resources: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many tasks a node of the cluster takes at a time.

    Args:
        resources: What it has in all.
        cpus: Cores of a task, above 0.
        gpus: GPUs of a task; shares of one are all of the same GPU.
    """
    by_cores = int(resources.get("CPU", 0) / cpus + 1e-9)
    if not gpus:
        return by_cores
    has = int(resources.get("GPU", 0))
    return min(by_cores, int(has / gpus) if gpus >= 1 else has * int(1 / gpus + 1e-9))


class Ray:
    """An executor of tasks; Ray is connected.

    Warm processes of Ray's make one node after another. What trains on a GPU has a process of its own, because CUDA
    keeps to the device that a process began with, and Ray may give the next task another one.

    Args:
        graph: The graph.
        site: What tasks have to know.
        cpus: Cores that a node reserves.
        gpus: GPUs that a stage reserves: of a cell that trains on GPUs, and of another.
        most: Tasks at the same time at most; None: as many as there is room for.
        own: Whether Ray was started or connected for this executor.
    """

    def __init__(self, graph: Graph, site: Site, cpus: float, gpus: tuple[float, float], most: int | None, own: bool):
        import ray

        self.graph, self.site, self.cpus, self.gpus, self.most, self.own = graph, site, cpus, gpus, most, own
        self.widest = max((self.needs(node)[1] for node in graph.nodes.values() if not node.done), default=0.0)
        self.warm = ray.remote(max_calls=0, max_retries=0)(stage)
        self.single = ray.remote(max_calls=1, max_retries=0)(stage)
        self.refs: dict[str, Any] = {}
        self.running: dict[str, dict[str, Any]] = {}
        self.room, self.looked = 0, -POLL_SECONDS
        self.folder = Path(site.folder) / "running"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / site.sign).touch()

    def needs(self, node: Node) -> tuple[bool, float]:
        """Whether a node's cell trains on a GPU, and how many GPUs the node reserves."""
        cell = node.cell or next((self.graph.nodes[id_].cell for id_ in node.parents), None)
        on_gpu = cell is not None and cell.trainer.accelerator == "gpu"
        if on_gpu and node.kind in FREE_OF_DEVICES:
            return True, 0.0
        return on_gpu, self.gpus[not on_gpu]

    def slots(self) -> int:
        """How many tasks the cluster has room for now, one at least: with no node left, it waits for one."""
        import ray

        if time.monotonic() - self.looked >= POLL_SECONDS:
            self.looked = time.monotonic()
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            self.room = max(1, sum(room(resources, self.cpus, self.widest) for resources in nodes))
        return min(self.room, self.most or self.room)

    def now(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def free(self) -> int:
        """Room that is not taken."""
        return max(0, self.slots() - len(self.running))

    def start(self, node: Node, made: Collection[str]) -> dict[str, Any]:
        """Submits a task; where it runs, its progress tells."""
        on_gpu, gpus = self.needs(node)
        (self.folder / f"{node.id}.json").unlink(missing_ok=True)
        task = (self.single if on_gpu and gpus else self.warm).options(
            num_cpus=self.cpus, num_gpus=gpus, name=node.title
        )
        parents = [self.refs[id_] for id_ in node.parents if id_ in self.refs]
        self.refs[node.id] = task.remote(self.site, node, on_gpu, *parents)
        taken = {entry["slot"] for entry in self.running.values()}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        self.running[node.id] = {"slot": slot, "said": 0}
        return {"slot": slot}

    def wait(self, seconds: float) -> list[Report]:
        """What tasks say, and what they came to."""
        import ray

        if not self.running:
            time.sleep(min(seconds, POLL_SECONDS))
            return []
        refs = {self.refs[id_]: id_ for id_ in self.running}
        ended, _ = ray.wait(list(refs), num_returns=1, timeout=min(seconds, POLL_SECONDS))
        if ended:
            ended, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        reports = [report for id_ in self.running if (report := self._progress(id_)) is not None]
        return reports + [self._end(refs[ref]) for ref in ended]

    def _progress(self, id_: str) -> Report | None:
        entry, path = self.running[id_], self.folder / f"{id_}.json"
        try:
            changed = path.stat().st_mtime_ns
            if changed == entry["said"]:
                return None
            data = json.loads(path.read_text(encoding="utf-8"))
            entry.update(said=changed, host=data["host"], pid=data["pid"])
        except (OSError, ValueError, KeyError, TypeError):  # it is only for show, and written anew every few seconds
            return None
        return Report("progress", id_, {"slot": entry["slot"], **data})

    def _end(self, id_: str) -> Report:
        import ray
        from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

        entry, node = self.running.pop(id_), self.graph.nodes[id_]
        place = f" on {entry['host']} (process {entry['pid']})" if "host" in entry else ""
        try:
            _, kind, data = ray.get(self.refs[id_])
        except RayTaskError as error:
            last = str(error).strip().splitlines()[-1]
            kind, data = "failed", {"error": f"{node.title}: {last}", "bug": True}
        except OutOfMemoryError:
            hint = "a larger hydra.launcher.num_cpus or a smaller trainer.micro_batch_tokens needs less memory"
            kind, data = "lost", {"error": f"{node.title}: its node ran out of memory{place}", "hint": hint}
        except RayError as error:
            how = {"NodeDiedError": "its node was lost", "LocalRayletDiedError": "its node was lost"}
            name = type(error).__name__
            data = {"error": f"{node.title}: {how.get(name, 'its worker died')}{place}"}
            kind, data = "lost", {**data, "hint": f"Ray says {name}; what it printed is in {self.site.folder}/logs"}
        (self.folder / f"{id_}.json").unlink(missing_ok=True)
        if kind != "done":
            del self.refs[id_]
        return Report(kind, id_, {"slot": entry["slot"], **data})

    def close(self) -> None:
        """Ends what still runs, whose checkpoints stay; leaves Ray, or ends it if it was started for this."""
        import ray

        left = [self.refs[id_] for id_ in self.running]
        for ref in left:
            ray.cancel(ref, force=True)
        if left:
            ray.wait(left, num_returns=len(left), timeout=STOP_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.own:
            ray.shutdown()

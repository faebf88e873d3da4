"""The Ray cluster of a sweep: found or started, asked what it has, and each of its nodes whether it sees the store."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.config.machine import elsewhere
from stilts_xtreme.core.checks import is_number, refused
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.processes import short_folder
from stilts_xtreme.sweep.executors import local
from stilts_xtreme.sweep.executors.ray import Ray, Site, look, room
from stilts_xtreme.sweep.graph import Graph

CONNECT_SECONDS = 5.0
"""An address where nothing listens within this time is refused."""
ANSWER_SECONDS = 30.0
"""What listens there must answer as Ray within this time."""
NODE_SECONDS = 60.0
"""A node must answer within this time whether it sees the store."""
SOCKET = len("/ray/session_2000-01-01_00-00-00_000000_1234567/sockets/plasma_store")
"""What Ray adds to the folder for temporary files."""
OBJECT_STORE_BYTES = 80 * 2**20
"""Of a Ray started here, about the least that Ray accepts: weights go through the stage store, not through Ray."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""No statistics to Ray's makers; nothing on stdout about dead workers, which the record names; no warning about what
Ray will do with hidden GPUs (a task hides them itself)."""
ASK = """
import json, sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    print(json.dumps({"nodes": [node["Resources"] for node in ray.nodes() if node["Alive"]]}))
except Exception as error:
    print(json.dumps({"error": (str(error).strip() or type(error).__name__).splitlines()[0]}))
"""
"""Ray waits two minutes for a head that is not there and then ends the process, so a process of its own asks."""


@dataclass(frozen=True)
class Options:
    """What ``hydra.launcher`` says, unchecked."""

    address: Any = None
    slots: Any = "auto"
    num_cpus: Any = 1
    num_gpus: Any = "auto"
    threads: Any = None


class Cluster:
    """A cluster, asked for what it has but not connected to yet.

    Args:
        options: The launcher's options.

    Raises:
        StiltsError: For a wrong option, where Ray is not installed, and where no cluster answers or none of its nodes
            has the room that a stage needs.
    """

    def __init__(self, options: Options):
        slots = local.slots_of(options.slots, [])
        self.address, self.most = options.address, None if options.slots == "auto" else slots
        self.cpus = _amount("num_cpus", options.num_cpus, "a share of one core or a whole number, above 0", False)
        self.threads = local.threads_of(options.threads) or max(1, int(self.cpus))
        self.explicit = options.num_gpus != "auto"
        if self.explicit:
            _amount("num_gpus", options.num_gpus, "auto, 0, a share of one GPU such as 0.5, or a whole number", True)
        if importlib.util.find_spec("ray") is None:
            raise StiltsError("hydra/launcher=ray needs Ray, which is not installed: pip install 'stilts-xtreme[ray]'.")
        os.environ.update(QUIET)
        nodes: Sequence[Mapping[str, float]] = self._own() if self.address is None else ask(self.address)
        self.devices = sum(resources.get("GPU", 0) for resources in nodes)
        self.gpus = float(options.num_gpus if self.explicit else bool(self.devices))
        self._check_room(nodes)

    def _own(self) -> list[dict[str, int]]:
        """What a Ray of this command's own will have."""
        cores = max(local.cores(), math.ceil((self.most or 0) * self.cpus))
        return [{"CPU": cores, "GPU": len(local.gpus())}]

    def machine(self) -> AbstractContextManager[None]:
        """The context in which cells are checked: whether they can train on GPUs is up to the cluster."""
        without = "hydra.launcher.num_gpus is 0" if self.devices else "the Ray cluster has no GPU"
        return elsewhere(self.gpus > 0 and self.devices > 0, f"{without}; take trainer=cpu")

    def executor(self, graph: Graph, logs: Path) -> tuple[Any, int]:
        """Connects, and asks every node whether it sees the sweep's folder.

        Raises:
            StiltsError: When one does not.
        """
        import ray

        if all(node.done for node in graph.nodes.values()):
            return local.Local(1, None, [], logs), 1  # which starts nothing
        own = not ray.is_initialized()
        if own:
            self._connect()
        site = Site(os.getcwd(), str(logs.parent), uuid.uuid4().hex, self.threads)
        executor = Ray(graph, site, self.cpus, (self.gpus, self.gpus if self.explicit else 0.0), self.most, own)
        try:
            if self.address is not None:
                look_around(site)
        except BaseException:
            executor.close()
            raise
        return executor, executor.slots()

    def _connect(self) -> None:
        import ray

        # libraries look at these when they are first imported
        threads = dict.fromkeys(local.THREAD_SETTINGS, str(self.threads))
        common: dict[str, Any] = {
            "runtime_env": {"env_vars": threads},
            "log_to_driver": False,
            "logging_level": "ERROR",
        }
        own = self.address is None and not os.environ.get("RAY_TMPDIR")
        if own and (short := short_folder(SOCKET)) != tempfile.gettempdir():
            common["_temp_dir"] = f"{short}/ray"
        try:
            if self.address is not None:
                ray.init(address=self.address, **common)
            else:
                (has,) = self._own()
                ray.init(
                    address="local",  # whatever RAY_ADDRESS says
                    num_cpus=has["CPU"],
                    num_gpus=has["GPU"],
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    **common,
                )
        except (OSError, RuntimeError, ValueError) as error:
            raise StiltsError(f"Ray could not be started or reached: {str(error).strip().splitlines()[0]}") from error

    def _check_room(self, nodes: Sequence[Mapping[str, float]]) -> None:
        for option, wanted, name in (("num_cpus", self.cpus, "CPU"), ("num_gpus", self.gpus, "GPU")):
            most = max((resources.get(name, 0) for resources in nodes), default=0)
            if wanted > most:
                raise StiltsError(
                    f"hydra.launcher.{option}={wanted:g} is refused: a stage would wait for ever, as the largest node "
                    f"of the Ray cluster has {name}={most:g}."
                )
        if not any(room(resources, self.cpus, self.gpus) for resources in nodes):
            raise StiltsError(
                f"hydra.launcher.num_cpus={self.cpus:g} with hydra.launcher.num_gpus={self.gpus:g} is refused: no node "
                "of the Ray cluster has both."
            )


def _amount(option: str, value: object, choices: str, zero: bool) -> float:
    """A number of cores or GPUs as Ray takes them.

    Raises:
        StiltsError: For anything else.
    """
    if not (
        is_number(value)
        and math.isfinite(value)
        and (value > 0 or (zero and value == 0))
        and (value < 1 or value == int(value))
    ):
        raise refused(f"hydra.launcher.{option}", value, f"it must be {choices}")
    return float(value)


def ask(address: object) -> list[dict[str, float]]:
    """What each node of a cluster has, as Ray names it.

    Raises:
        StiltsError: When none answers there.
    """
    host, _, port = str(address).rpartition(":")
    if address != "auto" and not (isinstance(address, str) and host and "/" not in host and port.isdigit()):
        raise StiltsError(
            f"hydra.launcher.address={address} is refused: it must be null for a Ray of this command's own, auto for "
            "the cluster that this machine is part of, or HOST:PORT of a head (ray start --head prints it)."
        )
    advice = "start a cluster with ray start --head, or leave the option out for a Ray of this command's own"
    try:
        if address != "auto":
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        command = [sys.executable, "-c", ASK, str(address)]
        asked = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
        if "InvalidAuthToken" in asked.stderr:
            why, advice = "it wants its token", "set RAY_AUTH_MODE=token, and bring ~/.ray/auth_token from its head"
        else:
            found = json.loads(asked.stdout.splitlines()[-1])
            if "nodes" in found:
                nodes: list[dict[str, float]] = found["nodes"]
                return nodes
            why = found["error"].split(". ")[0].rstrip(".")
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        why = f"what listens there did not answer as Ray does within {ANSWER_SECONDS:g} s"
    raise StiltsError(f"hydra.launcher.address={address} cannot be reached: {why}; {advice}.")


def look_around(site: Site) -> None:
    """Asks every node that can take a task whether it sees the sweep's folder.

    Raises:
        StiltsError: When one does not, cannot import the package, or does not answer.
    """
    import ray
    from ray.exceptions import GetTimeoutError, RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = []
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("CPU"):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked.append((node["NodeManagerHostname"], task.options(scheduling_strategy=there).remote(site)))
    for host, ref in asked:
        try:
            wrong = ray.get(ref, timeout=NODE_SECONDS)
        except GetTimeoutError:
            wrong = f"The Ray node {host} has not answered within {NODE_SECONDS:g} s; look after it, or take it out."
        except RayError as error:
            last = str(error).strip().splitlines()[-1]
            wrong = f"The Ray node {host} cannot run stilts_xtreme: {last}; install it in the Python of its ray start."
        if wrong is not None:
            raise StiltsError(wrong)

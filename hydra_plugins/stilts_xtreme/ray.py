"""``hydra/launcher=ray``: the jobs of a multirun as one graph of stages, each a task of a Ray cluster."""

# no "from __future__ import annotations": Hydra runs this file before it is in sys.modules, where dataclasses look
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.stilts_xtreme._graph import GraphLauncher


class RayLauncher(GraphLauncher):
    """Tasks of a Ray cluster.

    Args:
        address: None for a Ray of this command's own on this machine; ``auto`` for the cluster that this machine is
            part of; ``host:port`` of a cluster's head.
        slots: Stages at the same time at most; ``auto``: as many as the cluster has room for.
        num_cpus: Cores that a stage reserves.
        num_gpus: GPUs that a stage reserves; ``auto``: one for what trains on a GPU, where the cluster has any.
        threads: Threads of torch where ``trainer.threads`` does not say; None: ``num_cpus``.
        retries: How often a stage is tried again after its worker or its node died.
    """

    def __init__(self, retries: int, **options: Any) -> None:
        super().__init__()
        self.retries, self.options = retries, options

    @cached_property
    def cluster(self) -> Any:
        """The cluster, once the options are checked and it has answered."""
        from stilts_xtreme.sweep.executors.cluster import Cluster, Options

        return Cluster(Options(**self.options))

    def begin(self) -> Any:
        """An engine on Ray."""
        from stilts_xtreme.sweep import run

        return run.engine_on(self.cluster.executor, self.retries)

    def machine(self) -> AbstractContextManager[None]:
        """Cells are checked for the cluster."""
        found: AbstractContextManager[None] = self.cluster.machine()
        return found


@dataclass
class RayLauncherConf:
    """Options of ``hydra.launcher``."""

    _target_: str = "hydra_plugins.stilts_xtreme.ray.RayLauncher"
    address: Any = None
    slots: Any = "auto"
    num_cpus: Any = 1
    num_gpus: Any = "auto"
    threads: Any = None
    retries: int = 2


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayLauncherConf, provider="stilts_xtreme")

"""``hydra/launcher=slurm``: the jobs of a multirun as one graph of stages, each a job of SLURM."""

# no "from __future__ import annotations": Hydra runs this file before it is in sys.modules, where dataclasses look
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from hydra_plugins.stilts_xtreme._graph import GraphLauncher


class SlurmLauncher(GraphLauncher):
    """Jobs of SLURM, through submitit.

    Args:
        options: What ``stilts_xtreme.sweep.executors.slurm.Options`` has.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options: dict[str, Any] = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in options.items()
        }

    def begin(self) -> Any:
        """Jobs, and who follows them."""
        from stilts_xtreme.sweep.executors.slurm import Options, slurm

        return slurm(Options(**self.options))

    def machine(self) -> AbstractContextManager[None]:
        """The nodes of the cluster, which have the GPUs that are asked for."""
        from stilts_xtreme.cell.config.machine import elsewhere

        asked = self.options["gres"] is not None or self.options["gpus_per_task"] is not None
        return elsewhere(asked, "no GPU is asked for; add hydra.launcher.gres=gpu:1, or take trainer=cpu")


@dataclass
class SlurmLauncherConf:
    """Options of ``hydra.launcher``; null leaves a choice to SLURM."""

    _target_: str = "hydra_plugins.stilts_xtreme.slurm.SlurmLauncher"
    partition: Any = None
    account: Any = None
    qos: Any = None
    time: Any = None
    gres: Any = None
    gpus_per_task: Any = None
    cpus_per_task: Any = None
    mem: Any = None
    requeue: Any = True
    signal_seconds: Any = 90
    max_jobs: Any = None
    setup: list[str] = field(default_factory=list)
    additional: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/launcher", name="slurm", node=SlurmLauncherConf, provider="stilts_xtreme")

"""``hydra/launcher=local``: the jobs of a multirun as one graph of stages, on slots of this machine."""

# no "from __future__ import annotations": Hydra runs this file before it is in sys.modules, where dataclasses look
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.stilts_xtreme._graph import GraphLauncher


class LocalLauncher(GraphLauncher):
    """Worker processes on this machine.

    Args:
        slots: Stages at the same time: a number, or ``auto``: one per GPU, or per core where there is none.
        threads: Threads of torch in each slot where ``trainer.threads`` does not say; None: 1, or beside a GPU a share
            of the cores.
        retries: How often a stage is tried again after its worker died.
    """

    def __init__(self, slots: Any, threads: Any, retries: int) -> None:
        super().__init__()
        self.slots, self.threads, self.retries = slots, threads, retries

    def begin(self) -> Any:
        """An engine on worker processes."""
        from stilts_xtreme.sweep import run

        return run.engine_on(run.local_executor(self.slots, self.threads), self.retries)


@dataclass
class LocalLauncherConf:
    """Options of ``hydra.launcher``."""

    _target_: str = "hydra_plugins.stilts_xtreme.local.LocalLauncher"
    slots: Any = "auto"
    threads: Any = None
    retries: int = 2


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConf, provider="stilts_xtreme")

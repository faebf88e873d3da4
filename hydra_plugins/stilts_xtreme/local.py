"""``hydra/launcher=local``: the jobs of a multirun as one graph of stages, on slots of this machine."""

# no "from __future__ import annotations": Hydra runs this file before it is in sys.modules, where dataclasses look
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class LocalLauncher(Launcher):
    """Runs each distinct stage of all jobs once, a stage as soon as its parents are there.

    A job here is a cell, and a cell is no process of its own: Hydra's callbacks for the start and end of a job are not
    called.

    Args:
        slots: Stages at the same time: a number, or ``auto``: one per GPU, or per core where there is none.
        threads: Threads of torch in each slot where ``trainer.threads`` does not say; None: 1, or beside a GPU a share
            of the cores.
        retries: How often a stage is tried again after its worker died.
    """

    plans = True

    def __init__(self, slots: Any, threads: Any, retries: int) -> None:
        self.slots, self.threads, self.retries = slots, threads, retries
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before :meth:`launch`."""
        self.config, self.hydra_context = config, hydra_context

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs a batch of jobs; each returns what a single run of it would, or the error that ended it."""
        from stilts_xtreme import ending
        from stilts_xtreme.errors import StiltsError
        from stilts_xtreme.sweep import run
        from stilts_xtreme.sweep.planning import Composer

        assert self.config is not None
        assert self.hydra_context is not None
        setup_globals()
        executor = run.local_executor(self.slots, self.threads)
        composer = Composer(self.hydra_context.config_loader, self.config)
        outcome = run.run(job_overrides, composer, executor, self.retries)
        ending.swept(outcome.results, outcome.study, outcome.output)
        returns = []
        for overrides, (config, found) in zip(job_overrides, outcome.jobs, strict=True):
            job = JobReturn(
                overrides=list(overrides),
                cfg=OmegaConf.create(config) if config is not None else None,
                working_dir=os.getcwd(),
                task_name=self.config.hydra.job.name,
                status=JobStatus.FAILED if isinstance(found, StiltsError) else JobStatus.COMPLETED,
            )
            job.return_value = found if isinstance(found, StiltsError) else ending.objective(found)
            returns.append(job)
        for error in outcome.errors:
            ending.failed(error)
        return returns


@dataclass
class LocalLauncherConf:
    """Options of ``hydra.launcher``."""

    _target_: str = "hydra_plugins.stilts_xtreme.local.LocalLauncher"
    slots: Any = "auto"
    threads: Any = None
    retries: int = 2


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConf, provider="stilts_xtreme")

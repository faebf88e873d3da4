"""The common part of the launchers that plan before they run. Hydra does not look for plugins in ``_`` modules."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class GraphLauncher(Launcher):
    """Runs each distinct stage of all jobs once, a stage as soon as its parents are there.

    A job here is a cell, and a cell is no process of its own: Hydra's callbacks for the start and end of a job are not
    called.
    """

    plans = True

    def __init__(self) -> None:
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None

    def begin(self) -> Any:
        """Checks the launcher's options; what makes the stages (``stilts_xtreme.sweep.run.Begin``)."""
        raise NotImplementedError

    def machine(self) -> AbstractContextManager[None]:
        """The context in which cells are checked; by default, for this machine."""
        return nullcontext()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before :meth:`launch`."""
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs a batch of jobs; each returns what a single run of it would, or the error that ended it."""
        from stilts_xtreme.core.errors import StiltsError
        from stilts_xtreme.sweep import objective, run
        from stilts_xtreme.sweep.composer import Composer
        from stilts_xtreme.sweep.session import session_of

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        setup_globals()
        session = session_of(self.task_function)
        searches = objective.optimises(self.config.hydra)
        begin = self.begin()
        composer = Composer(self.hydra_context.config_loader, self.config)
        with self.machine():
            outcome = run.run(job_overrides, composer, begin, objective.check if searches else None)
        session.add(outcome.results, outcome.study, outcome.output, outcome.record)
        returns = []
        for overrides, (config, found) in zip(job_overrides, outcome.jobs, strict=True):
            told: Any = found if isinstance(found, StiltsError) else None
            if searches and config is not None and not isinstance(found, StiltsError):
                try:
                    told = session.told(config, found, overrides)
                except StiltsError as refusal:
                    session.fail(refusal)
                    told = refusal
            job = JobReturn(
                overrides=list(overrides),
                cfg=OmegaConf.create(config) if config is not None else None,
                working_dir=os.getcwd(),
                task_name=self.config.hydra.job.name,
                status=JobStatus.FAILED if isinstance(told, StiltsError) else JobStatus.COMPLETED,
            )
            job.return_value = told
            returns.append(job)
        for error in outcome.errors:
            session.fail(error)
        return returns

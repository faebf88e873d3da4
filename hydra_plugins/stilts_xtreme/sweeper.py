"""``hydra/sweeper=matrix``: all combinations, as Hydra's basic sweeper has them, for launchers that plan before they
run.

The basic sweeper composes every job once more than needed to see whether it can be, which takes minutes for a large
matrix, and stops at the first job that fails. Here a launcher that plans does the checking, and the other jobs go on.
"""

# no "from __future__ import annotations": Hydra runs this file before it is in sys.modules, where dataclasses look
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class MatrixSweeper(BasicSweeper):
    """All combinations of the options' values, in batches if ``max_batch_size`` says so."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before :meth:`sweep`."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Launches every job; one that a user's error ends does not keep the others from running."""
        from stilts_xtreme.core.errors import StiltsError
        from stilts_xtreme.sweep.session import session_of

        session = session_of(self.task_function)
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        plans = getattr(self.launcher, "plans", False)
        returns: list[Sequence[JobReturn]] = []
        first = 0
        for batch in self.split_arguments(overrides, self.max_batch_size):
            if not plans:
                self.validate_batch_is_legal(batch)
            found = self.launcher.launch(batch, initial_job_idx=first)
            for job in found:
                if job.status == JobStatus.FAILED and isinstance(job._return_value, StiltsError):
                    session.fail(job._return_value)
                else:
                    _ = job.return_value  # raises what the job raised
                    if not plans:
                        config: Any = OmegaConf.to_container(job.cfg, resolve=True)
                        session.find(config)
            first += len(batch)
            returns.append(found)
        return returns


@dataclass
class MatrixSweeperConf(BasicSweeperConf):
    """Options of ``hydra.sweeper``."""

    _target_: str = "hydra_plugins.stilts_xtreme.sweeper.MatrixSweeper"


ConfigStore.instance().store(group="hydra/sweeper", name="matrix", node=MatrixSweeperConf, provider="stilts_xtreme")

"""Nodes as jobs of SLURM, submitted by submitit."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.core.checks import refused
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.terminal import say
from stilts_xtreme.sweep.engine import Listener, Tally
from stilts_xtreme.sweep.executors import sbatch
from stilts_xtreme.sweep.executors.follow import Follow
from stilts_xtreme.sweep.executors.local import THREAD_SETTINGS
from stilts_xtreme.sweep.graph import Graph, Node
from stilts_xtreme.sweep.job import Job, keep_config

WITHOUT_GPU = ("floors", "cell")
"""Kinds of nodes that never need a GPU."""
TIME = re.compile(r"\d+|\d+:\d\d|\d+:\d\d:\d\d|\d+-\d+(:\d\d){0,2}")
"""What ``sbatch --time`` takes: minutes, minutes:seconds, hours:minutes:seconds, days-hours."""

PYTHON = f"""sh -c 'trap "" USR1; exec "$0" "$@"' {shlex.quote(sys.executable)}"""
"""The command that runs Python in a job: a signal that comes before there is a handler does not end it."""


@dataclass(frozen=True)
class Options:
    """What jobs ask for; as in ``hydra.launcher``, None leaves it to SLURM.

    Attributes:
        partition: The partition.
        account: The account that is charged.
        qos: The quality of service.
        time: The limit of a job: minutes, or as ``sbatch --time`` takes it.
        gres: Generic resources such as ``gpu:1``, for the stages that can use a GPU.
        gpus_per_task: GPUs of each of these stages, another way to say so.
        cpus_per_task: Processor cores of each job.
        mem: Memory of each job, such as ``16G``.
        requeue: Whether jobs go back into the queue when they are preempted or reach their limit.
        signal_seconds: So long before a job's end it is told to write a checkpoint.
        max_jobs: So many jobs are in the queue at a time.
        setup: Shell commands that come first in each job.
        additional: Further flags of ``sbatch``: name -> value, True for one without.
    """

    partition: Any
    account: Any
    qos: Any
    time: Any
    gres: Any
    gpus_per_task: Any
    cpus_per_task: Any
    mem: Any
    requeue: Any
    signal_seconds: Any
    max_jobs: Any
    setup: Sequence[str]
    additional: Mapping[str, Any]

    def check(self) -> None:
        """Refuses what cannot be, and what SLURM refuses.

        Raises:
            StiltsError: One sentence with the option, the value and the choices.
        """
        for name in ("gpus_per_task", "cpus_per_task", "max_jobs", "signal_seconds"):
            value = getattr(self, name)
            optional = name != "signal_seconds"
            if not (value is None and optional) and (
                isinstance(value, bool) or not isinstance(value, int) or value < 1
            ):
                raise StiltsError(
                    f"hydra.launcher.{name}={value} is refused: it must be {'null or ' * optional}a whole number of at "
                    "least 1."
                )
        if not isinstance(self.requeue, bool):
            raise refused("hydra.launcher.requeue", self.requeue, "it must be true or false")
        if self.time is not None and (not TIME.fullmatch(str(self.time)) or not re.search("[1-9]", str(self.time))):
            raise StiltsError(
                f"hydra.launcher.time={self.time} is refused: it must be minutes, or a time such as 2:00:00 or 1-12 "
                "(days-hours)."
            )
        try:
            import submitit  # noqa: F401
        except ImportError as error:
            raise StiltsError(
                "hydra/launcher=slurm needs submitit, which is not installed: pip install 'stilts-xtreme[slurm]'."
            ) from error
        sbatch.require()
        sbatch.check({option: _flag(option, value) for option, value in self.flags(True).items()})

    @property
    def gpu(self) -> bool:
        """Whether stages have a GPU."""
        return self.gres is not None or self.gpus_per_task is not None

    def flags(self, gpu: bool) -> dict[str, Any]:
        """Option -> value of all that is asked for; ``gpu`` for a node that can use one."""
        names = [
            "partition",
            "account",
            "qos",
            "time",
            "cpus_per_task",
            "mem",
            *(("gres", "gpus_per_task") if gpu else ()),
        ]
        found = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**found, **{f"additional.{name}": value for name, value in self.additional.items()}}


def _flag(option: str, value: Any) -> str:
    name = option.removeprefix("additional.").replace("_", "-")
    return f"--{name}" if value is True else f"--{name}={value}"


class Slurm:
    """A queue of SLURM (:class:`stilts_xtreme.sweep.executors.follow.Cluster`).

    Args:
        options: What jobs ask for.
        folder: The sweep's folder.
    """

    def __init__(self, options: Options, folder: Path):
        import submitit

        self.options, self.folder, self.name = options, folder, folder.name
        self.executor = submitit.SlurmExecutor(folder=folder / "logs", python=PYTHON)
        self.refused = submitit.core.utils.FailedJobError
        cores = options.cpus_per_task or 1
        exports = [f"export {name}={cores}" for name in THREAD_SETTINGS]
        # srun takes a job's cores only if told so, since SLURM 22.05
        self.setup = [f"export SRUN_CPUS_PER_TASK={cores}", *exports, *options.setup]

    def submit(self, nodes: Sequence[Node], after: Sequence[str]) -> str | None:
        """Submits a job that makes nodes in order once jobs have ended well; its id, or None when there is no room.

        Raises:
            StiltsError: When SLURM refuses it.
        """
        options = self.options
        flags = options.flags(any(node.kind not in WITHOUT_GPU for node in nodes))
        more: dict[str, Any] = {
            "ntasks": 1,
            "comment": ", ".join(node.title for node in nodes)[:200],
            "signal": f"USR1@{options.signal_seconds}",
            "requeue" if options.requeue else "no-requeue": True,
            "kill-on-invalid-dep": "yes",
            **({"dependency": f"afterok:{':'.join(after)}"} if after else {}),
            **{option.removeprefix("additional."): value for option, value in flags.items()},
        }
        self.executor.parameters.clear()
        self.executor.update_parameters(
            job_name=self.name,
            time=None,
            wckey=None,
            stderr_to_stdout=True,
            setup=self.setup,
            additional_parameters=more,
        )
        named = tuple((node.id, keep_config(self.folder, node.config or {})) for node in nodes)
        job = Job(str(self.folder), named, options.gpu, options.requeue, options.signal_seconds)
        try:
            return str(self.executor.submit(job).job_id)
        except self.refused as error:
            if sbatch.FULL.search(str(error)):
                return None
            raise StiltsError(f"SLURM refused the job of {nodes[0].title}: {sbatch.said(str(error))}.") from error

    def states(self) -> Mapping[str, sbatch.JobState] | None:
        """The jobs of the sweep that SLURM knows, by id; None when it does not answer."""
        return sbatch.states(self.name)

    def log(self, job: str) -> Path:
        """What a job printed."""
        return self.folder / "logs" / f"{job}_0_log.out"

    def farewell(self) -> str:
        """What to tell who leaves while jobs go on."""
        return (
            f"the jobs go on in SLURM; the same command attaches to them, scancel --name={self.name} ends them, "
            f"python -m stilts_xtreme.status {self.folder} shows how they stand"
        )


def slurm(options: Options) -> Callable[..., Any]:
    """Makes stages as jobs of SLURM (:data:`stilts_xtreme.sweep.run.Begin`).

    Raises:
        StiltsError: For options that cannot be, or that SLURM refuses.
    """
    options.check()

    @contextmanager
    def begin(graph: Graph, folder: Path, tell: Listener, show: Listener) -> Iterator[tuple[Tally, int]]:
        cluster = Slurm(options, folder.absolute())
        follow = Follow(graph, folder, cluster, tell, show, options.max_jobs)
        count = len(follow.queue)
        if follow.attached:
            found = len(set(follow.jobs.values()))
            say(f"jobs of an earlier command that are in the queue: {found}; to be submitted besides: {count}")
        elif count:
            say(f"jobs to be submitted, all named {folder.name}: {count}; they go on without this terminal")
        yield follow, options.max_jobs or max(1, count)

    return begin

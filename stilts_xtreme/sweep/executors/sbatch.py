"""SLURM's own commands: what it refuses, said in a sentence before anything runs, and how its jobs stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stilts_xtreme.core.errors import StiltsError

COMMANDS = ("sbatch", "squeue", "scontrol", "srun", "sinfo")
COMMAND_SECONDS = 120
ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
)
"""States of jobs that will not run again."""
CHOICES = {
    "partition": ("%R", "partitions here"),
    "gres": ("%G", "generic resources here"),
    "gpus_per_task": ("%G", "generic resources here"),
    "time": ("%l", "limits of time here"),
    "mem": ("%m", "MB of nodes here"),
    "cpus_per_task": ("%c", "CPUs of nodes here"),
}
"""Option -> the column of ``sinfo`` that has its choices, and what they are."""
FULL = re.compile(r"job submit limit|MaxSubmit|MaxJobs|QOSMaxSubmit|temporarily unable to accept", re.IGNORECASE)
"""Words of a queue that takes no more jobs of this user for now."""


@dataclass(frozen=True)
class JobState:
    """A job as ``squeue`` has it: a state such as ``PENDING``, and why it waits."""

    state: str
    reason: str

    @property
    def live(self) -> bool:
        """Whether it runs or may still run."""
        return self.state not in ENDED and self.reason != "DependencyNeverSatisfied"


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs one of SLURM's commands.

    Raises:
        StiltsError: When it does not answer in time.
    """
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise StiltsError(f"SLURM did not answer {words[0]} within {COMMAND_SECONDS} seconds.") from error


def require() -> None:
    """Refuses a machine without SLURM.

    Raises:
        StiltsError: When a command is not there.
    """
    for name in COMMANDS:
        if shutil.which(name) is None:
            raise StiltsError(
                f"hydra/launcher=slurm needs SLURM, but {name} is not on the PATH of this machine; give the command "
                "where jobs are submitted, or take hydra/launcher=local."
            )


def said(text: str) -> str:
    """The message in what a command of SLURM printed, without who says it."""
    lines = [
        re.sub(r"^(sbatch|srun|squeue|scontrol): (error: )?|^allocation failure: ", "", line.strip())
        for line in text.splitlines()
    ]
    return next(filter(None, lines), "no reason given").rstrip(".")


def check(flags: Mapping[str, str]) -> None:
    """Has SLURM look at the options of jobs, without submitting anything.

    Args:
        flags: Option, as in ``hydra.launcher.<option>``, -> its flag for ``sbatch``.

    Raises:
        StiltsError: When it refuses them, naming the option that it refuses by itself, and the choices.
    """
    refused = _refusal(flags.values())
    if refused is None:
        return
    if "Unable to contact slurm" in refused:
        raise StiltsError(f"SLURM's controller does not answer: {refused}.")
    partition = [flags["partition"]] if "partition" in flags else []
    name = "partition" if _refusal(partition) else None
    for option, flag in flags.items():
        if name is None and option != "partition" and (why := _refusal([*partition, flag])):
            name, refused = option, why
    if name is None:
        both = " ".join(f"hydra.launcher.{option}={_value(flag)}" for option, flag in flags.items())
        raise StiltsError(f"{both} is refused by SLURM: {refused}.")
    value = _value(flags[name]) if name in flags else "null"
    raise StiltsError(f"hydra.launcher.{name}={value} is refused by SLURM: {refused}{_choices(name, partition)}.")


def _value(flag: str) -> str:
    return flag.partition("=")[2] or "true"


def _refusal(flags: Sequence[str] | Mapping[str, str] | object) -> str | None:
    done = command("sbatch", "--test-only", "--ntasks=1", *flags, "--wrap=true")  # type: ignore[misc]
    return None if done.returncode == 0 else said(done.stderr or done.stdout)


def _choices(option: str, partition: Sequence[str]) -> str:
    if option not in CHOICES:
        return ""
    column, what = CHOICES[option]
    done = command("sinfo", "--noheader", f"--format={column}", *(partition if option != "partition" else ()))
    found = sorted({line.strip() for line in done.stdout.splitlines() if line.strip()})
    return f"; {what}: {', '.join(found)}" if found else ""


def states(name: str) -> dict[str, JobState] | None:
    """How all jobs of a name stand that SLURM still knows, by their ids; None when it cannot be asked."""
    if shutil.which("squeue") is None:
        return None
    try:
        done = command("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T|%r")
    except StiltsError:
        return None
    if done.returncode:
        return None
    rows = (line.strip().split("|", 2) for line in done.stdout.splitlines() if line.count("|") >= 2)
    return {id_: JobState(state, reason) for id_, state, reason in rows}


def seconds_left(job: str) -> tuple[str, float | None]:
    """The state of a job, and the seconds until its limit of time; None without a limit."""
    done = command("squeue", "--noheader", f"--jobs={job}", "--format=%T|%L")
    state, _, left = done.stdout.strip().partition("|")
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", left)
    if match is None:
        return state, None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return state, ((days * 24 + hours) * 60 + minutes) * 60.0 + seconds


def requeue(job: str) -> str | None:
    """Puts a running job back into the queue; why it cannot be, or None."""
    done = command("scontrol", "requeue", job)
    return None if done.returncode == 0 else said(done.stderr or done.stdout)

"""Stand-ins for the commands of SLURM, and what its jobs say."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.report.sweeps import recorded
from support.cells import TINY

NAMES = ("sbatch", "squeue", "scontrol", "srun", "sinfo")


def stand_in(folder: Path, **scripts: str) -> Path:
    """Commands in SLURM's place."""
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / name).write_text("#!/bin/sh\n" + scripts.get(name, ""))
        (folder / name).chmod(0o755)
    return folder


LONG = ("+intermediate=mnli", "+target=xnli", "baseline=false", "evaluation.floors=false")


STEPS = ("recipe.intermediate.max_steps=600", "++recipe.intermediate.epochs=1000")


def wait_for(condition: Callable[[], Any], what: Callable[[], str] = lambda: "", seconds: float = 90) -> Any:
    """What a condition comes to once it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"waited in vain: {what()}")


def told(folder: Path, event: str) -> list[dict[str, Any]]:
    found = [line for path in folder.glob("jobs/*.jsonl") for line in recorded.lines(path)]
    return [line for line in found if line["event"] == event]


def training(folder: Path) -> list[dict[str, Any]]:
    return [line for line in told(folder, "progress") if line["phase"] == "training mnli" and line["done"] > 3]


def copied(pretrained: Path, to: Path) -> Path:
    """Another output folder with what is there."""
    shutil.copytree(pretrained / "stages", to / "stages")
    return to


def undisturbed(pretrained: Path, to: Path, launch: Callable[..., Any]) -> Path:
    """The same cell in one go, in one process."""
    output = copied(pretrained, to)
    process = launch([*TINY, *LONG, *STEPS, f"output={output}"], to / "log.txt")
    process.join(120)
    assert process.exitcode == 0, (to / "log.txt").read_text()
    return output

"""Start-up: seconds on the wall until a command has answered.

python -m benchmarks.startup [--rounds N]

Commands that train nothing are to answer within 1.5 seconds, better 0.8; planning many cells takes longer. They are run
in a process of their own, in turns, in an empty folder. Files are in the operating system's cache from the second round
on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import rounds as plumbing
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks import predictions

CELL = ("+intermediate=mnli", "+target=xnli")
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": ("stilts_xtreme", "--help"),
    "plan": ("stilts_xtreme.plan", *CELL),
    "plan -m, 108 cells": ("stilts_xtreme.plan", "-m", "+study=phang2020", "model=mini"),
    "score": ("stilts_xtreme.score", "--predictions=files", "--labels=files", "--benchmark=xtreme", "--partial"),
    "report --help": ("stilts_xtreme.report.scaling", "--help"),
    "score --help": ("stilts_xtreme.score", "--help"),
    "status --help": ("stilts_xtreme.status", "--help"),
    "submission --help": ("stilts_xtreme.submission", "--help"),
    "store --help": ("stilts_xtreme.store", "--help"),
    "fetch --help": ("stilts_xtreme.fetch", "--help"),
}
"""What is measured: a name, and the module with its arguments."""
LABELS = ("entailment", "neutral", "contradiction")
LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")


def answer(clock: plumbing.Clock, command: tuple[str, ...], folder: Path) -> Mapping[str, Any]:
    """Runs a command to its end.

    Raises:
        StiltsError: When it fails.
    """
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    with clock:
        done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True)
    if done.returncode:
        raise StiltsError(f"{' '.join(command)} failed: {done.stderr.decode()[-300:]}")
    return {"lines": done.stdout.count(b"\n")}


def measure(rounds: int, commands: Mapping[str, tuple[str, ...]] = COMMANDS) -> dict[str, Any]:
    """Runs every command in every round.

    Args:
        rounds: How often each is run.
        commands: Names, and modules with their arguments.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for language in LANGUAGES:  # a folder of predictions that is scored with itself
            predictions.write(folder / "files", "xnli", language, "classification", LABELS * 100)
        runs: dict[str, plumbing.Way] = {
            name: partial(answer, command=command, folder=folder) for name, command in commands.items()
        }
        found = plumbing.turns(runs, rounds)
    return {"settings": {"rounds": rounds}, "work": {}, "ways": found, "compared": False}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    plumbing.run(plumbing.parser("startup", __doc__ or "", rounds=5), arguments, measure)


if __name__ == "__main__":
    main()

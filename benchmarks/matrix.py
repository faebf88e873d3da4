"""Cells per hour of a synthetic matrix: one sweep, against a command for each cell.

python -m benchmarks.matrix [--intermediate none,mnli,qqp] [--target xnli,pawsx,udpos] [--steps N] [--slots N] [OPTION]

  sweep               python -m stilts_xtreme -m: each training once, by warm workers
  commands            python -m stilts_xtreme for each cell, into the same folder: each training once, by a new process
  commands, apart     the same into a folder of their own each, as scripts that know nothing of one another

All are of mini with its recipe, but for the number of steps, and with their baselines, floors and random weights left
out (what commands apart would repeat most). --slots is how many stages of the sweep, or commands, run at a time, on
one thread each. The mean of all scores shows that the outcome is the same. As trainings get longer, the first two come
closer to each other, and the third stays behind by what it repeats.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import rounds as plumbing
from stilts_xtreme.core.errors import StiltsError

PLAIN = ("trainer.threads=1", "trainer.progress=false", "evaluation.floors=false", "baseline=false", "logger=none")


def command(arguments: Sequence[str]) -> None:
    """Runs the program to its end.

    Raises:
        StiltsError: When it fails.
    """
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    line = [sys.executable, "-m", "stilts_xtreme", *arguments]
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise StiltsError(f"{' '.join(arguments)} failed: {done.stderr[-300:]}")


def sweep(
    intermediate: Sequence[str], target: Sequence[str], slots: int, settings: Sequence[str], folder: Path
) -> None:
    """All cells as one sweep."""
    grid = (f"+intermediate={','.join(intermediate)}", f"+target={','.join(target)}")
    command(["-m", *grid, *settings, f"output={folder}", f"hydra.launcher.slots={slots}"])


def commands(
    intermediate: Sequence[str],
    target: Sequence[str],
    slots: int,
    settings: Sequence[str],
    folder: Path,
    *,
    apart: bool,
) -> None:
    """A command for each cell, ``slots`` of them at a time."""
    lines = [
        [
            f"+intermediate={one}",
            f"+target={other}",
            *settings,
            f"output={folder / f'{one}-{other}' if apart else folder}",
        ]
        for one, other in itertools.product(intermediate, target)
    ]
    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(command, lines))


def counted(clock: plumbing.Clock, work: Callable[[Path], None]) -> Mapping[str, Any]:
    """Does work in an empty folder and looks at what came of it."""
    with tempfile.TemporaryDirectory() as scratch:
        with clock:
            work(Path(scratch))
        stages = len(list(Path(scratch).glob("**/stages/*/manifest.json")))
        results = [json.loads(path.read_text()) for path in Path(scratch).glob("**/cells/*/result.json")]
    values = [row["value"] for result in results for row in result["rows"]]
    return {
        "cells": len(results),
        "cells/hour": round(3600 * len(results) / clock.wall),
        "stages made": stages,
        "mean score": statistics.fmean(values),
    }


def measure(
    intermediate: str, target: str, steps: int, slots: int, rounds: int, options: Sequence[str] = ()
) -> dict[str, Any]:
    """Makes the matrix in every way in every round.

    Args:
        intermediate: Tasks, with commas between them.
        target: Tasks, with commas between them.
        steps: Of a training at the most.
        slots: Stages or commands at a time.
        rounds: How often each is measured.
        options: More of the command line, such as ``data.world.test=100``.
    """
    limits = [
        f"recipe.{phase}.{name}"
        for phase in ("intermediate", "target")
        for name in (f"max_steps={steps}", "tasks=null")
    ]
    grid: tuple[Any, ...] = (intermediate.split(","), target.split(","), slots, (*PLAIN, *limits, *options))
    runs: dict[str, plumbing.Way] = {
        "sweep": partial(counted, work=partial(sweep, *grid)),
        "commands": partial(counted, work=partial(commands, *grid, apart=False)),
        "commands, apart": partial(counted, work=partial(commands, *grid, apart=True)),
    }
    found = plumbing.turns(runs, rounds)
    for entry in found.values():
        entry["foreign"] = []  # a sweep's workers are not this process's to wait for, so they would count as foreign
    settings = {"intermediate": intermediate, "target": target, "steps": steps, "slots": slots, "rounds": rounds}
    return {"settings": settings, "work": {}, "ways": found, "clock": "wall"}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = plumbing.parser("matrix", __doc__ or "", rounds=1)
    parser.add_argument("--intermediate", default="none,mnli,qqp", help="tasks (%(default)s)")
    parser.add_argument("--target", default="xnli,pawsx,udpos", help="tasks (%(default)s)")
    parser.add_argument("--steps", type=plumbing.at_least(1), default=100, help="of a training at most (%(default)s)")
    parser.add_argument("--slots", type=plumbing.at_least(1), default=2, help="at a time (%(default)s)")
    parser.add_argument("options", nargs="*", help="more of the command line, such as data.world.test=100")
    plumbing.run(parser, arguments, measure)


if __name__ == "__main__":
    main()

"""What a sweeper that optimises is told of each cell: the score on dev rows, unless the user says otherwise.

Test rows are what a study reports. Settings that are chosen by them flatter it, so ``sweep.objective=dev`` is the
default: the score of the target training on dev rows of the language that it trains in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.terminal import out
from stilts_xtreme.data.sources import source_of

CHOICES = ("dev", "test")
WORDS = {
    "dev": "the target training's score on dev rows of the language that it trains in",
    "test": "the zero-shot mean over TEST rows, which flatters what is chosen by it",
}
GRIDS = ("matrix", "basic")
"""Sweepers that run what they are told and optimise nothing."""

DIRECTIONS: Mapping[str, tuple[object, object]] = {
    "direction": ("minimize", "maximize"),  # Optuna
    "optim.maximize": (False, True),  # Nevergrad
    "ax_config.experiment.minimize": (True, False),  # Ax
}
"""Option of a sweeper -> its value for "the lowest is best", and for "the highest is best"."""


def optimises(hydra: Any) -> bool:
    """Whether a sweep looks for the best settings, by the configuration's node ``hydra``.

    Raises:
        StiltsError: It would look for the lowest score.
    """
    from omegaconf import OmegaConf

    name = hydra.runtime.choices.get("hydra/sweeper")
    if name in GRIDS:
        return False
    for option, (lowest, highest) in DIRECTIONS.items():
        given = OmegaConf.select(hydra.sweeper, option)
        if lowest in (given, getattr(given, "name", None)) and type(given) is not int:
            raise StiltsError(
                f"hydra.sweeper.{option}={lowest} would look for the lowest score; give "
                f"hydra.sweeper.{option}={highest}, since a higher score is a better one."
            )
    return True


def check(cell: Cell, objective: str) -> None:
    """Refuses, before anything is trained, a cell that has no such score.

    Args:
        cell: The cell.
        objective: ``sweep.objective``.

    Raises:
        StiltsError: It has no target, or trains on nothing that has dev rows.
    """
    if objective == "test":
        if cell.target is None:
            raise StiltsError("sweep.objective=test needs a target to score, as in +target=xnli.")
        return
    tasks = cell.target.train[-1:] if cell.target else cell.intermediate_tasks
    if not tasks:
        name = cell.target.name if cell.target else "the cell"
        raise StiltsError(
            f"sweep.objective=dev is refused for {name}, which trains on nothing and so has no dev score; give "
            f"sweep.objective=test for {WORDS['test']}."
        )
    for task in tasks:
        for spec in task.datasets:
            source = source_of(spec, cell.data)
            try:
                source.rows("validation", source.source_language)
            except StiltsError as error:
                raise StiltsError(
                    f"sweep.objective=dev needs dev rows of {task.name} ({str(error).rstrip('.')}); bring them, or "
                    f"give sweep.objective=test for {WORDS['test']}."
                ) from error


def value(config: Mapping[str, Any], result: Mapping[str, Any]) -> float:
    """The number that a sweeper is told of a finished cell.

    A cell that collapsed has learnt nothing, whatever its score: it counts as 0.

    Args:
        config: The cell's composed configuration, plain.
        result: What ``result.json`` holds.

    Raises:
        StiltsError: The cell has no such score.
    """
    objective = config["sweep"]["objective"]
    averages = result["averages"]
    if result["collapsed"]:
        return 0.0
    if objective == "test":
        scores = [averages[name] for name in ("zero_shot_value", "all_value") if name in averages][:1]
    elif result["target"] is None:
        scores = [score for name, score in averages.items() if name.startswith("dev_")]
    else:
        trained = {row["trained"] for row in result["rows"]} if config["target"]["train"] else set()
        of_stages = [stage["info"].get("dev") or {} for stage in result["stages"] if stage["key"] in trained]
        scores = [score for by_task in of_stages for score in by_task.values()]
    if not scores:
        raise StiltsError(f"sweep.objective={objective}: the cell {result['cell']} has no such score.")
    return float(sum(scores) / len(scores))


class Search:
    """What a sweeper that optimises has tried."""

    def __init__(self) -> None:
        self.objective: str | None = None
        self.tried: list[dict[str, Any]] = []

    def add(self, overrides: Sequence[str], objective: str, score: float, cell: str, collapsed: bool) -> None:
        """Adds a cell and its score."""
        self.objective = objective
        self.tried.append({"options": list(overrides), "value": score, "cell": cell, "collapsed": collapsed})

    def report(self, folder: Path | None) -> None:
        """Prints the best options, by which objective, and writes all that was tried to ``objective.json``.

        Args:
            folder: Where to; None where nothing can be written.
        """
        if self.objective is None:
            return
        best = max(self.tried, key=lambda entry: float(entry["value"]))
        varied = [option for option in best["options"] if any(option not in entry["options"] for entry in self.tried)]
        collapsed = sum(entry["collapsed"] for entry in self.tried)
        if best["collapsed"]:
            out("no best options: every training collapsed")
        else:
            out(f"best of {len(self.tried)}: {' '.join(varied or best['options'])}")
        out(f"objective {best['value']:.1f}: {WORDS[self.objective]} (sweep.objective={self.objective})")
        if collapsed:
            out(f"{collapsed} of {len(self.tried)} collapsed and counted as 0")
        if folder is not None:
            found = {"objective": self.objective, "means": WORDS[self.objective], "best": best, "tried": self.tried}
            write_atomic(folder / "objective.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
            out(f"all that was tried: {folder / 'objective.json'}")

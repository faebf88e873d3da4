"""The end of a command's output: each error of its cells once, and the matrix of a sweep."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.progress import say
from stilts_xtreme.sweep.planning import changed

FAILED: list[str] = []
"""What went wrong in the cells of this command; Hydra would print more than the sentence and stop at the first."""
RESULTS: list[dict[str, Any]] = []
"""What the cells of a sweep came to."""
STUDY: dict[str, Any] = {}
"""``name``, ``axis`` and ``output`` of the sweep; ``by_cell`` when a launcher of Hydra's own ran it, cell by cell."""
UNCONTROLLED: list[tuple[dict[str, Any], str]] = []
"""Configurations and options of controls that a launcher of Hydra's own has left to do."""


def clear() -> None:
    """Begins a command."""
    for kept in (FAILED, RESULTS, STUDY, UNCONTROLLED):
        kept.clear()  # type: ignore[attr-defined]


def objective(result: Mapping[str, Any]) -> float | None:
    """What a Hydra sweeper optimises: the zero-shot mean of a cell."""
    found: float | None = result["averages"].get("zero_shot_value", result["averages"].get("all_value"))
    return found


def failed(error: StiltsError | str) -> None:
    """Says an error, once."""
    if str(error) not in FAILED:
        FAILED.append(str(error))
        print(f"error: {error}", file=sys.stderr)


def swept(results: Sequence[dict[str, Any]], study: Mapping[str, Any], output: str) -> None:
    """Adds the results of a launch; sweepers that go by batches launch several times."""
    known = {result["cell"] for result in RESULTS}
    RESULTS.extend(result for result in results if result["cell"] not in known)
    if output:
        STUDY.update(name=study.get("name"), axis=study.get("axis"), output=output)


def ran(config: dict[str, Any], result: dict[str, Any]) -> None:
    """Adds a cell that ran in this process under a launcher of Hydra's own."""
    study = config.get("study") or {}
    swept([result], study, config["output"])
    STUDY["by_cell"] = True
    if result["target"] and not result["intermediate"]:
        UNCONTROLLED.extend((config, option) for option in study.get("controls") or ())


def found(config: dict[str, Any]) -> None:
    """Adds a cell that a launcher of Hydra's own has run, in whichever process, from its folder."""
    from stilts_xtreme.cell.config import make_cell
    from stilts_xtreme.cell.plan import plan
    from stilts_xtreme.cell.result import name_of

    cell = make_cell(config)
    name = name_of(cell, plan(cell))
    path = Path(cell.output) / "cells" / name / "result.json"
    if path.exists() and all(result["cell"] != name for result in RESULTS):
        ran(config, json.loads(path.read_text(encoding="utf-8")))


def report() -> None:
    """Ends a sweep: its matrix or its study's curves, printed and written; a single cell's table instead."""
    from rich.console import Console
    from rich.markdown import Markdown

    from stilts_xtreme.cell.run import run
    from stilts_xtreme.report import matrix, points, scaling

    for config, option in UNCONTROLLED:
        try:
            swept([run(changed(config, option))], config.get("study") or {}, config["output"])
        except StiltsError as error:
            failed(error)
    results = [result for result in RESULTS if result["target"]]
    if not RESULTS:
        return
    if STUDY.get("by_cell"):  # a launcher of whole graphs has said so itself
        stages = [(stage["key"], stage["made_now"]) for result in RESULTS for stage in result["stages"]]
        made, every = {key for key, now in stages if now}, {key for key, _ in stages}
        say(f"{len(every)} distinct stages: {len(made)} made, {len(every - made)} found.")
    console = Console(file=sys.stdout)
    output = Path(STUDY["output"])
    if len(results) < 2:
        for result in RESULTS:
            place = output / "cells" / result["cell"]
            console.print(Markdown((place / "table.md").read_text(encoding="utf-8")))
            print(f"result, table, predictions and curves: {place}")
        return
    name = "-".join([STUDY["name"] or "sweep", *sorted({result["model"] for result in results})])
    axis = STUDY.get("axis")
    if axis or not STUDY["name"]:  # where the name does not say it all, sweeps do not write over each other
        name += "-" + hashlib.sha256(" ".join(sorted(result["cell"] for result in results)).encode()).hexdigest()[:8]
    folder = output / "studies" / name
    if axis:
        console.print(Markdown(scaling.write(points.points(results, axis), folder)))
        print(f"table, points and picture: {folder}")
        return
    console.print(Markdown(matrix.page(matrix.write(results, folder), results)))
    print(f"matrix, rows and picture: {folder}")

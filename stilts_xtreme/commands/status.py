"""Prints the state of a sweep: its grid of cells, the running stages, the failures and their reasons.

It is read from the sweep's own record, from any terminal, also when the command that ran it is gone; the same command
again goes on.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.files import disk_errors, write_atomic
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.terminal import Plain, out, table
from stilts_xtreme.core.text import visible
from stilts_xtreme.report.labels import labels
from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.report.sweeps.state import State
from stilts_xtreme.sweep.drawing import draw
from stilts_xtreme.sweep.executors import sbatch
from stilts_xtreme.sweep.live import headline, running_table
from stilts_xtreme.sweep.trace import spans

WATCH_SECONDS = 2.0
QUEUE_SECONDS = 5.0
"""How often SLURM is asked."""
COLOURS = {"done": "green", "running": "yellow", "waiting": "dim", "failed": "bold red"}


def find(sweep: str) -> Path:
    """The folder of a sweep, by its path or its name.

    Raises:
        StiltsError: When there is none.
    """
    for folder in (home(sweep), Path("outputs") / "sweeps" / sweep):
        if (folder / "graph.json").exists():
            return folder
    if len(Path(sweep).parts) > 1 and home(sweep).is_dir():
        recorded.graph_of(home(sweep))  # which says what is missing
    place = Path(sweep).parent if Path(sweep).parent.name == "sweeps" else Path("outputs") / "sweeps"
    known = sorted(path.parent.name for path in place.glob("*/graph.json"))
    if not known:
        raise StiltsError(
            f"SWEEP={sweep} is not there and {place} holds no sweep; give the folder that the sweep named at first."
        )
    raise unknown("SWEEP", Path(sweep).name, known)


_ASKED: dict[Path, tuple[float, set[str] | None]] = {}


def live_jobs(folder: Path) -> set[str] | None:
    """The jobs of the sweep that SLURM runs or will run; None when it cannot be asked here."""
    at, found = _ASKED.get(folder, (-QUEUE_SECONDS, None))
    if time.monotonic() - at < QUEUE_SECONDS:
        return found
    ids = set(recorded.submitted(folder).values())
    known = sbatch.states(folder.name) if ids else {}
    found = None if known is None else {id_ for id_ in ids & known.keys() if known[id_].live}
    _ASKED[folder] = time.monotonic(), found
    return found


def alive(folder: Path) -> bool:
    """Whether somebody runs the sweep at the moment: a process that holds its lock, or jobs of SLURM."""
    jobs = live_jobs(folder)
    if (jobs is None or jobs) and not recorded.read(folder, full=False).ended:
        return True
    try:
        return Store(folder.parent.parent).held(f"sweep-{folder.name}")
    except OSError:  # a network file system gives locks to those alone who may write: the events have to do
        return not recorded.read(folder, full=False).ended


def read(folder: Path, running: bool, full: bool = True) -> State:
    """How a sweep stands (:func:`recorded.read`); what ran in a process or a job that is gone, waits."""
    state, jobs = recorded.read(folder, full), live_jobs(folder)
    for id_, status in state.status.items():
        job = state.info[id_].get("job")
        gone = not running if job is None else jobs is not None and job not in jobs
        if status == "running" and gone:
            state.status[id_], state.info[id_] = "waiting", {"note": "interrupted"}
    return state


def word(state: State, running: bool) -> str:
    """The sweep in a word."""
    if running:
        return "running"
    if not any(status in ("waiting", "running") for status in state.status.values()):
        failed = state.graph["refused"] or any(status != "done" for status in state.status.values())
        return "finished with failures" if failed else "finished"
    return "stopped: the same command goes on"


def as_json(folder: Path, state: State, running: bool) -> dict[str, Any]:
    """All there is to say."""
    return {
        "sweep": folder.name,
        "folder": str(folder),
        "state": word(state, running).partition(":")[0],
        "stages": state.counts(),
        "seconds_left": state.eta(),
        "cells": [{**cell, **state.cell(cell["name"])} for cell in state.graph["cells"]],
        "refused": state.graph["refused"],
        "damaged": state.notes,
    }


def grid(state: State) -> Table:
    """Cells by what they do before the target, and by target; seeds are counted."""
    entries: dict[tuple[str, str], list[dict[str, Any]]] = {}
    cells = state.graph["cells"]
    by_name = [(label.row, label.column) for label in labels(cells)]  # of a record of an earlier version
    for cell, (row, column) in zip(cells, by_name, strict=True):
        place = cell.get("row", row), cell.get("column", column)
        entries.setdefault(place, []).append(state.cell(cell["name"]))
    columns = list(dict.fromkeys(column for _, column in entries))
    drawn = table("after", *map(visible, columns))
    for row in dict.fromkeys(row for row, _ in entries):
        drawn.add_row(visible(row), *(_entry(entries.get((row, column), [])) for column in columns))
    return drawn


def _entry(cells: Sequence[dict[str, Any]]) -> Text:
    text = Text()
    for state, count in Counter(cell["state"] for cell in cells).items():
        own = [cell for cell in cells if cell["state"] == state]
        detail = ""
        if state == "running":
            stages = {entry["stage"]: entry for cell in own for entry in cell["running"]}
            detail = "; ".join(
                f"{entry['stage']} {entry['progress']:.0%} on {entry['host']}" for entry in stages.values()
            )
        elif state == "waiting":
            detail = own[0]["waiting"][0]
        number = f"{count} " if len(cells) > 1 else ""
        text.append(("\n" if text else "") + f"{number}{state}", COLOURS[state])
        if detail:
            text.append(f"\n{visible(detail)}", "dim")
    return text


def render(folder: Path, full: bool = True) -> tuple[Group, bool]:
    """The page, and whether the sweep goes on; ``full`` as of :func:`recorded.read`."""
    running = alive(folder)
    state = read(folder, running, full)
    parts: list[Any] = [Text(visible(f"{folder.name}: {word(state, running)}")), grid(state), Text(headline(state))]
    if running:
        parts.append(running_table(state))
    errors: dict[str, int] = Counter()
    for id_, status in state.status.items():
        if status == "failed":
            errors[f"{state.title(id_)}: {state.info[id_]['error'].splitlines()[-1]}"] += 1
    for refusal in state.graph["refused"]:
        errors[refusal["error"]] += 1
    parts += [Text(visible(f"failed: {error}"), "red", overflow="fold") for error in errors]
    parts += [Text(visible(note), "yellow") for note in state.notes]
    return Group(*parts), running


def picture(folder: Path, path: Path) -> None:
    """Draws a sweep into a file."""
    if path.suffix != ".svg":
        raise StiltsError(f"--graph={path} is refused: it wants a file that ends in .svg.")
    with disk_errors(path.parent):
        write_atomic(path, draw(read(folder, alive(folder)), spans(recorded.events(folder))))
    out(path)


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "status",
        str(__doc__),
        ["outputs/sweeps/phang2020-mini-0123abcd --watch", "phang2020-mini-0123abcd --graph sweep.svg"],
    )
    what = "the folder that the sweep names when it begins, or the name of one below outputs/sweeps"
    parser.add_argument("sweep", nargs="*", metavar="SWEEP", help=what)
    parser.add_argument(
        "--json", action="store_true", help='print everything as JSON, each cell in "cells"; default: print tables'
    )
    parser.add_argument(
        "--watch", action="store_true", help="follow the sweep until it ends; default: print how it stands now"
    )
    drawn = "draw slots over time, and the stages as a tree with durations and the critical path; default: print tables"
    parser.add_argument("--graph", type=Path, metavar="FILE.svg", help=drawn)
    return parser


def _work(options: Namespace) -> None:
    if len(options.sweep) != 1:
        raise StiltsError(f"One sweep is wanted, not {len(options.sweep)}: python -m stilts_xtreme.status SWEEP.")
    folder = find(options.sweep[0])
    if options.graph is not None:
        picture(folder, options.graph)
        return
    if options.json:
        running = alive(folder)
        print(json.dumps(as_json(folder, read(folder, running), running), indent=1, ensure_ascii=False))
        return
    console = Plain()
    page, running = render(folder)
    if not options.watch or not running:
        console.print(page)
        return
    with Live(page, console=console, auto_refresh=False) as live:
        while running:
            time.sleep(WATCH_SECONDS)
            page, running = render(folder, full=False)
            live.update(page, refresh=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints how a sweep stands."""
    try:
        return command(arguments, parser(), _work)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the folder of a sweep tells: its graph, its events, and how it stands.

The layout and the writing are of :mod:`stilts_xtreme.sweep.record`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stilts_xtreme.core import journal
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.manifest import is_whole
from stilts_xtreme.report import finished
from stilts_xtreme.report.sweeps import shape
from stilts_xtreme.report.sweeps.state import State

SCHEMA = 1
FIELDS = ("schema", "name", "nodes", "cells", "refused")
"""What ``graph.json`` says."""
REMEDY = "Give the command of the sweep again: it writes graph.json anew; or remove the folder if nobody needs it."


def lines(path: Path) -> list[dict[str, Any]]:
    """The events of a file; a line that is damaged, was cut off, or is still being written, is passed over."""
    return journal.read(path, shape.is_event).entries


def damaged_lines(folder: Path) -> list[str]:
    """A sentence on each file of events of a sweep in which lines are passed over."""
    files = [folder / "events.jsonl", *sorted((folder / "jobs").glob("*.jsonl"))]
    notes = (journal.read(path, shape.is_event).note(path.relative_to(folder).as_posix()) for path in files)
    return [note for note in notes if note is not None]


def told_by_job(folder: Path, id_: str, job: str) -> list[dict[str, Any]]:
    """What a job has told of one of its nodes."""
    return [event for event in lines(folder / "jobs" / f"{id_}.jsonl") if event.get("job") == job]


def made_by_jobs(folder: Path, id_: str) -> bool:
    """Whether a job of the sweep has made a node, and not found it."""
    return any(event["event"] == "done" and event.get("made") for event in lines(folder / "jobs" / f"{id_}.jsonl"))


def submitted(folder: Path) -> dict[str, str]:
    """Node -> the last job that was submitted for it, whichever launch did so."""
    return {event["node"]: event["job"] for event in lines(folder / "events.jsonl") if event["event"] == "submitted"}


def events(folder: Path) -> list[dict[str, Any]]:
    """The events of the last launch: what was submitted, what jobs told of that, and what the launcher did."""
    found: list[dict[str, Any]] = []
    for event in lines(folder / "events.jsonl"):
        if event.get("event") == "launched":
            found.clear()
        found.append(event)
    jobs = {event["node"]: event["job"] for event in found if event["event"] == "submitted"}
    told = [event for id_, job in jobs.items() for event in told_by_job(folder, id_, job)]
    # by order and not by time, as hosts have clocks of their own: what a launcher says of a job is said after its end
    first = [event for event in found if event["event"] in ("launched", "submitted")]
    last = [event for event in found if event["event"] not in ("launched", "submitted")]
    return [*first, *sorted(told, key=lambda event: event["time"]), *last]


def graph_of(folder: Path) -> dict[str, Any]:
    """What ``graph.json`` of a sweep holds.

    Raises:
        StiltsError: It is not there, damaged, or of a newer version.
    """
    path = folder / "graph.json"
    if not path.exists():
        raise StiltsError(f"{folder} is not the folder of a sweep: there is no graph.json. {REMEDY}")
    try:
        graph = read_json(path)
    except StiltsError as error:
        raise StiltsError(f"{error} {REMEDY}") from error
    schema = graph.get("schema", 0) if isinstance(graph, dict) else 0
    if isinstance(schema, int) and schema > SCHEMA:
        raise StiltsError(f"{folder} was written by a newer version of stilts_xtreme; upgrade to read it.")
    if not shape.is_graph(graph) or not is_whole(graph, FIELDS):
        raise StiltsError(f"{path} is damaged: it is not as a sweep wrote it. {REMEDY}")
    return dict(graph)


def read(folder: Path, full: bool = True) -> State:
    """How a sweep stands, from its folder, and from the stages and cells that are there.

    Args:
        folder: The folder.
        full: Also compare the digests of all files of finished cells, not only presence and size.

    Raises:
        StiltsError: When the folder is not that of a sweep, its graph is damaged, or of a newer version.
    """
    state = State(graph_of(folder))
    for event in events(folder):
        state.apply(event["event"], event)
    state.notes += damaged_lines(folder)
    output = folder.parent.parent
    for id_, node in state.nodes.items():
        if node["kind"] != "cell":  # made by another sweep, or just before the launcher died
            if state.status[id_] != "done" and (output / "stages" / id_ / "manifest.json").exists():
                state.status[id_] = "done"
        elif state.status[id_] == "done" and (found := finished.damage(output / "cells" / id_, full)):
            state.status[id_], state.info[id_] = "waiting", {"note": "damaged"}
            state.notes.append(f"cells/{id_}: {found}; to mend it, {finished.REMEDY}")
    return state

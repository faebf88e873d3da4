"""The folder of a sweep: its graph, and a log of what happened, from which anyone can tell how it stands.

Layout below ``<output>/sweeps/<name>``::

    graph.json           nodes and cells, written anew at each launch (scratch, then rename)
    events.jsonl         one line per event, only ever appended to; those after the last "launched" are of this launch
    logs/worker-N.log    what the worker in slot N printed
    jobs/<node>.jsonl    on a cluster: the events of a node as its job tells them, so that each file has one writer
    configs/             on a cluster: the configurations from which jobs plan their nodes again
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.result import about
from stilts_xtreme.core import journal
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.manifest import sealed
from stilts_xtreme.report.labels import labels
from stilts_xtreme.report.sweeps.recorded import SCHEMA
from stilts_xtreme.sweep.graph import Graph
from stilts_xtreme.sweep.planning import PlannedCell, Refusal

PROGRESS_SECONDS = 5.0
"""The log takes the progress of a node this often."""


def describe(name: str, graph: Graph, planned: Sequence[PlannedCell], refused: Sequence[Refusal]) -> dict[str, Any]:
    """What ``graph.json`` holds."""
    distinct = {entry.name: about(entry.cell, entry.planned, entry.name) for entry in planned}
    kept = ("model", "weights", "intermediate", "target", "seed")
    cells = [
        {"name": name, **{part: known[part] for part in kept}, "row": label.row, "column": label.column}
        for (name, known), label in zip(distinct.items(), labels(list(distinct.values())), strict=True)
    ]
    nodes = [
        {
            "id": node.id,
            "kind": node.kind,
            "label": node.label,
            "parents": list(node.parents),
            "seconds": round(node.seconds, 3),
            "done": node.done,
        }
        for node in graph.nodes.values()
    ]
    refusals = [{"what": entry.what, "error": str(entry.error)} for entry in refused]
    return {"schema": SCHEMA, "name": name, "nodes": nodes, "cells": cells, "refused": refusals}


class Log:
    """Appends events to a file of its own.

    Args:
        path: The file.
    """

    def __init__(self, path: Path):
        self.said: dict[str, float] = {}
        self.events = journal.Journal(path)

    def tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Appends an event; progress only now and then."""
        if event == "progress":
            now = time.monotonic()
            if now - self.said.get(data["node"], -PROGRESS_SECONDS) < PROGRESS_SECONDS:
                return
            self.said[data["node"]] = now
        self.events.write({"time": round(time.time(), 3), "event": event, **data})

    def close(self) -> None:
        """Closes the file."""
        self.events.close()


class Record(Log):
    """Writes the folder of a sweep.

    Args:
        folder: The folder.
        described: The graph (:func:`describe`).
    """

    def __init__(self, folder: Path, described: Mapping[str, Any]):
        write_atomic(folder / "graph.json", json.dumps(sealed(described), indent=1, ensure_ascii=False))
        super().__init__(folder / "events.jsonl")

    def launched(self, slots: int) -> dict[str, Any]:
        """Begins a launch; what its event holds."""
        data = {"slots": slots, "host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
        self.tell("launched", data)
        return data

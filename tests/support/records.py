"""A small store with stages, a cell and a sweep, made by hand; and damage done to one of its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.files import digest_of
from stilts_xtreme.report import finished
from stilts_xtreme.sweep import record

CELL, SWEEP = "mini-none-xnli-seed0-0123abcd", "sweep-mini-0123abcd"
IDENTITIES = [{"stage": name} for name in ("pretraining", "training", "evaluation")]
KEYS = tuple(digest_of(identity) for identity in IDENTITIES)
KINDS = ("pretrain", "train", "evaluate")
NAMES = {"model": "mini", "intermediate": "none", "target": "xnli", "encoder": None, "setting": None}
ROWS = [{"cell": CELL, "language": "de", "metric": "accuracy", "value": 50.0, "n": 2, **NAMES}]


def stage(store: Store, at: int) -> bool:
    """Makes or finds a stage; whether it was made."""

    def make(scratch: Path) -> dict[str, Any]:
        (scratch / "models").mkdir()
        (scratch / "models" / "weights.bin").write_bytes(bytes(range(200)))
        (scratch / "scores.json").write_text(json.dumps({"stage": at}))
        return {"steps": 5, "dev": {"xnli": 41.5}}

    parent = KEYS[at - 1] if at else None
    describe = {"kind": KINDS[at], "identity": IDENTITIES[at], "parent": parent}
    return store.ensure(KEYS[at], f"{KINDS[at]} {at}", describe, make)[1]


def publish(folder: Path, rows: list[dict[str, Any]] = ROWS) -> None:
    """Publishes the cell, whose result names its last stage alone."""
    with finished.publication(folder) as fresh:
        (fresh / "config.json").write_text(json.dumps({"seed": 0, "output": "out"}))
        for part, label in (("predictions", "0"), ("labels", "1")):
            (fresh / part / "xnli").mkdir(parents=True)
            (fresh / part / "xnli" / "test-de.tsv").write_text(f"entailment\nneutral{label}\n")
        (fresh / "table.md").write_text("| de | 50.0 |\n")
        result: dict[str, Any] = {
            "cell": CELL,
            "rows": rows,
            "stages": [{"key": KEYS[-1]}],
            "target": "xnli",
            "collapsed": [],
        }
        result |= {"model": "mini", "weights": "pretrained", "intermediate": [], "seed": 0}
        (fresh / "result.json").write_text(json.dumps(result))


def described() -> dict[str, Any]:
    """The graph of a sweep that needs the first two stages and the cell."""
    nodes = [
        {"id": key, "kind": kind, "label": f"n{at}", "parents": list(KEYS[max(0, at - 1) : at]), "seconds": 1.5}
        for at, (key, kind) in enumerate(zip(KEYS, KINDS, strict=True))
    ]
    nodes.append({"id": CELL, "kind": "cell", "label": CELL, "parents": list(KEYS), "seconds": 0.1})
    cell = {"name": CELL, "model": "mini", "weights": "pretrained", "intermediate": [], "target": "xnli", "seed": 0}
    done = [{**node, "done": False} for node in nodes]
    return {"schema": 1, "name": SWEEP, "nodes": done, "cells": [cell], "refused": []}


def sweep(folder: Path) -> None:
    """Runs nothing, and records it."""
    writer = record.Record(folder, described())
    writer.launched(2)
    for id_ in (*KEYS, CELL):
        writer.tell("started", {"node": id_, "slot": 0, "host": "vm", "pid": 7})
        writer.tell("done", {"node": id_, "slot": 0, "made": True, "seconds": 1.25, "host": "vm"})
    writer.tell("ended", {})
    writer.close()


def small_store(root: Path) -> Store:
    """Three stages one after another, a cell over them, and the sweep that made it."""
    store = Store(root)
    for at in range(len(KEYS)):
        stage(store, at)
    publish(root / "cells" / CELL)
    sweep(root / "sweeps" / SWEEP)
    return store


def files(root: Path) -> list[str]:
    """All files but locks, by their paths below the root."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.parts[0] != "locks")


def harm(path: Path, place: float, bit: int) -> bool:
    """Flips a bit of a file; with -1, cuts it off there; with -2, deletes it. Whether that changed anything."""
    if bit == -2:
        path.unlink()
        return True
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    if bit == -1:
        del data[at:]
    else:
        data[at] ^= 1 << bit
    path.write_bytes(bytes(data))
    return True

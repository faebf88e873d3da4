"""What an earlier version of the package has left behind: a job in the queue, the folder of a sweep that was killed."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import cloudpickle
import pytest
from support.cells import TINY, composed

from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands import status
from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.sweep import planning, record
from stilts_xtreme.sweep.graph import build
from stilts_xtreme.sweep.job import Job, keep_config

PAYLOAD = base64.b64decode(
    "gAWVOQEAAAAAAACME3N1Ym1pdGl0LmNvcmUudXRpbHOUjBFEZWxheWVkU3VibWlzc2lvbpSTlCmBlH2UKIwIZnVuY3Rpb26UjBdzdGlsdHNfeHRy"
    "ZW1lLnN3ZWVwLmpvYpSMA0pvYpSTlCmBlH2UKIwGZm9sZGVylIwRL3RtcC9zd2VlcC1mb2xkZXKUjAVub2Rlc5SMFDAxMjM0NTY3ODlhYmNkZWYw"
    "MTIzlIwQZmVkY2JhOTg3NjU0MzIxMJSGlIwJY2VsbC1uYW1llGgPhpSGlIwDZ3B1lIiMB3JlcXVldWWUiIwGbWFyZ2lulEtadWKMBGFyZ3OUKYwG"
    "a3dhcmdzlH2UjAdfcmVzdWx0lE6MBV9kb25llImMDF90aW1lb3V0X21pbpRLAIwSX3RpbWVvdXRfY291bnRkb3dulEsAdWIu"
)
"""What submitit 1.5.4 keeps of a job in the queue, a ``DelayedSubmission``, as cloudpickle wrote it when the package
had no rooms yet: ``Job("/tmp/sweep-folder", (("0123456789abcdef0123", "fedcba9876543210"), ("cell-name",
"fedcba9876543210")), gpu=True, requeue=True, margin=90)``."""


def test_a_job_in_the_queue_is_still_loaded() -> None:
    pytest.importorskip("submitit")
    job = pickle.loads(PAYLOAD).function
    assert type(job) is Job
    assert asdict(job) == {
        "folder": "/tmp/sweep-folder",
        "nodes": (("0123456789abcdef0123", "fedcba9876543210"), ("cell-name", "fedcba9876543210")),
        "gpu": True,
        "requeue": True,
        "margin": 90,
    }


def test_and_runs(pretrained: Path, tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    config = composed(*TINY, "+target=tatoeba", "evaluation.floors=false", f"output={pretrained}")
    planned = list(planning.cells([["x"]], lambda _: config))
    graph = build(planned, Store(pretrained))
    folder = pretrained / "sweeps" / planning.sweep_name(planned)
    record.Record(folder, record.describe(folder.name, graph, planned, [])).close()
    nodes = tuple((id_, keep_config(folder, config)) for id_, node in graph.nodes.items() if not node.done)
    waiting = pickle.loads(PAYLOAD)
    waiting.function = replace(waiting.function, folder=str(folder), nodes=nodes, gpu=False)
    (tmp_path / "job").write_bytes(cloudpickle.dumps(waiting))
    code = (
        "import os, pathlib, pickle, sys; os.environ['SLURM_JOB_ID'] = '41'; "
        "pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()).function()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "job")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [event["event"] for id_, _ in nodes for event in recorded.told_by_job(folder, id_, "41")][-1] == "done"
    assert len(list(pretrained.glob("cells/*/result.json"))) == 1


# graph.json and events.jsonl of a sweep that was killed while it trained, written when the package had no rooms yet
NAME = "sweep-mini-7680c46e"
CELLS = ("mini-none-xnli-seed0-9ab05ad2", "mini-mnli-xnli-seed0-51f2cba3")
GRAPH = {
    "schema": 1,
    "name": NAME,
    "nodes": [
        {"id": id_, "kind": kind, "label": label, "parents": parents, "seconds": 2.0, "done": False}
        for id_, kind, label, parents in (
            ("8e29d989118dd9a6e454", "pretrain", "mini on synthetic", []),
            ("22387ec2815cde9e1dbc", "train", "none > mnli", ["8e29d989118dd9a6e454"]),
            ("5a39a9a735e9fac4e8cf", "evaluate", "none > xnli", ["22387ec2815cde9e1dbc"]),
            ("89124de8c8959798007b", "train", "mnli", ["8e29d989118dd9a6e454"]),
            (CELLS[0], "cell", CELLS[0], ["8e29d989118dd9a6e454", "22387ec2815cde9e1dbc", "5a39a9a735e9fac4e8cf"]),
            (CELLS[1], "cell", CELLS[1], ["8e29d989118dd9a6e454", "89124de8c8959798007b"]),
        )
    ],
    "cells": [
        {"name": name, "model": "mini", "weights": "pretrained", "intermediate": tasks, "target": "xnli", "seed": 0}
        for name, tasks in zip(CELLS, ([], ["mnli"]), strict=True)
    ],
    "refused": [],
}
EVENTS = """\
{"time": 1795978361.377412, "event": "launched", "slots": 1, "host": "vm", "pid": 30048}
{"time": 1795978389.98, "event": "started", "node": "8e29d989118dd9a6e454", "slot": 0, "host": "vm", "pid": 31585}
{"time": 1795978396.542, "event": "done", "node": "8e29d989118dd9a6e454", "slot": 0, "made": true, "seconds": 4.77}
{"time": 1795978396.543, "event": "started", "node": "89124de8c8959798007b", "slot": 0, "host": "vm", "pid": 31585}
{"time": 1795978398.334, "event": "progress", "node": "89124de8c8959798007b", "slot": 0, "phase": "training mnli", \
"done": 7, "total": 48, "note": "loss 1.096"}
"""


def test_the_folder_of_a_sweep_is_still_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sweeps" / NAME
    folder.mkdir(parents=True)
    (folder / "graph.json").write_text(json.dumps(GRAPH))
    (folder / "events.jsonl").write_text(EVENTS)
    assert status.main([str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "stopped"
    assert [cell["state"] for cell in found["cells"]] == ["waiting", "waiting"]
    assert [cell["waiting"] for cell in found["cells"]] == [["train none > mnli"], ["train mnli"]]
    assert status.main([str(folder)]) == 0
    assert "1 of 4 stages done, 0 running" in capsys.readouterr().out

"""What a sweep says of its stages in a log."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import records
from support.records import CELL, KEYS

from stilts_xtreme.report.sweeps.state import State
from stilts_xtreme.sweep.executors import worker
from stilts_xtreme.sweep.graph import Node
from stilts_xtreme.sweep.live import View


def test_a_line_stays_of_each_stage_that_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    with View(State(records.described())) as view:
        view.tell("started", {"node": KEYS[1], "slot": 0, "host": "vm"})
        view.tell("progress", {"node": KEYS[1], "done": 3, "total": 6})
        came_to = {"made": True, "seconds": 3.0, "came_to": "6 steps, loss 0.512, dev xnli 71.3, 3.0 s"}
        view.tell("done", {"node": KEYS[1], **came_to})
        view.tell("done", {"node": KEYS[2], "made": True, "seconds": 300.0})  # by a worker of an earlier version
        view.tell("done", {"node": CELL, "made": True, "seconds": 0.1, "came_to": ""})
    begins, first, second = capsys.readouterr().err.splitlines()
    assert begins.endswith("train n1 begins: slot 0 on vm")
    assert "train n1: 6 steps, loss 0.512, dev xnli 71.3, 3.0 s; " in first
    assert "evaluate n2: done in 5 min; " in second


@pytest.mark.parametrize("made", [True, False])
def test_a_worker_says_what_came_of_a_stage(made: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = records.small_store(tmp_path).root
    cell: Any = SimpleNamespace(output=str(root))
    stage: Any = SimpleNamespace(key=KEYS[1])
    monkeypatch.setattr(worker, "make", lambda node, known: made)
    node = Node(KEYS[1], "train", "n1", (), 1.0, cell=cell, stage=stage)
    how, data = worker.attempt(node, (), lambda *_: None)
    assert (how, data["made"]) == ("done", made)
    assert data["came_to"].startswith("5 steps, dev xnli 41.5, ") == made

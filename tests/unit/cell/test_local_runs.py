"""Which runs of stages an output folder has for a tracker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.cell import local_runs
from stilts_xtreme.cell.local_runs import LocalRun
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.runs import CELL, Run

KEY = "0123456789abcdef0123"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    def make(scratch: Path) -> dict[str, Any]:
        (scratch / "curve.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n')
        return {"steps": 2}

    found = Store(tmp_path)
    found.ensure(KEY, "train mnli", {"kind": "train", "identity": {"seed": 0}, "parent": None}, make)
    return found


def stages(store: Store) -> list[LocalRun]:
    result = {"stages": [{"key": KEY, "kind": "train"}, {"key": KEY[::-1], "kind": "train"}]}
    return local_runs._stages(store, [LocalRun(Run("cell", "a cell", CELL, {}), {}, "group", result=result)])


def test_a_stage_that_was_removed_is_passed_over(store: Store) -> None:
    assert [found.run.id for found in stages(store)] == [KEY]


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "curve.jsonl").write_text('{"step": 1, "lo'),
        lambda folder: (folder / "curve.jsonl").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{}"),
        lambda folder: (folder / "manifest.json").unlink(),
    ],
    ids=["cut", "gone", "empty manifest", "no manifest"],
)
def test_a_damaged_stage_is_named_and_not_sent(store: Store, harm: Callable[[Path], object]) -> None:
    harm(store.path(KEY))
    with pytest.raises(StiltsError, match=f"{KEY} is damaged"):
        stages(store)

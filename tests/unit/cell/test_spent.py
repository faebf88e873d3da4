"""What trainings took, on a store made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.finished import finished

from stilts_xtreme.cell import spent
from stilts_xtreme.cell.spent import training_costs
from stilts_xtreme.report.results import FinishedCell


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Manifests of stages: a pretraining, an intermediate training, and two trainings of targets."""
    stages = {
        "p": ("pretrain", None, 100.0, 1000),
        "m": ("train", "p", 40.0, 300),
        "x": ("train", "m", 7.0, 50),
        "y": ("train", "m", 9.0, 60),
        "z": ("train", "p", 5.0, 70),
        "e": ("evaluate", "x", 1000.0, None),
    }
    for key, (kind, parent, seconds, steps) in stages.items():
        (tmp_path / "stages" / key).mkdir(parents=True)
        manifest = {"kind": kind, "parent": parent, "made": {"seconds": seconds}, "info": {"steps": steps}}
        (tmp_path / "stages" / key / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(spent.Store, "manifest", lambda own, key: _read(own.path(key) / "manifest.json"))
    return tmp_path


def _read(path: Path) -> dict[str, object] | None:
    return json.loads(path.read_text()) if path.exists() else None


def cell(folder: Path, name: str, trained: str) -> FinishedCell:
    return finished(
        "mini", "none", {"en": 1.0, "de": 1.0}, 0, folder / "cells" / name, cell=name, rows=[{"trained": trained}]
    )


def test_a_shared_training_is_divided_by_the_cells_that_rest_on_it(store: Path) -> None:
    found = training_costs([cell(store, "a", "x"), cell(store, "b", "y"), cell(store, "c", "z")])
    assert found["a"]["training_seconds"] == pytest.approx(100 + 40 + 7)
    assert found["a"]["training_seconds_shared"] == pytest.approx(100 / 3 + 40 / 2 + 7)
    assert found["c"]["training_steps"] == 1000 + 70
    assert found["c"]["training_steps_shared"] == pytest.approx(1000 / 3 + 70)
    whole = sum(own["training_seconds_shared"] for own in found.values())
    assert whole == pytest.approx(100 + 40 + 7 + 9 + 5), "every second is counted once"


def test_a_merged_encoder_rests_on_all_of_its_parts(store: Path) -> None:
    (store / "stages" / "w").mkdir()
    manifest = {"kind": "merge", "parent": "x", "parents": ["x", "z"], "made": {"seconds": 1.0}, "info": {}}
    (store / "stages" / "w" / "manifest.json").write_text(json.dumps(manifest))
    found = training_costs([cell(store, "a", "w")])
    assert found["a"]["training_seconds"] == pytest.approx(1 + 7 + 40 + 100 + 5)


def test_a_training_that_is_gone_leaves_its_cell_out(store: Path) -> None:
    (store / "stages" / "m" / "manifest.json").unlink()
    assert list(training_costs([cell(store, "a", "x"), cell(store, "c", "z")])) == ["c"]

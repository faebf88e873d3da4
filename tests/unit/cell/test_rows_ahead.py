"""What stages read later is read, and refused, before the first training."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stilts_xtreme.cell.run import read, read_ahead, rows_ahead
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.catalogue import spec_from_mapping

OWN, WORLD = DataSpec("hub"), DataSpec("synthetic", world={"train": 20, "test": 20})


def rows(path: Path, split: str, known: bool = True) -> RowSet:
    fields: dict[str, Any] = {"name": path.stem, "format": "classification", "labels": ["bad", "good"]}
    spec = spec_from_mapping({**fields, "files": {split: str(path)}})
    return RowSet(spec, split, ("en",), OWN, {"of": f"{path.stem} {split}"} if known else None)


def stage(key: str, kind: str, *reads: RowSet) -> Any:
    return SimpleNamespace(key=key, kind=kind, opens=(), reads=lambda: reads)


def test_only_what_is_read_later_is_read_ahead(tmp_path: Path) -> None:
    names = ("first", "second", "test", "dev")
    first, second, test, dev = (rows(tmp_path / f"{name}.jsonl", "train", name != "dev") for name in names)
    world = RowSet(catalogue.load_spec("xnli"), "test", ("qaa",), WORLD, {"of": "the world"})
    stages = [
        stage("a", "train", first, dev),
        stage("b", "train", first, second, dev),
        stage("c", "evaluate", test, world),
        stage("d", "floors", test),
    ]
    planned: Any = SimpleNamespace(stages=lambda: stages)

    def ahead(*done: str) -> list[RowSet]:
        store: Any = SimpleNamespace(done=lambda key: key in done, path=lambda key: tmp_path / key, on_damage="refuse")
        return rows_ahead(planned, store)

    assert ahead() == [second, test], "no rows of the world, none twice, none that decide nothing"
    assert ahead("a") == [test]
    assert ahead("a", "b") == [], "nothing is trained any more"
    stages.insert(0, stage("e", "pretrain", first, test))
    assert ahead() == [first, second, test], "a pretraining reads their text alone, whatever their labels"


def test_rows_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    good, blind = tmp_path / "good.jsonl", tmp_path / "blind.jsonl"
    good.write_text(json.dumps({"text_a": "a", "label": "good"}) + "\n")
    blind.write_text(json.dumps({"text_a": "a", "label": ""}) + "\n")
    read(rows(good, "test"))
    stages = [stage("a", "train", rows(good, "train")), stage("c", "evaluate", rows(blind, "test"))]
    planned: Any = SimpleNamespace(stages=lambda: stages, final=None)
    store: Any = SimpleNamespace(done=lambda key: False, path=lambda key: tmp_path / key, on_damage="refuse")
    found: dict[str, StiltsError | None] = {}
    for _ in range(2):
        with pytest.raises(StiltsError, match="blind/test/en is blind"):
            read_ahead(planned, store, found)
        blind.unlink(missing_ok=True)  # what was read once is not read again
    assert len(found) == 1

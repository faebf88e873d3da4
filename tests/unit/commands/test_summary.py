"""What a sweep leaves at its end, for a matrix and for curves: tables, the page, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.results import write_matrix
from stilts_xtreme.commands.summary import report
from stilts_xtreme.report.results import cells_of_study
from stilts_xtreme.sweep.record import Record
from stilts_xtreme.sweep.session import Session


@pytest.mark.parametrize("axis", [None, "volume"])
def test_every_sweep_ends_with_its_page_and_its_missing_cells(
    axis: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.3}}, seeds=(0, 1), items=20)
    folder = tmp_path / "sweeps" / "sweep-a"
    cell = {"id": "gone", "kind": "cell", "label": "gone", "parents": ["mnli"], "seconds": 1.0, "done": False}
    graph = {
        "schema": 1,
        "name": "sweep-a",
        "nodes": [{**cell, "id": "mnli", "kind": "train", "label": "mnli", "parents": []}, cell],
        "cells": [{"name": "gone", "model": "m", "intermediate": ["mnli"], "target": "xnli", "seed": 2}],
        "refused": [],
    }
    writer = Record(folder, graph)
    writer.launched(1)
    writer.tell("failed", {"node": "mnli", "error": "The loss is nan | <b>."})
    writer.close()
    results = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("cells/*/result.json"))]
    for result in results:
        result["identity"]["catalogued"] = True
    session = Session()
    study = {"name": axis, "axis": axis} if axis else {}
    session.add(results, study, str(tmp_path), folder)
    report(session)
    said = capsys.readouterr().out
    assert "1 cell of a sweep is missing here: 1 failed." in said
    assert "mnli > xnli, seed 2. train mnli: The loss is nan" in said
    (place,) = (tmp_path / "studies").iterdir()
    assert "1 cell of a sweep is missing here" in (place / "report.html").read_text(encoding="utf-8")
    assert f"page: {place / 'report.html'}" in said
    assert (place / "rows.csv").is_file()
    assert (place / "scaling.md").is_file() == (axis is not None)


@pytest.mark.parametrize("study", [{"analysis": "transfer"}, {"axis": "volume", "name": "volumes"}])
def test_a_study_over_learning_rates_compares_each_arm_at_its_best(
    study: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.3}}, seeds=(0, 1), items=20)
    results = []
    for file in sorted(tmp_path.glob("cells/*/result.json")):
        text = file.read_text(encoding="utf-8")
        for rate, dev in ((1e-5, 60), (3e-5, 70)):
            result = json.loads(text.replace('"key ', f'"{rate} '))
            result |= {"cell": f"{result['cell']}-{rate:g}", "settings": {"recipe.target.learning_rate": rate}}
            result["identity"] |= {"catalogued": True, "rest": f"xnli {rate}"}
            result["stages"][-1]["info"]["dev"] = {"xnli": dev}
            results.append(result)
    session = Session()
    session.add(results, {"name": "own", **study}, str(tmp_path))
    report(session)
    said, told = capsys.readouterr()
    assert "has no answer" not in told
    rates = "Learning rate by dev rows of the source language, m, mnli > xnli: seed 0 3e-05, seed 1 3e-05."
    assert rates in " ".join(said.split())
    (place,) = (tmp_path / "studies").iterdir()
    rows = (place / "rows.csv").read_text(encoding="utf-8")
    assert "1e-05 ['mnli'] xnli 0" in rows, "the matrix has all cells"
    page = place / ("study.md" if "analysis" in study else "scaling.md")
    assert "m, mnli > xnli: seed 0 3e-05" in page.read_text(encoding="utf-8")


def test_a_report_is_written_over_by_one_that_has_all_of_its_cells_alone(tmp_path: Path) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.3}}, seeds=(0, 1), items=20)
    results = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("cells/*/result.json"))]
    for result in results:
        result["identity"]["catalogued"] = True

    def swept(seeds: tuple[int, ...]) -> list[str]:
        session = Session()
        session.add([each for each in results if each["seed"] in seeds], {"name": "phang2020"}, str(tmp_path))
        report(session)
        return sorted(place.name for place in (tmp_path / "studies").iterdir())

    (whole,) = swept((0,))
    assert swept((0, 1)) == [whole], "more seeds, and the first among them"
    whole_cells = cells_of_study(tmp_path / "studies" / whole)
    first, second = swept((1,))
    assert first == whole
    assert second.startswith(f"{whole}-")
    assert cells_of_study(tmp_path / "studies" / whole) == whole_cells
    assert len(cells_of_study(tmp_path / "studies" / second)) == len(whole_cells) / 2
    assert swept((1,)) == [first, second]

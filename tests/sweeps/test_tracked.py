"""Sweeps with W&B: a run for each distinct stage while it trains, one for each cell, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import folder_of, when
from support.wandb_files import history, nobody, of_kind, read_records, records, summary_of, wandb_files
from support.wandb_server import wandb_server

from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands import track
from stilts_xtreme.report import matrix_run, runs

SIX = ("+intermediate=none,mnli", "+target=xnli,pawsx,tatoeba")


def id_of(file: Path) -> str:
    return file.name.removeprefix("run-").removesuffix(".wandb")


def training(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The points that the files of W&B have of stages that are not finished."""
    found = {}
    for file in wandb_files(output / "wandb"):
        key = id_of(file)
        if (output / "scratch" / key).exists() and not (output / "stages" / key).exists() and file.stat().st_size > 7:
            points = [point for point in history(read_records(file)) if "loss" in point]
            if points:
                found[key] = points
    return found


def check_matrix(output: Path, file: Path) -> None:
    """The run of the matrix is what the results of the cells say, with a picture."""
    results = [json.loads(path.read_text()) for path in sorted(output.glob("cells/*/result.json"))]
    matrix = matrix_run.matrix_of(results)
    assert matrix is not None
    expected = matrix_run.of_sweep(folder_of(output).name, results, matrix)
    found = records(file)
    run = of_kind(found, "run")[0]
    assert (run.job_type, run.display_name) == ("report", expected.name)
    summary = summary_of(found)
    assert (len(matrix.entries), expected.summary["cells"]) == (6, 6)
    assert {name: summary[name] for name in expected.summary} == pytest.approx(expected.summary)
    (table,) = file.parent.rglob("matrix_*.table.json")
    written = json.loads(table.read_text())
    assert written["columns"] == list(matrix_run.COLUMNS)
    assert sorted(written["data"]) == sorted(json.loads(json.dumps(matrix_run.table(matrix))))
    (picture,) = file.parent.rglob("matrix_image_*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def upload_all(
    output: Path, home: Path, monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], sweep_name: str
) -> None:
    """What is uploaded from the files are the runs that were there while the sweep ran, with the same names."""
    import wandb

    with wandb_server() as server:
        nobody(monkeypatch, home)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "k3y" * 15)
        assert track.main(["upload", str(output)]) == 0
        wandb.teardown()
    pretraining = server.runs.keys() - found.keys()
    assert {server.runs[key].fields["jobType"] for key in pretraining} == {"pretrain"}, "it was there before the sweep"
    for key, run in found.items():
        fields = server.runs[key].fields
        assert (fields["displayName"], fields["jobType"]) == (run.display_name, run.job_type)
        assert (fields["groupName"], server.runs[key].state) == (sweep_name, "finished")


@pytest.mark.slow
def test_six_cells_are_seen_while_they_run(
    sweep: Callable[..., tuple[int, str, str]], pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody(monkeypatch, tmp_path / "home")
    go = tmp_path / "go"
    live: list[dict[str, list[dict[str, Any]]]] = []

    def seen(found: dict[str, list[dict[str, Any]]]) -> None:
        live.append(found)
        go.touch()

    watcher = when(lambda: training(pretrained), seen)
    waiting = ("++callbacks.wait._target_=support.waiting.Waiting", f"++callbacks.wait.path={go}")
    code, _, err = sweep(
        pretrained, *SIX, "logger=wandb", "logger.mode=offline", *waiting, "++callbacks.wait.watches=true"
    )
    watcher.join(5)
    assert code == 0, err
    ((key, points),) = list(live[0].items())[:1]
    assert 1 <= len(points) < 6, "points of a training that was still at work"
    assert "tokens_per_second" in points[0]

    files = wandb_files(pretrained / "wandb")
    found = {id_of(file): of_kind(records(file), "run")[0] for file in files}
    assert len(found) == len(files), "no run has two files"
    store = Store(pretrained)
    manifests = [store.manifest(path.name) for path in (pretrained / "stages").iterdir()]
    trained = {manifest["key"] for manifest in manifests if manifest and manifest["kind"] == "train"}
    assert key in trained
    cells = {path.name for path in (pretrained / "cells").iterdir()}
    assert (len(trained), len(cells)) == (5, 6)
    sweep_name = folder_of(pretrained).name
    assert found.keys() == {*trained, *map(runs.cell_id, cells), runs.report_id(sweep_name)}
    assert {run.run_group for run in found.values()} == {sweep_name}
    assert sorted(found[key].job_type for key in trained) == ["intermediate", *["target"] * 4]
    for file in files:
        steps = [point["_step"] for point in history(records(file)) if "loss" in point]
        assert steps == (list(range(1, 7)) if id_of(file) in trained else []), "a stage that cells share is sent once"
    check_matrix(pretrained, next(file for file in files if id_of(file) == runs.report_id(sweep_name)))
    upload_all(pretrained, tmp_path / "home", monkeypatch, found, sweep_name)
    assert err.count("W&B:") == 1, "one sentence says where the runs are"
    assert "\x1b" not in "".join(path.read_text() for path in folder_of(pretrained).glob("logs/*.log"))

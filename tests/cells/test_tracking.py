"""Loggers: what they hold is read back from their files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.wandb_files import history, nobody, of_kind, records, wandb_files

from stilts_xtreme.cell import run as cell_module
from stilts_xtreme.core.errors import StiltsError

SECRET = "s3cr3t" * 8
CELL = ("+intermediate=mnli", "+target=xnli")


@pytest.fixture
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user who is not logged in, whatever this machine's user is."""
    nobody(monkeypatch, tmp_path / "home")


def curve_of(output: Path, key: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "stages" / key / "curve.jsonl").read_text().splitlines()]


def test_wandb_offline(
    run_tiny: Callable[..., Any], pretrained: Path, no_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    arguments = (*CELL, "logger=wandb", "logger.tags=[study]", "seed=3")
    result = run_tiny(*arguments, output=pretrained)
    folder = pretrained / "cells" / result["cell"]
    (file,) = wandb_files(folder)
    assert "offline-run-" in file.parent.name
    found = records(file)
    (run,) = of_kind(found, "run")[:1]
    assert (run.project, run.display_name) == ("stilts_xtreme", result["cell"])
    assert (run.run_group, run.job_type) == ("xnli", "cell")
    assert set(run.tags) == {"mini", "synthetic", "mnli", "xnli", "study"}
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["seed"] == 3
    assert config["target"]["name"] == "xnli"
    assert config["model"]["architecture"]["hidden_size"] == 32
    (exit_record,) = of_kind(found, "exit")
    assert exit_record.exit_code == 0
    points = history(found)
    for stage in result["stages"]:
        if stage["kind"] not in ("pretrain", "train"):
            continue
        label = stage["label"]
        mine = [point for point in points if f"{label}/loss" in point]
        expected = curve_of(pretrained, stage["key"])
        assert expected
        assert [(point[f"{label}/step"], point[f"{label}/loss"]) for point in mine] == [
            (point["step"], point["loss"]) for point in expected
        ]
    assert any("results" in point or any(key.startswith("results") for key in point) for point in points)
    summary = {
        ("/".join(item.nested_key) or item.key): json.loads(item.value_json)
        for record in of_kind(found, "summary")
        for item in record.update
    }
    for name, value in result["averages"].items():
        assert summary[name] == pytest.approx(value)
    for path in pretrained.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_wandb_is_finished_when_the_cell_fails(
    run_tiny: Callable[..., Any], pretrained: Path, no_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    def fail(*_: Any) -> None:
        raise StiltsError("a reason")

    with monkeypatch.context() as patch:
        patch.setattr(cell_module, "_publish", fail)
        with pytest.raises(StiltsError, match="a reason"):
            run_tiny("+target=xnli", "logger=wandb", output=pretrained)
    assert wandb.run is None
    (file,) = wandb_files(pretrained)
    found = records(file)
    assert [record.exit_code for record in of_kind(found, "exit")] == [1]
    (run,) = of_kind(found, "run")[:1]
    assert run.job_type == "baseline"
    assert any("none > mnli/loss" in point for point in history(found)), "what was logged before is there"


def test_a_cell_that_is_run_again_is_the_same_run(
    run_tiny: Callable[..., Any], pretrained: Path, no_login: None
) -> None:
    for _ in range(2):
        run_tiny("+target=tatoeba", "logger=wandb", output=pretrained)
    files = wandb_files(pretrained)
    assert len(files) == 2
    assert len({of_kind(records(file), "run")[0].run_id for file in files}) == 1
    # the second one takes the place of the first where both are uploaded, so it must be whole
    first, second = ([point for point in history(records(file)) if "_runtime" in point] for file in files)
    assert first
    assert [sorted(point) for point in first] == [sorted(point) for point in second]


def test_two_cells_in_one_process_are_two_runs(run_tiny: Callable[..., Any], pretrained: Path, no_login: None) -> None:
    results = [
        run_tiny("+target=tatoeba", f"retrieval.layer={layer}", "logger=wandb", output=pretrained) for layer in (0, 1)
    ]
    runs = [of_kind(records(file), "run")[0] for file in wandb_files(pretrained)]
    assert {run.display_name for run in runs} == {result["cell"] for result in results}
    assert len({run.run_id for run in runs}) == len(runs) == 2
    for result in results:
        (file,) = wandb_files(pretrained / "cells" / result["cell"])
        assert of_kind(records(file), "exit")[0].exit_code == 0
        assert any("mini on synthetic/loss" in point for point in history(records(file))), "cached stages alike"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check_points(output: Path, result: dict[str, Any], points: dict[str, list[tuple[int, float]]]) -> None:
    trained = [stage for stage in result["stages"] if stage["kind"] in ("pretrain", "train")]
    assert len(trained) == 4
    for stage in trained:
        expected = [(point["step"], point["loss"]) for point in curve_of(output, stage["key"])]
        assert [step for step, _ in points[f"{stage['label']}/loss"]] == [step for step, _ in expected]
        assert [loss for _, loss in points[f"{stage['label']}/loss"]] == pytest.approx([loss for _, loss in expected])


def test_csv(run_tiny: Callable[..., Any], pretrained: Path) -> None:
    for fresh in (True, False):
        result = run_tiny(*CELL, "logger=csv", output=pretrained)
        assert result["stages"][-1]["made_now"] == fresh
        lines = read_csv(pretrained / "cells" / result["cell"] / "curves" / "metrics.csv")
        points = {name: [(int(line["step"]), float(line[name])) for line in lines if line[name]] for name in lines[0]}
        check_points(pretrained, result, points)
        assert points["zero_shot_value"] == [(0, pytest.approx(result["averages"]["zero_shot_value"]))]
        assert points["collapsed"] == [(0, float(bool(result["collapsed"])))]


def test_tensorboard(run_tiny: Callable[..., Any], pretrained: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for fresh in (True, False):
        result = run_tiny(*CELL, "logger=tensorboard", output=pretrained)
        assert result["stages"][-1]["made_now"] == fresh
        folder = pretrained / "cells" / result["cell"] / "curves"
        assert len(list(folder.glob("events.out.tfevents.*"))) == 1, "a run replaces the curves of the one before"
        events = event_accumulator.EventAccumulator(str(folder))
        events.Reload()
        tags = {tag.replace("_", " "): tag for tag in events.Tags()["scalars"]}
        points = {
            tag: [(event.step, event.value) for event in events.Scalars(tags[tag.replace("_", " ")])]
            for tag in (
                f"{stage['label']}/loss" for stage in result["stages"] if stage["kind"] in ("pretrain", "train")
            )
        }
        check_points(pretrained, result, points)


def test_none_writes_no_curves(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+target=tatoeba", "logger=none")
    folder = Path(run_tiny.output) / "cells" / result["cell"]
    found = {entry.name for entry in folder.iterdir()}
    assert found == {"config.json", "result.json", "table.md", "predictions", "labels", "manifest.json"}

"""Loggers: what they hold is read back from their files, and compared with the files of stages and cells."""

from __future__ import annotations

import csv
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY
from support.siege import OFTEN, die_in_step, trained
from support.wandb_files import SECONDS, config_of, history, nobody, of_kind, records, summary_of, wandb_files

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import runs
from stilts_xtreme.training import callbacks

SECRET = "s3cr3t" * 8
CELL = ("+intermediate=mnli", "+target=xnli")
SELECTS = ("recipe.target.selection=best", "recipe.target.eval_every=3")
KEY = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
OWN = {"_runtime", "_step", "_timestamp"}
"""What W&B adds to a point of its own."""
LIVE = {"tokens_per_second"}
"""What is known while a stage trains, and not from its files."""


@pytest.fixture
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user who is not logged in, whatever this machine's user is."""
    nobody(monkeypatch, tmp_path / "home")


def curve_of(output: Path, key: str) -> dict[int, dict[str, float]]:
    """What a tracker should have of a stage: step -> numbers, from its own file."""
    found: dict[int, dict[str, float]] = {}
    keys = runs.Keys()
    for line in (output / "stages" / key / "curve.jsonl").read_text().splitlines():
        step, numbers = runs.point(json.loads(line), keys)
        found.setdefault(step, {}).update(numbers)
    assert found
    return found


def manifest_of(output: Path, key: str) -> dict[str, Any]:
    """The manifest of a stage that is there."""
    found = Store(output).manifest(key)
    assert found is not None
    return found


def points_of(found: list[Any]) -> dict[int, dict[str, float]]:
    """The points of a W&B run by step; no step comes twice."""
    kept = [point for point in history(found) if not any(key.startswith(runs.TABLE) for key in point)]
    assert len({point["_step"] for point in kept}) == len(kept)
    return {point["_step"]: {name: v for name, v in point.items() if name not in OWN | LIVE} for point in kept}


def by_id(folder: Path) -> dict[str, list[Any]]:
    """The records of the W&B runs in a folder, each of which has one file."""
    files = wandb_files(folder)
    found = {file.name.removeprefix("run-").removesuffix(".wandb"): records(file) for file in files}
    assert len(found) == len(files)
    return found


def check_stage(output: Path, key: str, found: list[Any], group: str) -> None:
    """The run of a stage is what its files say."""
    expected = runs.of_stage(manifest_of(output, key))
    run = of_kind(found, "run")[0]
    assert (run.run_id, run.display_name) == (key, expected.name)
    assert (run.job_type, run.run_group) == (expected.job_type, group)
    assert set(run.tags) >= set(expected.tags)
    config = config_of(found)
    assert {name: config[name] for name in expected.config} == json.loads(json.dumps(expected.config))
    assert points_of(found) == curve_of(output, key)
    assert any(point.get("tokens_per_second", 0) > 0 for point in history(found))
    summary = summary_of(found)
    assert {name: summary[name] for name in expected.summary} == pytest.approx(expected.summary)
    assert all(KEY.fullmatch(name) for name in summary if name != "_wandb" and not name.startswith("_wandb/"))
    given, used = artifacts(found)
    assert given == [runs.artifact(key)]
    assert used == [runs.artifact(parent) for parent in expected.uses]
    assert [record.exit_code for record in of_kind(found, "exit")] == [0]


def artifacts(found: list[Any]) -> tuple[list[str], list[str]]:
    """The names of the artifacts that a run gives and uses; they only refer to files, and have none."""
    mine = of_kind(found, "artifact") + [
        request.log_artifact.artifact for request in of_kind(found, "request") if request.HasField("log_artifact")
    ]
    mine = [entry for entry in mine if entry.type == "stage"]  # W&B keeps the file of a table as one of its own
    for entry in mine:
        assert entry.manifest.contents
        assert all(file.ref.startswith("file://") and not file.local_path for file in entry.manifest.contents)
    return [e.name for e in mine if not e.use_after_commit], [e.name for e in mine if e.use_after_commit]


def test_wandb_offline(
    run_tiny: Callable[..., Any], pretrained: Path, no_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    result = run_tiny(*CELL, *SELECTS, "logger=wandb", "logger.tags=[study]", "seed=3", output=pretrained)
    found = by_id(pretrained / "wandb")
    trained = [stage["key"] for stage in result["stages"] if stage["kind"] == "train"]
    own = runs.of_cell(result)
    assert found.keys() == {*trained, own.id}, "what was pretrained before is no run"
    for key in trained:
        check_stage(pretrained, key, found[key], "xnli")
    jobs = {of_kind(found[key], "run")[0].job_type for key in trained}
    assert jobs == {"intermediate", "target"}
    assert any("dev" in point for point in curve_of(pretrained, trained[-1]).values())
    records_of_cell = found[own.id]
    run = of_kind(records_of_cell, "run")[0]
    assert (run.project, run.display_name) == ("stilts_xtreme", result["cell"])
    assert (run.run_group, run.job_type) == ("xnli", "cell")
    assert set(run.tags) == {"mini", "synthetic", "mnli", "xnli", "study"}
    config = config_of(records_of_cell)
    assert {name: config[name] for name in runs.AXES} == {name: own.config[name] for name in runs.AXES}
    assert (config["seed"], config["intermediate"], config["target"]) == (3, "mnli", "xnli")
    summary = summary_of(records_of_cell)
    assert {name: summary[name] for name in own.summary} == pytest.approx(own.summary)
    assert {"zero_shot_value", "value_qaa"} <= own.summary.keys()
    (table,) = (pretrained / "wandb").rglob(f"{runs.TABLE}_*.table.json")
    columns, rows = runs.table_of(result)
    assert json.loads(table.read_text()) == {"columns": columns, "data": rows}
    pretraining = next(stage["key"] for stage in result["stages"] if stage["kind"] == "pretrain")
    assert artifacts(records_of_cell) == ([], [runs.artifact(key) for key in own.uses])
    assert runs.artifact(pretraining) in artifacts(found[trained[0]])[1]
    for path in pretrained.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_wandb_changes_no_weight(run_tiny: Callable[..., Any], outputs: Path, pretrained: Path, no_login: None) -> None:
    run_tiny("+intermediate=mnli", "logger=wandb", output=pretrained)
    run_tiny("+intermediate=mnli")
    expected = trained(outputs, "+intermediate=mnli")
    assert any(name.endswith(".safetensors") for name in expected)
    assert trained(pretrained, "+intermediate=mnli") == expected


def fail_in_step(step: int) -> Callable[..., None]:
    """A step of a training that fails for a user's reason."""
    original = callbacks.Guard.on_train_batch_end

    def on_train_batch_end(self: Any, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        original(self, trainer, module, outputs, batch, index)
        if batch.index + 1 == step:
            raise StiltsError("a reason")

    return on_train_batch_end


def test_a_stage_that_fails_is_a_failed_run(
    run_tiny: Callable[..., Any], pretrained: Path, no_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Guard, "on_train_batch_end", fail_in_step(3))
        with pytest.raises(StiltsError, match="a reason"):
            run_tiny("+intermediate=mnli", "logger=wandb", output=pretrained)
    assert wandb.run is None
    ((_, found),) = by_id(pretrained / "wandb").items()
    assert [record.exit_code for record in of_kind(found, "exit")] == [1]
    assert list(points_of(found)) == [1, 2, 3], "what was logged before is there"


def test_a_training_that_is_killed_and_continued_is_one_run(
    launch: Callable[..., Any], pretrained: Path, no_login: None
) -> None:
    arguments = ["+intermediate=mnli", *TINY, OFTEN, f"output={pretrained}", "logger=wandb", "logger.mode=offline"]
    process = launch(arguments, pretrained / "log", die_in_step, "mnli", 4, "Checkpoint")
    process.join(SECONDS)
    assert process.exitcode == -signal.SIGKILL
    (killed,) = wandb_files(pretrained / "wandb")
    process = launch(arguments, pretrained / "log")
    process.join(SECONDS)
    assert process.exitcode == 0, (pretrained / "log").read_text()
    assert not killed.exists(), "the run that goes on has its points"
    found = by_id(pretrained / "wandb")
    (key,) = (key for key in found if (pretrained / "stages" / key).exists())
    assert list(points_of(found[key])) == [1, 2, 3, 4, 5, 6]
    check_stage(pretrained, key, found[key], "intermediate")


@pytest.mark.parametrize("damage", ["begin", "point", "end"])
def test_wandb_that_fails_stops_nothing(
    damage: str,
    run_tiny: Callable[..., Any],
    pretrained: Path,
    no_login: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from stilts_xtreme.cell.wandb_run import WandbRun

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(WandbRun, "__init__" if damage == "begin" else damage, fail)
        result = run_tiny("+intermediate=mnli", "logger=wandb", output=pretrained)
    assert result["stages"][-1]["made_now"]
    said = capsys.readouterr().err
    assert "is not followed any more (OSError: [Errno 28] No space left on device)" in said
    assert "Traceback" not in said


def test_a_cell_that_is_run_again_is_the_same_run(
    run_tiny: Callable[..., Any], pretrained: Path, no_login: None
) -> None:
    sizes = []
    for _ in range(2):
        run_tiny("+target=tatoeba", "logger=wandb", output=pretrained)
        ((_, found),) = by_id(pretrained / "wandb").items()
        sizes.append(len(summary_of(found)))
    assert sizes[0] == sizes[1]


def test_two_cells_in_one_process_are_two_runs(run_tiny: Callable[..., Any], pretrained: Path, no_login: None) -> None:
    results = [
        run_tiny("+target=tatoeba", f"retrieval.layer={layer}", "logger=wandb", output=pretrained) for layer in (0, 1)
    ]
    found = by_id(pretrained / "wandb")
    assert found.keys() == {runs.cell_id(result["cell"]) for result in results}
    assert {of_kind(one, "run")[0].display_name for one in found.values()} == {result["cell"] for result in results}


def read_csv(path: Path) -> dict[str, list[tuple[int, float]]]:
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    return {name: [(int(line["step"]), float(line[name])) for line in lines if line[name]] for name in lines[0]}


def check_points(
    output: Path, result: dict[str, Any], read: Callable[[str], dict[str, list[tuple[int, float]]]]
) -> None:
    """The runs of all stages and of the cell, of which ``read`` gives the points by the name of a run."""
    trained = [stage for stage in result["stages"] if stage["kind"] in runs.CURVED]
    assert len(trained) == 4
    for stage in trained:
        run = runs.of_stage(manifest_of(output, stage["key"]))
        expected: dict[str, list[tuple[int, float]]] = {}
        for step, numbers in curve_of(output, stage["key"]).items():
            for name, value in numbers.items():
                expected.setdefault(name, []).append((step, value))
        for name, value in run.summary.items():
            expected.setdefault(name, []).append((int(run.summary["steps"]), value))
        found = {name: points for name, points in read(run.name).items() if name not in LIVE}
        assert found.keys() >= expected.keys()
        for name, points in expected.items():
            assert [step for step, _ in found[name]] == [step for step, _ in points], name
            assert [value for _, value in found[name]] == pytest.approx([value for _, value in points], rel=1e-5), name
    own = runs.of_cell(result)
    found = read(own.name)
    assert {name: found[name][-1][1] for name in own.summary} == pytest.approx(own.summary, rel=1e-5)


def folder_of(output: Path, name: str) -> Path:
    """The folder of a run of CSV or TensorBoard."""
    cell = output / "cells" / name / "curves"
    return cell if cell.exists() else output / "curves" / re.sub("[^a-z0-9]+", "-", name)


def test_csv(run_tiny: Callable[..., Any], pretrained: Path) -> None:
    for fresh in (True, False):
        result = run_tiny(*CELL, *SELECTS, "logger=csv", output=pretrained)
        assert result["stages"][-1]["made_now"] == fresh
        check_points(pretrained, result, lambda name: read_csv(folder_of(pretrained, name) / "metrics.csv"))


def test_tensorboard(run_tiny: Callable[..., Any], pretrained: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(name: str) -> dict[str, list[tuple[int, float]]]:
        folder = folder_of(pretrained, name)
        assert len(list(folder.glob("events.out.tfevents.*"))) == 1, "a run replaces the curves of the one before"
        events = event_accumulator.EventAccumulator(str(folder))
        events.Reload()
        return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}

    for _ in range(2):
        result = run_tiny(*CELL, *SELECTS, "logger=tensorboard", output=pretrained)
        check_points(pretrained, result, read)


def test_mlflow(run_tiny: Callable[..., Any], pretrained: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{pretrained}/mlflow.db")

    def read(name: str) -> dict[str, list[tuple[int, float]]]:
        experiment = client.get_experiment_by_name("stilts_xtreme")
        assert experiment is not None
        (run,) = (run for run in client.search_runs([experiment.experiment_id]) if run.info.run_name == name)
        assert run.info.status == "FINISHED"
        assert run.data.tags["group"] == "mine"
        assert run.data.params.keys() >= set(runs.AXES)
        return {
            metric: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
            for metric in run.data.metrics
        }

    for _ in range(2):
        result = run_tiny(*CELL, *SELECTS, "logger=mlflow", "logger.group=mine", output=pretrained)
        check_points(pretrained, result, read)


def test_a_stage_that_was_made_without_a_logger_reaches_one_of_files(
    run_tiny: Callable[..., Any], pretrained: Path
) -> None:
    run_tiny("+intermediate=mnli", "logger=none", output=pretrained)
    assert not (pretrained / "curves").exists()
    result = run_tiny("+intermediate=mnli", "logger=csv", output=pretrained)
    key = result["stages"][-1]["key"]
    run = runs.of_stage(manifest_of(pretrained, key))
    losses = read_csv(folder_of(pretrained, run.name) / "metrics.csv")["loss"]
    assert losses == [(step, pytest.approx(numbers["loss"])) for step, numbers in curve_of(pretrained, key).items()]


def test_none_writes_no_curves(run_tiny: Callable[..., Any], outputs: Path) -> None:
    result = run_tiny("+target=tatoeba", "logger=none")
    folder = outputs / "cells" / result["cell"]
    found = {entry.name for entry in folder.iterdir()}
    assert found == {"config.json", "result.json", "table.md", "predictions", "labels", "manifest.json"}

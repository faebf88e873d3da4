"""Loggers: what they hold is read back from their files."""

from __future__ import annotations

import csv
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY, cell_of

from stilts_xtreme.cell import run as cell_module
from stilts_xtreme.cell import tracking
from stilts_xtreme.core.errors import StiltsError

SECRET = "s3cr3t" * 8
CELL = ("+intermediate=mnli", "+target=xnli")


def records(path: Path) -> list[Any]:
    """The records of a finished W&B run's file, which may reach the disk a moment after the run has finished."""
    deadline = time.monotonic() + 10
    while not of_kind(found := read_records(path), "exit"):
        assert time.monotonic() < deadline, f"{path} has no end"
        time.sleep(0.02)
    return found


def read_records(path: Path) -> list[Any]:
    """The records that are there: protocol buffers in LevelDB's log format: blocks of 32 KiB, 7 bytes of head."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    found, part, at = [], b"", 7
    while at + 7 <= len(data):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found


def wandb_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("run-*.wandb"))


def history(found: list[Any]) -> list[dict[str, Any]]:
    points = []
    for record in found:
        if record.WhichOneof("record_type") == "history":
            points.append(
                {("/".join(item.nested_key) or item.key): json.loads(item.value_json) for item in record.history.item}
            )
    return points


def of_kind(found: list[Any], kind: str) -> list[Any]:
    return [getattr(record, kind) for record in found if record.WhichOneof("record_type") == kind]


@pytest.fixture
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user who is not logged in, whatever this machine's user is."""
    for name in ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setattr(tracking.Path, "home", classmethod(lambda cls: tmp_path))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "wandb-data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "wandb-cache"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb-config"))


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


def test_login_is_found_without_asking(monkeypatch: pytest.MonkeyPatch, no_login: None, tmp_path: Path) -> None:
    assert not tracking.logged_in()
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password key\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.delenv("NETRC")
    assert tracking.logged_in()
    monkeypatch.setenv("WANDB_BASE_URL", "https://elsewhere.example")
    assert not tracking.logged_in()
    monkeypatch.setenv("WANDB_API_KEY", "key")
    assert tracking.logged_in()


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
        assert points["zero_shot_gain"] == [(0, pytest.approx(result["averages"]["zero_shot_gain"]))]


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


def test_unknown_logger_settings(run_tiny: Callable[..., Any], no_login: None) -> None:
    with pytest.raises(StiltsError, match=r"logger\.mode=onlin is not known \(did you mean 'online'\?\)"):
        run_tiny("+target=tatoeba", "logger=wandb", "logger.mode=onlin")
    with pytest.raises(StiltsError, match=r"logger\.kind=cvs"):
        run_tiny("+target=tatoeba", "logger.kind=cvs")
    with pytest.raises(StiltsError, match=r"option=logger\.projekt"):
        cell_of("+target=tatoeba", *TINY, "logger=wandb", "+logger.projekt=x")


def test_online_without_a_login_is_a_sentence(
    run_tiny: Callable[..., Any], no_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    def init(**_: Any) -> None:
        raise wandb.errors.UsageError("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(StiltsError, match=r"No API key configured.*logger\.mode=offline needs no login"):
        run_tiny("+target=tatoeba", "logger=wandb", "logger.mode=online")

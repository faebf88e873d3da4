"""Interruptions of a training - a kill, Ctrl-C, NaN, memory, patience - lose nothing."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.cells import TINY, cell_of
from support.siege import OFTEN, die_in_step, kill, siege, trained

from stilts_xtreme.__main__ import main
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.result import name_of
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.training import callbacks, checkpoints, dev
from stilts_xtreme.training import fit as training

CELL = ("+target=xnli", "+intermediate=mnli", "baseline=false")


def die_in(module: str, name: str, part: str) -> None:
    """Kills this process when a function of a module is called with a path that ends in ``part``."""
    place = importlib.import_module(f"stilts_xtreme.{module}")
    original = getattr(place, name)

    def function(*values: Any, **named: Any) -> Any:
        if str(values[0]).endswith(part):
            kill()
        return original(*values, **named)

    setattr(place, name, function)


def die_after_writing(part: str) -> None:
    """Kills this process when a weight file is half of a model on disk."""
    from stilts_xtreme.tasks import checkpoint as models

    original = models.save_file

    def save_file(tensors: Any, path: Path, **named: Any) -> None:
        original(tensors, path, **named)
        if part in str(path):
            kill()

    models.save_file = save_file


def die_in_checkpoint(label: str) -> None:
    """Kills this process when a checkpoint is written beside the last one, but not yet in its place."""
    original = callbacks.Checkpoint.on_train_batch_end

    def on_train_batch_end(self: Any, *values: Any) -> None:
        if self.guard.label == label and values[3].index + 1 == 3:
            callbacks.os.replace = lambda *_: kill()  # type: ignore[attr-defined]
        original(self, *values)

    callbacks.Checkpoint.on_train_batch_end = on_train_batch_end  # type: ignore[method-assign]


def test_killed_at_many_moments(launch: Callable[..., Any], run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    arguments = ("+target=xnli", "+intermediate=mnli", "baseline=false", "recipe.target.dropout=0.1")
    pretraining = "mini on synthetic"
    key = [stage.key for stage in plan(cell_of(*TINY, *arguments)).stages()]
    siege(
        launch,
        tmp_path / "out",
        arguments,
        [
            (die_in_step, pretraining, 1, "Guard"),
            (die_in_step, pretraining, 7, "Checkpoint"),
            (die_in_step, pretraining, 20, "Guard"),
            (die_after_writing, "model-00001"),
            (die_in_step, "mnli", 4, "Guard"),
            (die_in_checkpoint, "mnli > mnli"),
            (die_in_step, "mnli > mnli", 5, "Checkpoint"),
            (die_in, "cell.store", "write_atomic", f"{key[2]}/manifest.json"),
            (die_in, "cell.run", "write_atomic", "table.md"),
        ],
    )
    run_tiny(*arguments)
    expected = trained(Path(run_tiny.output), *arguments)
    assert len(expected) >= 9
    assert trained(tmp_path / "out", *arguments) == expected


def test_killed_with_selection(launch: Callable[..., Any], pretrained: Path, run_tiny: Callable[..., Any]) -> None:
    arguments = (
        "+intermediate=mnli",
        "recipe.intermediate.selection=best",
        "recipe.intermediate.eval_every=2",
        "recipe.intermediate.patience=1",
        "recipe.intermediate.max_steps=12",
        "recipe.intermediate.learning_rate=1e-9",  # the score stays: best at 2, patience ends at 4
    )
    moments: list[tuple[Any, ...]] = [
        (die_in_step, "mnli", 2, "Guard"),
        (die_in_step, "mnli", 3, "Checkpoint"),
        (die_after_writing, "model-00001"),  # after the step that patience made the last
    ]
    siege(launch, pretrained, arguments, moments)
    info = run_tiny(*arguments)["stages"][-1]["info"]
    assert (info["steps"], info["selected"]["step"]) == (4, 2)
    assert trained(pretrained, *arguments) == trained(Path(run_tiny.output), *arguments)


def test_killed_in_a_joint_training(launch: Callable[..., Any], pretrained: Path, run_tiny: Callable[..., Any]) -> None:
    arguments = ("+intermediate=[mnli,squad_v1]",)
    siege(
        launch,
        pretrained,
        arguments,
        [(die_in_step, "mnli+squad_v1", 3, "Guard"), (die_in_step, "mnli+squad_v1", 9, "Checkpoint")],
    )
    run_tiny(*arguments)
    expected = trained(Path(run_tiny.output), *arguments)
    assert {"mnli", "squad_v1"} <= {part for name in expected for part in name.split("/")}
    assert trained(pretrained, *arguments) == expected


def test_a_second_seed_is_another_training(run_tiny: Callable[..., Any]) -> None:
    """The comparisons above can fail."""
    run_tiny("+intermediate=mnli")
    run_tiny("+intermediate=mnli", "seed=1")
    output = Path(run_tiny.output)
    one, two = trained(output, "+intermediate=mnli"), trained(output, "+intermediate=mnli", "seed=1")
    differing = {name for name in one if one[name] != two[name]}
    assert {name.split("/")[0] for name in differing} == {"mnli"}


def test_a_resumed_curve_reaches_the_logger_whole(launch: Callable[..., Any], pretrained: Path) -> None:
    arguments = ["+intermediate=mnli", *TINY, OFTEN, f"output={pretrained}", "logger=csv"]
    process = launch(arguments, pretrained / "log", die_in_step, "mnli", 4, "Checkpoint")
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    process = launch(arguments, pretrained / "log")
    process.join(120)
    assert process.exitcode == 0
    (curve,) = pretrained.glob("curves/*mnli*/metrics.csv")
    lines = [line.split(",") for line in curve.read_text().splitlines()]
    column = lines[0].index("loss")
    assert [line[lines[0].index("step")] for line in lines[1:] if line[column]] == [str(n) for n in range(1, 7)]


def test_two_commands_together(launch: Callable[..., Any], tmp_path: Path) -> None:
    """Two different cells with shared stages, and one of them twice: each stage is made once, all three succeed."""
    output = tmp_path / "out"
    commands = [
        [*TINY, f"output={output}", "logger=csv", "+intermediate=mnli", "+target=xnli"],
        [*TINY, f"output={output}", "logger=csv", "+intermediate=mnli", "+target=pawsx"],
        [*TINY, f"output={output}", "logger=csv", "+intermediate=mnli", "+target=xnli"],
    ]
    logs = [tmp_path / f"log{n}" for n in range(3)]
    processes = [launch(command, log) for command, log in zip(commands, logs, strict=True)]
    for process in processes:
        process.join(180)
    text = "\n".join(log.read_text() for log in logs)
    assert [process.exitcode for process in processes] == [0, 0, 0], text
    made = [line for line in text.splitlines() if "  mnli: " in line and line.endswith("rows")]
    assert len(made) == 3, "intermediate, xnli's baseline and xnli's own; pawsx trains on its own rows"
    assert text.count("corpus: ") == 1
    assert "another process is making" in text


def test_a_cell_has_one_writer(launch: Callable[..., Any], pretrained: Path) -> None:
    command = [*TINY, "+target=tatoeba", f"output={pretrained}"]
    cell = cell_of(*command)
    log = pretrained / "log"
    with Store(pretrained).lock(name_of(cell, plan(cell)), "the cell"):
        process = launch(command, log)
        deadline = time.monotonic() + 60
        while not (log.exists() and "another process is making the cell" in log.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.join(0.5)
        assert process.is_alive()
        assert not (pretrained / "cells").exists()
    process.join(60)
    assert process.exitcode == 0


def test_ctrl_c(launch: Callable[..., Any], pretrained: Path) -> None:
    long = ("recipe.intermediate.max_steps=100000", "recipe.intermediate.epochs=100000")
    command = ["+intermediate=mnli", *TINY, OFTEN, f"output={pretrained}", *long]
    log = pretrained / "log"
    process = launch(command, log)
    key = plan(cell_of(*command)).final.key
    checkpoint = Store(pretrained).scratch(key) / "resume" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130, log.read_text()
    assert "interrupted: the same command continues from the last checkpoint" in log.read_text()
    assert "Traceback" not in log.read_text()
    # between two renames the newest one is called last.tmp, and the one before it is gone on with
    assert checkpoints.usable(checkpoint.parent) is not None


BEST = ("recipe.intermediate.selection=best", "recipe.intermediate.eval_every=1")


@pytest.mark.parametrize("harm", ["flip", "cut", "best"])
def test_damage_in_what_a_kill_left_is_named_and_mended(
    launch: Callable[..., Any], pretrained: Path, run_tiny: Callable[..., Any], tmp_path: Path, harm: str
) -> None:
    arguments = ("+intermediate=mnli", *(BEST if harm == "best" else ()))
    command = [*TINY, *arguments, OFTEN, f"output={pretrained}"]
    log = tmp_path / "log"
    launch(command, log, die_in_step, "mnli", 4, "Checkpoint").join(120)
    folder = Store(pretrained).scratch(plan(cell_of(*command)).final.key) / "resume"
    for name in ("best.safetensors",) if harm == "best" else ("last.ckpt", "before.ckpt"):
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(bytes(content[: len(content) // 3] if harm == "cut" else content))
    process = launch(command, log)
    process.join(120)
    said = log.read_text()
    if harm != "best" or process.exitcode:
        assert process.exitcode == 1, said
        assert "is damaged: its content has changed" in said
        assert "store.damaged=retrain" in said
        assert "Traceback" not in said
        process = launch([*command, "store.damaged=retrain"], log)
        process.join(120)
    assert process.exitcode == 0, log.read_text()
    whole = tmp_path / "whole"
    run_tiny(*arguments, output=whole)
    assert trained(pretrained, *arguments) == trained(whole, *arguments)


def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(
    launch: Callable[..., Any], pretrained: Path, run_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    command = [*TINY, "+intermediate=mnli", OFTEN, f"output={pretrained}"]
    log = tmp_path / "log"
    launch(command, log, die_in_step, "mnli", 4, "Checkpoint").join(120)
    last = Store(pretrained).scratch(plan(cell_of(*command)).final.key) / "resume" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-7])
    process = launch(command, log)
    process.join(120)
    assert process.exitcode == 0, log.read_text()
    assert "training goes on from the one before it" in log.read_text()
    run_tiny("+intermediate=mnli", output=tmp_path / "whole")
    assert trained(pretrained, "+intermediate=mnli") == trained(tmp_path / "whole", "+intermediate=mnli")


def test_patience_stops(run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    result = run_tiny(
        "+intermediate=mnli",
        "recipe.intermediate.selection=best",
        "recipe.intermediate.eval_every=2",
        "recipe.intermediate.patience=2",
        "recipe.intermediate.max_steps=50",
        "recipe.intermediate.learning_rate=1e-9",
    )
    info = result["stages"][-1]["info"]
    assert info["steps"] == 6
    assert info["selected"]["step"] == 2


def test_best_weights_are_kept(run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def score(self: dev.Dev, asked: dev.Asked, answers: Any) -> float:
        (head,) = self.heads.values()
        seen.append({name: value.detach().clone() for name, value in head.state_dict().items()})
        return [10.0, 50.0, 20.0, 50.0][len(seen) - 1]

    monkeypatch.setattr(dev.Dev, "_score", score)
    result = run_tiny(
        "+intermediate=mnli",
        "seed=77",
        "recipe.intermediate.selection=best",
        "recipe.intermediate.eval_every=2",
        "recipe.intermediate.learning_rate=0.01",
    )
    last = result["stages"][-1]
    assert last["info"]["selected"] == {"step": 4, "dev": 50.0}
    assert len(seen) == 4, "at 2, 4 and 6, and once more for what is kept"
    name = "encoder.base.encoder.layer.0.output.dense.weight"
    assert torch.equal(seen[3][name], seen[1][name])
    assert not torch.equal(seen[2][name], seen[1][name])
    folder = Path(run_tiny.output) / "stages" / last["key"] / "models" / "mnli"
    saved = load_file(folder / "model-00001-of-00002.safetensors")
    assert torch.equal(saved["roberta.encoder.layer.0.output.dense.weight"], seen[1][name])


def main_with(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["stilts_xtreme", *arguments])
    return main()


def test_nan_stops_and_keeps_the_checkpoint(
    pretrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = HeadModule.training_step

    def training_step(self: Any, step: Any, index: int) -> torch.Tensor:
        loss = original(self, step, index)
        return loss * float("nan") if step.index == 3 else loss

    monkeypatch.setattr(HeadModule, "training_step", training_step)
    command = ["+intermediate=mnli", *TINY, OFTEN, f"output={pretrained}"]
    assert main_with(monkeypatch, *command) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(
        "error: The loss of mnli is nan at step 4: training stopped, the last good checkpoint is kept"
    )
    assert not Store(pretrained).path(plan(cell_of(*command)).final.key).exists()
    checkpoint = Store(pretrained).scratch(plan(cell_of(*command)).final.key) / "resume" / "last.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    assert state["global_step"] == 3
    assert all(torch.isfinite(value).all() for value in state["state_dict"].values() if value.is_floating_point())


def test_nan_between_curve_points_is_found_before_a_checkpoint(tmp_path: Path) -> None:
    class Bar:
        def advance(self, *_: object) -> None:
            pass

    guard = callbacks.Guard(Bar(), "mnli", lambda _: None)  # type: ignore[arg-type]
    guard.sums, guard.counts = {"mnli": torch.tensor(float("nan"))}, {"mnli": 2}
    with pytest.raises(StiltsError, match="nan"):
        guard.check(2)
    step = SimpleNamespace(index=1)
    module = SimpleNamespace(steps=9)
    checkpoint = callbacks.Checkpoint(tmp_path, 0, guard)
    with pytest.raises(StiltsError, match="nan"):  # raised before anything is written
        checkpoint.on_train_batch_end(SimpleNamespace(should_stop=False), module, None, step, 1)  # type: ignore[arg-type]
    guard.sums["mnli"] = torch.tensor(float("inf"))
    with pytest.raises(StiltsError, match="inf"):
        guard.check(2)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A device that runs out of memory above some number of tokens in a micro-batch."""
    from stilts_xtreme.tasks import format_of

    state = {"tokens": 10**9, "raised": 0}
    kind = format_of("classification").module()
    for name in ("loss", "outputs"):
        original = getattr(kind, name)

        def guarded(self: Any, batch: Any, original: Any = original, name: str = name) -> Any:
            size = int(batch.lengths.max()) * len(batch.lengths)
            if size > state[name] and self.training == (name == "loss"):
                state["raised"] += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return original(self, batch)

        state[name] = 10**9
        monkeypatch.setattr(kind, name, guarded)
    return state


OOM = ("+intermediate=mnli", "recipe.intermediate.dropout=0.0", "recipe.intermediate.batch_size=16")


def test_out_of_memory_halves_the_micro_batch_and_changes_nothing(
    pretrained: Path, run_tiny: Callable[..., Any], limit: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    expected = run_tiny(*OOM)["stages"][-1]
    limit["loss"] = 120
    with caplog.at_level(logging.WARNING):
        found = run_tiny(*OOM, output=pretrained)["stages"][-1]
    assert found["made_now"]
    assert limit["raised"] > 0
    assert "out of memory: micro-batches now hold at most" in caplog.text
    assert found["info"]["loss"] == pytest.approx(expected["info"]["loss"], rel=1e-4)
    one, two = (
        load_file(folder / "stages" / found["key"] / "models" / "mnli" / "model-00001-of-00002.safetensors")
        for folder in (Path(run_tiny.output), pretrained)
    )
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], atol=2e-4, err_msg=name)


def test_out_of_memory_with_one_sequence_is_a_sentence(
    pretrained: Path, limit: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limit["loss"] = 3
    assert main_with(monkeypatch, *OOM, *TINY, f"output={pretrained}", "seed=5") == 1
    assert "error: Out of memory on the device even with one sequence of" in capsys.readouterr().err


def test_out_of_memory_in_prediction(
    pretrained: Path, run_tiny: Callable[..., Any], limit: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    expected = run_tiny("+target=xnli")
    assert limit["raised"] == 0
    limit["outputs"] = 120
    with caplog.at_level(logging.WARNING):
        found = run_tiny("+target=xnli", output=pretrained)
    assert "batches of prediction now hold at most" in caplog.text
    assert [row["value"] for row in found["rows"]] == [row["value"] for row in expected["rows"]]
    limit["outputs"] = 3
    with pytest.raises(StiltsError, match="even with one example"):
        run_tiny("+target=xnli", "seed=6", output=pretrained)


def test_steps_are_a_function_of_seed_and_index() -> None:
    from stilts_xtreme.models.batch import Features

    features = Features(ids=np.zeros(30, np.int32), lengths=np.full(10, 3), units=np.ones(10, np.int64))
    courses = [training.Course("a", features, 4, 7), training.Course("b", features, 3, 2)]
    stream = training.StepStream(courses, 0)
    whole = [(step.task, step.units.tolist()) for step in stream]
    assert [task for task, _ in whole].count("a") == 7
    assert len(whole) == 9
    seen = [units for task, units in whole if task == "a"]
    assert sorted(unit for units in seen[:3] for unit in units) == list(range(10)), "an epoch holds every unit once"
    assert [len(units) for units in seen[:3]] == [4, 4, 2]
    assert seen[:3] != seen[3:6]
    again = training.StepStream(courses, 0)
    again.load_state_dict({"next": 5})
    assert [(step.task, step.units.tolist()) for step in again] == whole[5:]
    assert [(s.task, s.units.tolist()) for s in training.StepStream(courses, 1)] != whole


def test_a_failed_cell_does_not_hurt_the_next(
    run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A full disk while a cell's folder is written is a sentence; the stages stay."""
    import errno

    from stilts_xtreme.cell import run as cell

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cell, "write_atomic", full)
        with pytest.raises(StiltsError, match="full"):
            run_tiny(*CELL)
    assert not any(stage["made_now"] for stage in run_tiny(*CELL)["stages"])

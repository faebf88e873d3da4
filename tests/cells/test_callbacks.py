"""Cells with the user's own callbacks and loggers."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.cells import TINY

from stilts_xtreme import run_cell
from stilts_xtreme.core.errors import StiltsError

CELL = ("+intermediate=mnli", *TINY)
OWN = """
import pytorch_lightning as pl
from pathlib import Path


class Watching(pl.Callback):
    def __init__(self, path, parts):
        self.path, self.parts, self.seen = Path(path), parts, 0
        assert type(parts) is dict and type(parts["list"]) is list

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self.seen += 1
        self.path.write_text(str(self.seen))

    def state_dict(self):
        return {"seen": self.seen, "parts": self.parts}


class NoCallback:
    pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's."""
    (tmp_path / "own_callbacks.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_callbacks"
    sys.modules.pop("own_callbacks", None)


def of(pretrained: Path, *words: str) -> dict:
    return run_cell(*CELL, f"output={pretrained}", *words)


def test_an_own_callback_watches_with_plain_containers_and_changes_no_weight(
    own: str, pretrained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    without = of(pretrained, "output=" + str(tmp_path / "without"), "model.pretraining.steps=20")
    words = (
        f"++callbacks.mine._target_={own}.Watching",
        f"++callbacks.mine.path={tmp_path / 'seen'}",
        "++callbacks.mine.parts={list: [1, 2]}",
        "++callbacks.mine.watches=true",
        "trainer.checkpoint_seconds=0",
        "++trainer.extra.profiler=simple",
    )
    found = of(pretrained, *words)
    assert "Profiler Report" in caplog.text
    assert (tmp_path / "seen").read_text() == "6"
    one, other = (next(stage for stage in result["stages"] if stage["kind"] == "train") for result in (without, found))
    assert one["key"] == other["key"]
    assert one["info"]["loss"] == other["info"]["loss"]


def test_what_callbacks_log_reaches_the_logger(pretrained: Path) -> None:
    result = of(pretrained, "callbacks=learning_rate", "logger=csv")
    (curves,) = pretrained.glob(f"curves/*-{result['stages'][-1]['key'][:8]}/metrics.csv")
    (name,) = {name for row in csv.DictReader(curves.open()) for name in row if "lr_AdamW" in name and "_pg1" in name}
    rates = [float(row[name]) for row in csv.DictReader(curves.open()) if row[name]]
    assert len(rates) == 6
    assert rates[-1] < rates[0]


def test_a_logger_by_its_class(pretrained: Path) -> None:
    words = ("logger=none", "++logger._target_=pytorch_lightning.loggers.CSVLogger", "++logger.save_dir='{cell}/own'")
    result = of(pretrained, *words, "++logger.name=mine", "++logger.version=0")
    (scores,) = (pretrained / "cells" / result["cell"] / "own").rglob("metrics.csv")
    assert "dev_mnli" in next(csv.reader(scores.open()))
    (curves,) = pretrained.glob(f"curves/*-{result['stages'][-1]['key'][:8]}/own/mine/version_0/metrics.csv")
    rows = list(csv.DictReader(curves.open()))
    assert [row["step"] for row in rows if row["loss"]] == [str(step) for step in range(1, 7)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("++callbacks.x._target_=own_callbacks.Nothing",), r"callbacks\.x\._target_=own_callbacks\.Nothing cannot be"),
        (("++callbacks.x._target_=nowhere.Nothing",), r"callbacks\.x\._target_=nowhere\.Nothing cannot be made"),
        (("++callbacks.x._target_=own_callbacks.NoCallback",), r"is a NoCallback; a .*Callback is needed"),
        (
            ("++logger._target_=own_callbacks.NoCallback",),
            r"logger\._target_=\S+ is a NoCallback",
        ),
    ],
)
def test_what_cannot_be_made_is_a_sentence(own: str, pretrained: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(StiltsError, match=said):
        of(pretrained, *words)


def test_a_checkpoint_with_an_own_callback_loads_without_running_code(
    own: str, pretrained: Path, tmp_path: Path
) -> None:
    import pytorch_lightning as pl

    from stilts_xtreme.core.instantiate import instantiate

    values = {"_target_": f"{own}.Watching", "path": str(tmp_path / "seen"), "parts": {"list": [1]}}
    callback = instantiate("callbacks.x", values, pl.Callback)
    torch.save(callback.state_dict(), tmp_path / "state")
    assert torch.load(tmp_path / "state", weights_only=True)["parts"] == {"list": [1]}


def test_the_energy_of_a_training_is_recorded_where_the_machine_tells(
    run_tiny: Callable[..., Any], pretrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Meter:
        source = "a fake counter"

        def joules(self) -> float:
            return 5.0

    monkeypatch.setattr("stilts_xtreme.training.energy.energy_meter", lambda gpu: (Meter(), Meter.source))
    result = run_tiny("+intermediate=mnli", output=pretrained)
    (trained,) = (stage for stage in result["stages"] if stage["kind"] == "train")
    assert (trained["info"]["joules"], trained["info"]["energy_of"]) == (5.0, "a fake counter")

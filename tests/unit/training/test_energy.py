"""The energy of a training: what a counter says, over kills, and where nothing is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stilts_xtreme.training import energy
from stilts_xtreme.training.energy import Energy


class Meter:
    """A counter that a test sets."""

    source = "a fake counter"

    def __init__(self) -> None:
        self.now = 0.0

    def joules(self) -> float:
        if self.now < 0:
            raise OSError("gone")
        return self.now


def trainer(step: int) -> Any:
    return SimpleNamespace(global_step=step)


def part(callback: Energy, joules: float, begins_at: int = 0) -> None:
    """A part of a training that uses so much."""
    callback.on_train_start(trainer(begins_at), None)  # type: ignore[arg-type]
    assert isinstance(callback.meter, Meter)
    callback.meter.now = joules


def test_parts_are_added_up() -> None:
    first = Energy(Meter())
    part(first, 30.0)
    state = first.state_dict()
    second = Energy(Meter())
    second.load_state_dict(state)
    part(second, 12.0, begins_at=5)
    second.on_train_end(trainer(9), None)  # type: ignore[arg-type]
    assert second.found() == {"joules": 42.0, "energy_of": "a fake counter"}


def test_a_counter_is_read_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [100.0]
    monkeypatch.setattr(energy.time, "monotonic", lambda: at[0])
    callback = Energy(Meter())
    part(callback, 7.0)
    callback.on_train_batch_end(trainer(1))
    assert callback.joules == 0.0
    at[0] += energy.EVERY
    callback.on_train_batch_end(trainer(2))
    assert callback.joules == 7.0


@pytest.mark.parametrize("first", [None, Meter()])
def test_a_part_that_was_not_counted_makes_all_of_it_unknown(first: Meter | None) -> None:
    second = Energy(Meter() if first is None else None)
    second.load_state_dict(Energy(first).state_dict())
    second.on_train_start(trainer(5), None)  # type: ignore[arg-type]
    second.on_train_end(trainer(9), None)  # type: ignore[arg-type]
    assert second.found() == {}


def test_a_checkpoint_of_an_earlier_version_makes_all_of_it_unknown() -> None:
    callback = Energy(Meter())
    part(callback, 12.0, begins_at=5)  # its state was not in the checkpoint
    callback.on_train_end(trainer(9), None)  # type: ignore[arg-type]
    assert callback.found() == {}


def test_a_counter_that_fails_stops_no_training(caplog: pytest.LogCaptureFixture) -> None:
    callback = Energy(Meter())
    part(callback, -1.0)
    callback.on_train_end(trainer(9), None)  # type: ignore[arg-type]
    assert callback.found() == {}
    assert "could not be read (gone)" in caplog.text

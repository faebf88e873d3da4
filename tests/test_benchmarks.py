"""The benchmarks do the same work in every way they compare."""

from __future__ import annotations

import pytest

pytest.importorskip("accelerate", reason="transformers' Trainer needs accelerate: pip install 'stilts-xtreme[bench]'")
from benchmarks import training


def test_every_way_trains_the_same(monkeypatch):
    monkeypatch.setattr(training, "BATCH", 8)
    ways = ("packed", "padded", "trainer, dynamic", "trainer, longest")
    result = training.measure("mini", steps=3, rounds=1, longest=48, ways=ways)
    losses = [entry["loss"] for entry in result["ways"].values()]
    assert losses == pytest.approx([losses[0]] * len(ways), abs=2e-5)
    assert all(len(entry["seconds"]) == 1 for entry in result["ways"].values())
    lines = training.table(result).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(ways)


@pytest.mark.parametrize("option", [("--steps", "0"), ("--rounds", "-1"), ("--size", "huge")])
def test_bad_options_are_refused(option, capsys):
    with pytest.raises(SystemExit) as error:
        training.main(list(option))
    assert error.value.code == 2
    assert option[1] in capsys.readouterr().err

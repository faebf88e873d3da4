"""What a training came to, by the answers of its heads to dev rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stilts_xtreme.tasks.outcome import COLLAPSED, LEARNT
from stilts_xtreme.training import dev
from stilts_xtreme.training.dev import Dev

ROWS = {"id": ["1", "2"], "text_a": ["a", "b"], "text_b": ["", ""], "label": [0, 1]}


@pytest.mark.parametrize(
    ("outputs", "verdict"), [([[1.0, 0.0], [0.0, 1.0]], LEARNT), ([[1.0, 0.0], [0.0, np.nan]], COLLAPSED)]
)
def test_a_head_that_gives_no_numbers_collapsed_whatever_it_answers(
    outputs: list[list[float]], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = SimpleNamespace(selects=False, dev_rows=None)
    task: Any = SimpleNamespace(name="own", head="classification", metric="accuracy", datasets=[None], recipe=recipe)
    head: Any = SimpleNamespace(
        labels=("no", "yes"), features=lambda rows, _: rows, decode=lambda rows, features, outputs: ["no", "yes"]
    )
    stage: Any = SimpleNamespace(tasks=[task], placebo=False)
    cell: Any = SimpleNamespace(data=None, trainer=None)
    monkeypatch.setattr(dev, "source_of", lambda *_: SimpleNamespace(source_language="en"))
    monkeypatch.setattr(dev, "load_rows", lambda *_: ROWS)
    monkeypatch.setattr(dev, "predict", lambda *_: (np.asarray(outputs, np.float32), np.asarray([0, 1])))
    asking = Dev(cell, stage, {"own": head}, None, {})
    scores, found = asking.outcome({"own": 0.1}, {"own": 0.7})
    assert scores == {"own": 100.0}
    assert found["own"]["verdict"] == verdict

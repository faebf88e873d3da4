"""What a training came to, by the answers of its heads to dev rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stilts_xtreme.tasks.outcome import COLLAPSED, LEARNT
from stilts_xtreme.training import dev
from stilts_xtreme.training.dev import Asked, Dev

ROWS = {"id": ["1", "2"], "text_a": ["a", "b"], "text_b": ["", ""], "label": [0, 1]}


@pytest.mark.parametrize(
    ("outputs", "verdict"), [([[1.0, 0.0], [0.0, 1.0]], LEARNT), ([[1.0, 0.0], [0.0, np.nan]], COLLAPSED)]
)
def test_a_head_that_gives_no_numbers_collapsed_whatever_it_answers(
    outputs: list[list[float]], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = SimpleNamespace(name="own", head="classification", metric="accuracy")
    head: Any = SimpleNamespace(labels=("no", "yes"), decode=lambda rows, features, found: ["no", "yes"])
    asking = Dev.__new__(Dev)
    asking.cell, asking.heads, asking.language = SimpleNamespace(trainer=None), {"own": head}, "en"  # type: ignore[assignment]
    asking.asked = {"own": Asked(task, ROWS, lambda: None, "dev")}
    monkeypatch.setattr(dev, "predict", lambda *_: (np.asarray(outputs, np.float32), np.asarray([0, 1])))
    scores, found = asking.outcome({"own": 0.1}, {"own": 0.7})
    assert scores == {"own": 100.0}
    assert found["own"]["verdict"] == verdict

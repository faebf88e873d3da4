"""Where runs go: folders of stages that no name leads elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.cell import tracking
from stilts_xtreme.report import runs


@given(st.text(max_size=200), st.text(max_size=100))
def test_the_folder_of_a_stage_is_one_of_the_curves_whatever_it_is_called(label: str, model: str) -> None:
    goal = tracking.Goal({"kind": "csv"}, Path("outputs"), "group")
    key = "0123456789abcdef0123"
    run = runs.stage_run(key, "train", label, None, {"model": model, "seed": 1}, {})
    folder = goal.folder(run)
    assert folder.parent == Path("outputs/curves")
    assert folder.name.endswith(key[:8])
    assert re.fullmatch(r"[\w.+-]+", folder.name, flags=re.ASCII)
    assert len(run.name) <= runs.LONGEST_NAME

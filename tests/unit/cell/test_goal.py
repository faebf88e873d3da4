"""Where runs go: folders of stages that no name leads elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.cell import tracking
from stilts_xtreme.core.errors import StiltsError
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


class Failing:
    """A run whose server is not there."""

    def point(self, step: int, numbers: object) -> None:
        raise ConnectionError(f"API request to {os.environ['MLFLOW_TRACKING_URI']}/api failed")


def test_no_password_of_an_address_is_said_or_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "http://me:hunter2@127.0.0.1:9"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    goal = tracking.Goal({"kind": "mlflow"}, tmp_path, "group")
    tracking.check([goal])
    tracker = tracking.Tracker(goal, runs.stage_run("0123456789abcdef0123", "train", "mnli", None, {}, {}))
    tracker.backend = Failing()
    tracker.point({"step": 1, "loss": 2.0})
    said = capsys.readouterr().err
    assert "MLflow: the runs are in http://me:...@127.0.0.1:9." in said
    assert "is not followed any more" in said
    assert "hun" not in said
    with pytest.raises(StiltsError, match=r"logger.uri=mysql://me:\.\.\.@host/db is refused: it has a password"):
        tracking.check([tracking.Goal({"kind": "mlflow", "uri": "mysql://me:hun@ter2@host/db"}, tmp_path, "group")])

"""The axes of a stage that trains: what it depends on, and nothing of the cell that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from support.cells import cell_of

from stilts_xtreme.cell.axes import axes_of
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.report.runs import AXES, CURVED


@pytest.fixture(scope="module", autouse=True)
def _loaded_once() -> Iterator[None]:
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="stilts_xtreme"):
        yield


def axes(*options: str) -> dict[str, dict[str, Any]]:
    """By label, of all stages of a cell that train."""
    cell = cell_of("trainer=cpu", "model.shipped=null", "+target=xnli", *options)
    return {stage.label: axes_of(cell, stage) for stage in plan(cell).stages() if stage.kind in CURVED}


def test_stages_of_a_cell() -> None:
    found = axes("+intermediate=mnli", "volume=0.5", "seed=3")
    assert [entry["phase"] for entry in found.values()] == ["pretraining", "target", "target", "intermediate", "target"]
    for entry in found.values():
        assert entry.keys() <= {*AXES, "phase", "tasks"}
    middle, own, alone = found["mnli"], found["mnli > mnli"], found["none > mnli"]
    assert (middle["intermediate"], middle["target"], middle["volume"], middle["seed"]) == ("mnli", None, 0.5, 3)
    assert (own["intermediate"], own["target"], own["volume"], own["tasks"]) == ("mnli", "mnli", 0.5, ["mnli"])
    assert (alone["intermediate"], alone["volume"], alone["weights"]) == ("none", None, "pretrained")
    assert found["random > mnli"]["weights"] == "random"


def test_a_shared_stage_has_nothing_of_one_cell() -> None:
    """What two cells share has the same axes for both."""
    one, other = (axes("+intermediate=mnli", option) for option in ("control=null", "control=placebo"))
    assert one["none > mnli"] == other["none > mnli"]
    assert other["placebo(mnli)"]["control"] == "placebo"
    assert "control" not in one["mini on synthetic"]


def test_a_control_of_steps_is_one() -> None:
    found = axes("+intermediate=mnli", "control=steps")
    (own,) = (entry for label, entry in found.items() if label.startswith("steps("))
    assert (own["control"], own["intermediate"], own["tasks"]) == ("steps", "mnli", ["mnli"])


def test_what_is_merged_is_trained_as_alone() -> None:
    found = axes("+intermediate=[mnli,squad_v1]", "merge=ties")
    assert found["mnli"] == axes("+intermediate=mnli")["mnli"]
    own = found["ties(mnli+squad_v1) > mnli"]
    assert (own["merge"], own["intermediate"]) == ("ties", "mnli+squad_v1")


def test_only_trainings_have_axes() -> None:
    cell = cell_of("trainer=cpu", "+target=xnli")
    assert all(axes_of(cell, stage) == {} for stage in plan(cell).stages() if stage.kind not in CURVED)

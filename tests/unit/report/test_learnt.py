"""What intermediate trainings came to, below the matrix."""

from __future__ import annotations

from typing import Any

from support.finished import finished

from stilts_xtreme.report.learnt import below_floor, markdown
from stilts_xtreme.report.results import FinishedCell


def stage(key: str, label: str, **outcome: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "kind": "train", "label": label, "info": {"outcome": outcome}}


def cell(before: str, seed: int, score: float, **more: Any) -> FinishedCell:
    came = {"score": score, "floor": 25.0}
    stages = [stage(f"{before}-{seed}", before, **{before: came}), stage("t", f"{before} > xnli", mnli={"score": 9.0})]
    return finished("mini", before, {"de": 50.0}, seed, stages=stages if before != "none" else stages[1:], **more)


def lines(*cells: FinishedCell) -> list[list[str]]:
    text = markdown([each.result for each in cells])
    return [
        [part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ][2:]


def test_each_task_stands_once_with_the_mean_over_its_trainings() -> None:
    made = [cell("mnli", 0, 30.0), cell("mnli", 1, 40.0), cell("qqp", 0, 70.0), cell("none", 0, 0.0)]
    same = cell("mnli", 1, 40.0, target="panx")  # the same training, before another target
    assert lines(*made, same) == [["mnli", "mnli", "35.0", "25.0", "2"], ["qqp", "qqp", "70.0", "25.0", "1"]]


def test_controls_and_baselines_have_no_line() -> None:
    assert markdown([cell("none", 0, 0.0).result]) == ""
    assert markdown([cell("mnli", 0, 20.0, control="placebo").result]) == ""


def test_results_of_an_earlier_version_have_none() -> None:
    assert markdown([finished("mini", "mnli", {"de": 50.0}).result]) == ""


def scored(target: str, seed: int, value: float, before: str = "none", model: str = "mini", **more: Any) -> Any:
    line = {"language": "en", "value": value, "floor": 60.0, "floor_name": "majority"}
    other = {"language": "de", "value": 90.0, "floor": 10.0, "floor_name": "majority"}
    return finished(model, before, {"de": 50.0}, seed, target=target, comparison=[other, line], **more).result


def test_targets_that_were_not_learnt_are_named_with_their_floors() -> None:
    made = [scored("pawsx", 0, 70.0), scored("pawsx", 1, 40.0), scored("xnli", 0, 70.0), scored("panx", 0, 60.0)]
    said = below_floor([*made, scored("xnli", 0, 10.0, "mnli"), scored("xnli", 1, 10.0, weights="random")])
    assert said.endswith(": pawsx (55.0; floor 60.0, majority), panx (60.0; floor 60.0, majority).\n")
    assert below_floor(made[2:3]) == ""
    assert below_floor([finished("mini", "none", {"de": 5.0}).result]) == "", "nothing is known of the source language"
    two = [scored("pawsx", 0, 40.0), scored("pawsx", 0, 30.0, model="other", cell="o")]
    assert "mini / none > pawsx (40.0;" in below_floor(two)
    assert "other / none > pawsx (30.0;" in below_floor(two)

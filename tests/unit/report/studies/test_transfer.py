"""The study of the transfer matrix on answers of which the truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.answered import answers_of, made

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies import Planned, analyse, check
from stilts_xtreme.report.studies.conclusion import UNDECIDED, Conclusion, markdown
from stilts_xtreme.report.studies.transfer import HARMS, HELPS, NONE_SHOWN, NOTHING

TARGETS = ("xnli", "pawsx", "sib200", "xcopa")
ITEMS = 500


def cells(
    root: Path, gains: Mapping[str, float], controls: Mapping[str, float] | None = None, seeds: int = 3
) -> list[FinishedCell]:
    """Cells on four targets whose expected scores differ by the planted gains; all answers are independent draws."""
    rng = np.random.default_rng(0)
    found = []
    for target in TARGETS:
        for seed in range(seeds):
            found.append(made(root, (), seed, answers_of(rng, 0.5, ITEMS), target))
            for task, gain in gains.items():
                found.append(made(root, (task,), seed, answers_of(rng, 0.5 + gain, ITEMS), target))
            for task, gain in (controls or {}).items():
                answers = answers_of(rng, 0.5 + gain, ITEMS)
                found.append(made(root, (task,), seed, answers, target, control="placebo"))
    return found


def verdicts(found: Conclusion) -> dict[str, str]:
    return {verdict.about: verdict.verdict for verdict in found.verdicts}


def test_what_is_planted_is_found(tmp_path: Path) -> None:
    found = analyse("transfer", cells(tmp_path, {"mnli": 0.15, "qqp": -0.15}))
    said = verdicts(found)
    assert said["mnli, over no task"] == HELPS
    assert said["qqp, over no task"] == HARMS
    assert {said[target] for target in TARGETS} == {"helped by 1 of 2"}
    mean = next(row for row in found.rows if row["after"] == "mnli" and row["target"] == "all")
    assert mean["value"] == pytest.approx(15, abs=3)
    assert mean["low"] < mean["value"] < mean["high"]
    assert found.tables[0].lines[0][0] == "mnli", "the best task stands first"
    assert any("No control was run" in note for note in found.confounds)


def test_a_gain_that_the_control_has_too_is_not_the_tasks(tmp_path: Path) -> None:
    found = analyse("transfer", cells(tmp_path, {"mnli": 0.15, "qqp": 0.15}, {"mnli": 0.15, "qqp": 0.0}))
    said = verdicts(found)
    assert said["mnli, over no task"] == said["qqp, over no task"] == HELPS
    assert said["mnli, over its placebo"] in (NOTHING, UNDECIDED)
    assert said["qqp, over its placebo"] == HELPS
    assert not any("No control was run" in note for note in found.confounds)
    assert "over its placebo" in markdown(found)


def test_no_effect_is_found_nowhere(tmp_path: Path) -> None:
    found = analyse("transfer", cells(tmp_path, {"mnli": 0.0}))
    said = verdicts(found)
    assert said.pop("mnli, over no task") in (NOTHING, UNDECIDED)
    assert set(said.values()) == {NONE_SHOWN}


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    found = analyse("transfer", cells(tmp_path, {"mnli": 0.15}, seeds=1))
    assert verdicts(found)["mnli, over no task"] == UNDECIDED
    assert "one seed" in found.verdicts[0].why


def test_two_targets_have_no_mean_and_it_is_said(tmp_path: Path) -> None:
    few = [cell for cell in cells(tmp_path, {"mnli": 0.15}) if cell.result["target"] in TARGETS[:2]]
    found = analyse("transfer", few)
    assert set(verdicts(found)) == set(TARGETS[:2])
    assert any("at least three targets" in note for note in found.confounds)


def test_cells_with_shots_are_left_out_and_it_is_said(tmp_path: Path) -> None:
    plain = cells(tmp_path, {"mnli": 0.15}, seeds=1)
    shot = made(tmp_path, ("qqp",), 0, answers_of(np.random.default_rng(1), 0.9, ITEMS))
    shot = replace(shot, result={**shot.result, "shots": {"k": 5, "draw": 0, "arm": "after"}})
    found = analyse("transfer", [*plain, shot])
    assert not any("qqp" in verdict.about for verdict in found.verdicts)
    assert any("Cells with shots are left out" in note for note in found.confounds)


def test_baselines_alone_are_no_answer_but_may_be_run(tmp_path: Path) -> None:
    check("transfer", [Planned("m", "none", "xnli", 0)])
    with pytest.raises(StiltsError, match="needs cells with an intermediate task and their baseline"):
        analyse("transfer", [made(tmp_path, (), 0, answers_of(np.random.default_rng(0), 0.5, 10))])

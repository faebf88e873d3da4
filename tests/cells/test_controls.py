"""Controls of an intermediate task, trained and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY, cell_of

from stilts_xtreme.cell.identity import identity_of
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.stage import Training
from stilts_xtreme.report import matrix
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.training.parents import load_rows

CELL = ("+intermediate=mnli", "+target=xnli")


def trainings(*arguments: str) -> dict[str, Training]:
    stages = plan(cell_of(*TINY, *arguments)).stages()
    return {stage.label: stage for stage in stages if isinstance(stage, Training)}


def test_a_placebo_is_another_intermediate_training_and_shares_the_rest() -> None:
    own, control = trainings(*CELL), trainings(*CELL, "control=placebo")
    assert own["none > mnli"].key == control["none > mnli"].key
    assert own["mnli"].key != control["placebo(mnli)"].key
    assert not own["mnli"].placebo
    assert control["placebo(mnli)"].placebo
    assert not control["placebo(mnli) > mnli"].placebo, "the target learns from its own rows"


def test_a_cell_without_an_intermediate_task_is_its_own_control() -> None:
    one, other = (plan(cell_of(*TINY, "+target=xnli", *more)) for more in ((), ("control=placebo",)))
    assert one.final.key == other.final.key
    assert other.cell.control is None


@pytest.mark.parametrize("mode", ["add", "replace"])
def test_translated_rows_get_the_answers_of_the_same_rows(mode: str) -> None:
    cell = cell_of(*TINY, *CELL, "translation=synthetic", f"translation.mode={mode}", "++data.world.languages=3")
    (task,) = cell.intermediate_tasks
    english = load_rows(cell, task, "train", None, 0)["label"]
    assert english != load_rows(cell, task, "train")["label"]
    found = load_rows(cell, task, "train", cell.translation, 0)["label"]
    assert found == english * (len(found) // len(english))


def test_more_steps_of_the_target_take_the_place_of_the_intermediate_ones(run_tiny: Callable[..., Any]) -> None:
    more = ("recipe.intermediate.max_steps=null", "recipe.intermediate.epochs=2", "recipe.intermediate.batch_size=7")
    own, control = run_tiny(*CELL, *more), run_tiny(*CELL, *more, "control=steps")
    took = {stage["label"]: stage["info"].get("steps") for stage in (*own["stages"], *control["stages"])}
    assert took["mnli"] == 2 * 9, "60 rows in batches of 7"
    assert took["steps(mnli) > mnli"] == took["none > mnli"] + took["mnli"]
    assert not any(stage["label"] == "mnli" for stage in control["stages"]), "nothing of it is trained"
    assert control["identity"]["controlled"] == own["identity"]["evaluation"]
    assert control["identity"]["baseline"] == own["identity"]["baseline"]
    again = run_tiny(*CELL, *more, "control=steps", "evaluation.rules=[last]")
    assert again["identity"]["rest"] == control["identity"]["rest"]


def test_what_is_not_trained_has_no_longer_training() -> None:
    with pytest.raises(StiltsError, match=r"control=steps is refused.*name a target that is trained"):
        cell_of(*TINY, "+intermediate=mnli", "+target=tatoeba", "control=steps")


def test_seeds_of_a_longer_training_stand_in_one_row() -> None:
    one, other = (identity_of(plan(cell_of(*TINY, *CELL, "control=steps", f"seed={seed}"))) for seed in (0, 1))
    assert one["rest"] == other["rest"]
    assert one["before"] == other["before"] == identity_of(plan(cell_of(*TINY, *CELL)))["before"]


def test_a_placebo_is_told_wherever_its_numbers_stand(run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    more = ("recipe.target.max_steps=60", "recipe.target.learning_rate=1e-2", "recipe.target.freeze=null")
    result = run_tiny(*CELL, *more, "control=placebo")
    assert result["control"] == "placebo"
    assert "-mnli+placebo-xnli-" in result["cell"]
    assert {row["intermediate"] for row in result["rows"]} == {"placebo(mnli)"}
    assert "placebo(mnli)" not in result["collapsed"], "that a placebo learns nothing is no fault"
    folder = Path(run_tiny.output) / "cells" / result["cell"]  # type: ignore[attr-defined]
    assert "have the answers of other rows" in (folder / "table.md").read_text()
    assert "a placebo, whose rows had the answers of other rows" in (folder / "model_card.md").read_text()
    (stage,) = [stage for stage in result["stages"] if stage["label"] == "placebo(mnli)"]
    card = Path(run_tiny.output, "stages", stage["key"], "models", "mnli", "README.md").read_text()  # type: ignore
    assert "control=placebo" in card
    assert stage["info"]["outcome"]["mnli"]["verdict"] == "placebo"
    text = matrix.write([FinishedCell(json.loads((folder / "result.json").read_text()), folder)], tmp_path)
    assert "| placebo(mnli) |" in text

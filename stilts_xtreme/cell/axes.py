"""What a stage that trains is, in the words by which trackers and people sort experiments; its manifest records it."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Merged, Pretraining, Selected, Stage, Training
from stilts_xtreme.data.translated_tests import name_of


def axes_of(cell: Cell, stage: Stage) -> dict[str, Any]:
    """The axes of a stage that trains (:data:`stilts_xtreme.report.runs.AXES`), its phase and its tasks.

    Args:
        cell: A cell that needs it. What the stage does not depend on, such as the target of an intermediate training,
            is not taken from it.
        stage: The stage.

    Returns:
        Plain values; None where one does not apply. Empty for a stage that does not train.
    """
    common = {"phase": stage.phase, "model": cell.model.label, "data": cell.data.kind, "recipe": cell.recipe_name}
    if isinstance(stage, Pretraining):
        return {**common, "tasks": [], "recipe": None, "precision": "32-true"}
    if not isinstance(stage, Training):
        return {}
    learnt = [each.training if isinstance(each, Selected) else each for each in stage.chain()]
    before = [each for each in learnt if isinstance(each, Training) and each.phase == "intermediate"]
    middle = before[-1] if before else stage.longer
    has_middle = middle is not None
    merged = next((each for each in stage.chain() if isinstance(each, Merged)), None)
    learnt_before = merged or middle
    return {
        **common,
        "weights": "random" if stage.from_fresh_weights() else "pretrained",
        "tasks": [task.name for task in stage.tasks],
        "intermediate": "+".join(task.name for task in learnt_before.tasks) if learnt_before is not None else "none",
        # what it is trained on: targets such as XQuAD and MLQA share it
        "target": stage.tasks[0].name if stage.phase == "target" else None,
        "seed": stage.seed,
        "volume": middle.volume if middle is not None else None,
        "volume_steps": middle.volume_steps if middle is not None else None,
        "control": cell.control if has_middle else None,
        "merge": merged.how.method if merged is not None else None,
        "mlm": cell.mlm.weight if has_middle else 0.0,
        "translation": translation_of(cell) if has_middle else None,
        "rule": stage.tasks[0].recipe.selection,
        "precision": stage.precision,
    }


def translation_of(cell: Cell) -> str | None:
    """Which translated rows the intermediate tasks had, in words; None for none."""
    if cell.translation.source is None or not cell.intermediate:
        return None
    languages = cell.translation.languages
    which = "all its languages" if languages == "available" else ", ".join(languages)
    return f"{'with' if cell.translation.mode == 'add' else 'in'} {which}"


def translations_of(cell: Cell) -> str | None:
    """What the translations are called that stand in for the test rows; None for none."""
    folder = cell.evaluation["translate_test"]
    return None if folder is None else name_of(folder)

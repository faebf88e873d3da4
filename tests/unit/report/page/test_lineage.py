"""What a page says of where its numbers come from, held against the plans of cells."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from support.cells import cell_of

from stilts_xtreme.cell.plan import CellPlan, plan
from stilts_xtreme.cell.result import about
from stilts_xtreme.core.stage import Training
from stilts_xtreme.report.page.lineage import command, lineage
from stilts_xtreme.report.page.runs import Run
from stilts_xtreme.report.results import FinishedCell

CELLS = (
    ("+target=xnli",),
    ("+intermediate=mnli", "+target=xcopa", "model.weights=random"),
    ("+intermediate=[mnli,ccg]", "+target=udpos", "merge.method=ties", "merge.scale=0.5", "merge.density=0.3"),
    ("+intermediate=mnli", "+target=xnli", "control=placebo", "volume=0.5", "volume_steps=whole"),
    ("+intermediate=mnli", "+target=xnli", "control=steps"),
    ("+intermediate=mnli", "+target=xnli", "mlm.weight=0.5", "seed=3"),
    ("+intermediate=mnli", "+target=xnli", "translation.source=synthetic", "translation.languages=[qab,qac]"),
    ("+intermediate=ccg", "+target=udpos", "shots.k=5", "shots.draw=2", "shots.arm=replay"),
)
RULES = ("+intermediate=mnli", "+target=xnli", "evaluation.rules=[best,last]")


def result_of(planned: CellPlan, parents: bool) -> dict[str, Any]:
    """What a result says of the stages of a cell; one of an earlier version does not say what they start from."""
    cell, final = planned.cell, planned.final
    stages = []
    for number, stage in enumerate(planned.stages(), 1):
        entry = {"key": stage.key, "kind": stage.kind, "label": stage.label, "seconds": number, "info": {}}
        stages.append({**entry, "parents": [parent.key for parent in stage.parents]} if parents else entry)
    rows = [{"trained": final.parent.key if final.parent else None}]
    named = {**about(cell, planned, "a-cell"), "recipe": cell.recipe_name, "data": cell.data.kind}
    return {**named, "rows": rows, "stages": stages}


def trained(result: dict[str, Any]) -> list[str]:
    (line,) = lineage([Run("row", "column", 0, FinishedCell(result, None), None, {}, None, None, False)])
    assert line["seconds"] == (sum(stage["seconds"] for stage in line["trained"]) or None)
    return [stage["key"] for stage in line["trained"]]


@pytest.mark.parametrize("options", [*CELLS, RULES], ids=" ".join)
def test_the_trainings_of_a_cell_are_those_that_its_weights_went_through(options: tuple[str, ...]) -> None:
    planned = plan(cell_of(*options))
    expected = [
        stage.key for stage in planned.stages() if stage in planned.final.chain() and isinstance(stage, Training)
    ]
    assert expected
    assert trained(result_of(planned, True)) == expected
    if any(stage.kind in ("merge", "select") for stage in planned.stages()):
        assert trained(result_of(planned, False)) == [], "an earlier version does not say which they are"
    else:
        assert trained(result_of(planned, False)) == expected


@pytest.mark.parametrize("options", CELLS, ids=" ".join)
def test_the_command_line_of_a_cell_makes_this_cell(options: tuple[str, ...]) -> None:
    planned = plan(cell_of(*options))
    python, module, package, *words = shlex.split(command(result_of(planned, True)))
    assert (python, module, package) == ("python", "-m", "stilts_xtreme")
    assert plan(cell_of(*words)).final.key == planned.final.key

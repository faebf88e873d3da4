"""What the intermediate trainings came to, beside the best answer that does not look at a row.

A gain, or a loss, after a task that was not learnt is none of the task. The marks of a cell are careful: they say that
nothing was learnt only where that is sure. So the scores themselves stand below the matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from stilts_xtreme.core.text import markdown_table
from stilts_xtreme.report.labels import control, is_intermediate, labels

ABOUT = (
    "What the intermediate trainings came to on dev rows in the source language, means over the trainings. *Constant*: "
    "the best score of one answer to all rows. A task below it, or little above it, was hardly learnt; what follows it "
    "is none of the task."
)


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """A table with a line for each row of the matrix and each of its intermediate tasks; empty without any.

    Args:
        results: Of cells. Controls are passed over: a placebo is not meant to learn.
    """
    found: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    kept = [result for result in results if result["intermediate"] and not control(result)]
    for result, label in zip(kept, labels(kept), strict=True):
        for stage in result.get("stages") or ():
            outcome = (stage.get("info") or {}).get("outcome") or {}
            if stage["kind"] == "train" and is_intermediate(stage["label"]):
                for task, came in outcome.items():
                    if came.get("score") is not None:
                        found.setdefault((label.row, task), {})[stage["key"]] = came
    if not found:
        return ""
    lines = []
    for (row, task), trainings in found.items():
        constants = [came["floor"] for came in trainings.values() if came.get("floor") is not None]
        constant = f"{fmean(constants):.1f}" if constants else ""
        score = fmean(came["score"] for came in trainings.values())
        lines.append([row, task, f"{score:.1f}", constant, len(trainings)])
    return "\n".join([ABOUT, "", *markdown_table(("after", "task", "dev", "constant", "trainings"), lines)]) + "\n"

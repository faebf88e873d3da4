"""What the trainings came to: the intermediate ones beside a constant answer, those on targets beside their floors.

A gain, or a loss, after a task that was not learnt is none of the task. The marks of a cell are careful: they say that
nothing was learnt only where that is sure. So the scores themselves stand below the matrix. Nor does a gain on a target
that was not learnt say much of transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from stilts_xtreme.core.text import markdown as escaped
from stilts_xtreme.core.text import markdown_table
from stilts_xtreme.report.labels import control, is_intermediate, labels, meaningless

ABOUT = (
    "What the intermediate trainings came to on dev rows in the source language, means over the trainings. *Constant*: "
    "the best score of one answer to all rows. A task below it, or little above it, was hardly learnt; what follows it "
    "is none of the task."
)
BELOW = (
    "**Targets that were not learnt.** Without an intermediate task these are not above their best floor, which needs "
    "no encoder, even in the source language. So gains on them say little of transfer:"
)


def below_floor(results: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on the targets whose baselines are not above their best floor in the source language; empty for none.

    Args:
        results: Of cells; the baselines among them count, means over their seeds. A floor needs no encoder.
    """
    baselines = [result for result in results if result["target"] and not result["intermediate"]]
    kept = [result for result in baselines if not (control(result) or meaningless(result))]
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for result, label in zip(kept, labels(kept), strict=True):
        source = result.get("source_language")
        line = next((each for each in result["comparison"] if each["language"] == source), None)
        if line is not None and line.get("value") is not None and line.get("floor") is not None:
            found.setdefault((label.row, label.column), []).append(line)
    columns = [column for _, column in found]
    said = []
    for (row, column), lines in found.items():
        score, floor = (fmean(line[field] for line in lines) for field in ("value", "floor"))
        if score <= floor:
            name = escaped(column if columns.count(column) == 1 else f"{row} > {column}")
            said.append(f"{name} ({score:.1f}; floor {floor:.1f}, {escaped(lines[0].get('floor_name'))})")
    return f"{BELOW} {', '.join(said)}.\n" if said else ""


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

"""Which scores of a cell mean nothing: what its trainings came to, and what its evaluations answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stilts_xtreme.cell.plan import CellPlan
from stilts_xtreme.core.stage import Evaluation, Selected, Stage, Training
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import format_of, predictions
from stilts_xtreme.tasks.outcome import COLLAPSED, NOTHING

if TYPE_CHECKING:
    from stilts_xtreme.cell.store import Store

UNKNOWN = "unknown"
"""The verdict on a training of an earlier version, which looked at its loss alone."""


def marks_of(planned: CellPlan, store: Store, manifests: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What of a cell means nothing.

    Args:
        planned: The cell's stages, all finished.
        store: Where they are.
        manifests: Of each stage by its key.

    Returns:
        For each stage of which that is so, or is not known: ``stage`` (its key), ``label``, ``task``, ``verdict``
        (``collapsed``, ``found nothing``, ``unknown``), ``why`` in words, and ``of``: ``cell`` or ``baseline``. What a
        training says of itself, its evaluation does not say again.
    """
    return marks_between(planned.final, planned.baseline, store, manifests)


def marks_between(
    own: Stage, baseline: Stage | None, store: Store, manifests: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The same for one stage of a cell and what it is compared with; None where it is compared with nothing."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for whose, end in (("cell", own), ("baseline", baseline)):
        said: list[dict[str, Any]] = []
        for stage in end.chain() if end is not None else ():
            about = {"stage": stage.key, "label": stage.label, "of": whose}
            said += [{**about, **mark} for mark in _marks(stage, store, manifests)]
        trained = any(mark["verdict"] != UNKNOWN for mark in said if mark["kind"] == "train")
        for mark in said if not trained else [mark for mark in said if mark["kind"] == "train"]:
            found.setdefault((mark["stage"], mark["task"]), mark)
    return list(found.values())


def _marks(stage: Stage, store: Store, manifests: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(stage, Evaluation):
        why = _of_evaluation(stage, store)
        return [_mark("evaluate", stage.target.name, NOTHING, why)] if why else []
    # a training that keeps the weights of its evaluation points comes to nothing itself: those that are chosen do
    if not isinstance(stage, Training | Selected) or (isinstance(stage, Training) and stage.keeps_points):
        return []
    info = manifests[stage.key]["info"]
    if "outcome" not in info:
        why = "its loss ended at that of guessing, and an earlier version did not record what it answered"
        return [_mark("train", stage.tasks[0].name, UNKNOWN, why)] if info.get("collapsed") else []
    return [
        _mark("train", task, said["verdict"], _why(said))
        for task, said in info["outcome"].items()
        if said["verdict"] in (COLLAPSED, NOTHING)
    ]


def _mark(kind: str, task: str, verdict: str, why: str) -> dict[str, Any]:
    return {"kind": kind, "task": task, "verdict": verdict, "why": why}


def _why(said: Mapping[str, Any]) -> str:
    return f"on {said['on']} rows {said['why']}"


def _of_evaluation(stage: Evaluation, store: Store) -> str | None:
    """Why an evaluation shows nothing: in the source language, or in all languages where that is not evaluated."""
    learnt = stage.target.train[-1].datasets[0] if stage.target.train else stage.target.test
    source = source_of(learnt, stage.test.data).source_language
    languages = (source,) if source in stage.languages else stage.languages
    said = {language: nothing_in(stage, store, language) for language in languages}
    if not all(said.values()):
        return None
    return f"on test rows in {', '.join(languages)} {said[languages[0]]}"


def nothing_in(stage: Evaluation, store: Store, language: str) -> str | None:
    """Why the answers of an evaluation in a language show nothing; None where they may show something."""
    target, folder = stage.target, store.path(stage.key)
    if not (folder / "labels").is_dir():  # of an earlier version
        return None
    gold = predictions.read_gold(folder / "labels", target.name, language, target.head)
    answers = predictions.read(folder / "predictions", target.name, language, target.head)
    said = format_of(target.head).shows_nothing(answers, gold)
    if said is None and len(gold) and not _headline(store, stage, language):
        said = "no answer is right"
    return said


def _headline(store: Store, stage: Evaluation, language: str) -> float:
    scores = json.loads((store.path(stage.key) / "scores.json").read_text(encoding="utf-8"))
    return float(scores["languages"][language]["headline"])


def settle(result: dict[str, Any], marks: list[dict[str, Any]]) -> None:
    """Puts marks into a result, and takes out the gains that mean nothing.

    Args:
        result: What ``result.json`` is to hold of a cell, or of one rule; changed.
        marks: What :func:`marks_of` gave.
    """
    known = [mark for mark in marks if mark["verdict"] != UNKNOWN]
    result["marks"] = marks
    for name, whose in (("collapsed", "cell"), ("baseline_collapsed", "baseline")):
        result[name] = list(dict.fromkeys(mark["label"] for mark in known if mark["of"] == whose))
    nothing = bool(result["collapsed"])
    for row in result.get("rows", ()):
        row["collapsed"] = nothing or row.get("collapsed", False)
    if nothing or result["baseline_collapsed"]:
        for line in result["comparison"]:
            line["gain"] = None
        for label in ("all", "zero_shot"):
            result["averages"].pop(f"{label}_gain", None)

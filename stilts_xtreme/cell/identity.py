"""What the parts of a cell are, by which reports tell cells apart whose parts have the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.cell.plan import CellPlan, plan
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.files import digest_of
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.specs import Cell, ModelSpec
from stilts_xtreme.core.stage import Evaluation, Stage, Trained, Training
from stilts_xtreme.data.sources import source_of

ELSEWHERE = ("parent", "merged", "weights", "seed", "volume", "volume_steps", "longer")
"""What of a stage's identity is said elsewhere in a result."""


def identity_of(planned: CellPlan) -> dict[str, Any]:
    """What the parts of a cell are.

    Two cells with one value have the same there, whatever it is called. The seed is in none of the parts.

    Args:
        planned: The cell's plan.

    Returns:
        As digests: ``encoder``; ``before``, the intermediate training, or the one whose steps are
        added, of whichever volume (None without); ``task``,
        the target, in whichever languages and of whichever synthetic world; and ``rest``, everything else that the
        evaluation depends on, such as recipe, languages and options. ``evaluation.rules`` is not in it: the weights of
        the cell's own rule are the same with others beside it, to the last bit. ``encoder_from`` and ``task_from`` say
        in words where these two are from, or are None. ``catalogued`` says whether the encoder is the one that the
        package knows by the name that it has. ``evaluation``, ``baseline`` and ``controlled`` are the keys of the
        cell's evaluation, of the one that its gain is a gain over, and of the one that it is a control of; None where
        there is none.
    """
    cell, chain = planned.cell, planned.final.chain()
    learnt = [stage for stage in chain if isinstance(stage, Trained)]
    before = [stage for stage in learnt if stage.phase == "intermediate"]
    before += [stage.longer for stage in learnt if isinstance(stage, Training) and stage.longer is not None]
    encoder, encoder_from = _encoder(cell, chain[0])
    found = {
        "encoder": encoder,
        "encoder_from": encoder_from,
        "catalogued": _catalogued(cell.model),
        "before": _alone(before) if before else None,
    }
    if not isinstance(planned.final, Evaluation):
        return found | dict.fromkeys(("task", "task_from", "rest", "evaluation", "baseline", "controlled"))
    own = [stage for stage in learnt if stage.phase != "intermediate"]
    task, task_from = _task(planned.final, [stage for stage in own if isinstance(stage, Training)])
    return {
        **found,
        "task": task,
        "task_from": task_from,
        "rest": _alone(_without_rules(planned)),
        "evaluation": planned.final.key,
        "baseline": planned.compared.key if planned.compared is not None else None,
        "controlled": planned.controlled.key if planned.controlled is not None else None,
    }


def _without_rules(planned: CellPlan) -> list[Stage]:
    """The trainings of the target and the evaluation, as they are where no other rules are asked for."""
    cell = planned.cell
    if planned.rules:
        planned = plan(replace(cell, evaluation={**cell.evaluation, "rules": ()}))
    return [stage for stage in planned.final.chain() if stage.phase in ("target", "evaluation")]


def _alone(stages: list[Any]) -> str:
    """The digest of stages, whatever they start from, with whichever seed and volume."""
    return digest_of([{name: v for name, v in stage.identity.items() if name not in ELSEWHERE} for stage in stages])


def _encoder(cell: Cell, first: Stage) -> tuple[str, str | None]:
    """The encoder; of one that is pretrained here its description, as its text may be that of the target."""
    model, start = cell.model, getattr(first, "origin", None)
    if start is None:
        read = [] if model.languages is None else [sorted(model.languages)]
        return digest_of([model.architecture, model.pretraining, model.corpus, *read]), None
    return digest_of(start.identity()), f"{start.id}@{start.revision}" if start.id is not None else start.path


def _catalogued(model: ModelSpec) -> bool:
    """Whether an encoder comes with the package, has an architecture of it, or is one of the hub's that it names."""
    if model.id is None:
        return model.path is None or model.shipped is not None
    described = CONF / "model" / f"{model.name}.yaml"
    if not described.is_file():
        return False
    known = yaml.safe_load(described.read_text(encoding="utf-8"))["model"]
    brought = model.path is not None  # into a folder, with the revision that is there
    return bool(known["id"] == model.id and (brought or known["revision"] == model.revision))


def _task(stage: Evaluation, trainings: list[Training]) -> tuple[str, str | None]:
    """The target: format, metric and data sets; and where the files of its test rows are, if they are the user's."""
    target, test = stage.target, stage.test
    learnt = [rows for training in trainings for part in training.learns for rows in part.train]
    sets = [test, *learnt, *([stage.candidates] if stage.candidates is not None else [])]
    return digest_of([target.head, target.metric, *map(_rows, sets)]), _place(test)


def _rows(rows: RowSet) -> Any:
    """What rows are: digests of files of the user's own in all their languages, else the generator or the hub's place.

    A mirror of the hub is the same place. Where its rows are others, the keys of the stages tell.
    """
    spec, source = rows.spec, source_of(rows.spec, rows.data)
    if spec.files:
        return source.identity(rows.split, source.languages(rows.split) if rows.split == "test" else rows.languages)
    if source.synthetic:
        return ["synthetic", spec.name]
    others = {language: dict(place) for language, place in spec.sources.items()}
    return ["hub", spec.name, spec.id, spec.config, spec.revision, others, spec.reader, dict(spec.columns)]


def _place(rows: RowSet) -> str | None:
    """Where the first of the user's own files is; None where there is none."""
    named: Any = rows.spec.files.get(rows.split)
    while isinstance(named, Mapping | list | tuple):
        named = next(iter(named.values() if isinstance(named, Mapping) else named), None)
    return str(Path(rows.spec.folder or "", named)) if isinstance(named, str | Path) else None

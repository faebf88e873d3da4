"""From a cell to the chain of its stages. Pure, and free of torch: it answers in about a second.

``python -m stilts_xtreme.plan`` prints it (:mod:`stilts_xtreme.cell.estimate`).

What makes a stage is its *identity*, an explicit allow-list; the key is a digest of it. Paths, loggers, device,
micro-batch and names of tasks are not in it, so that two cells share every stage that would come out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from stilts_xtreme.cell.encoder_identity import SCHEMA, origin, pretraining
from stilts_xtreme.core.apportion import portions
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.specs import Cell, CellPlan, Stage, Target, TrainTask
from stilts_xtreme.data import catalogue, translated, unlabelled
from stilts_xtreme.data.checks import refuse_blind
from stilts_xtreme.tasks import format_of


def _begins(cell: Cell, parent: Stage | None) -> dict[str, Any]:
    """What a stage begins with: its parent, or the pretrained encoder, of which ``random`` keeps only the shape."""
    start: dict[str, Any] = {"parent": parent.key if parent else origin(cell)}
    if cell.model.weights == "random" and (parent is None or parent.kind == "pretrain"):
        start["weights"] = "random"
    return start


def _task_identity(cell: Cell, task: TrainTask) -> dict[str, Any]:
    source = (catalogue.source_language(cell.data),)
    recipe = asdict(task.recipe)
    if recipe["freeze"] is None:  # as it was before there was a choice
        recipe.pop("freeze")
    splits = ["train"]
    if task.recipe.selection == "best":
        splits.append("validation")
    else:  # without selection these change nothing
        for name in ("eval_every", "patience", "dev_rows"):
            recipe.pop(name)
    identity = {
        "head": task.head,
        "data": [[catalogue.identity(spec, split, source, cell.data) for split in splits] for spec in task.datasets],
        "recipe": recipe,
        **format_of(task.head).training_settings(cell, task.recipe),
    }
    if task.recipe.selection == "best":
        identity |= {"metric": task.metric, **format_of(task.head).selection_settings(cell, task.recipe)}
    return identity


def _train_rows(cell: Cell, task: TrainTask) -> int:
    source = catalogue.source_language(cell.data)
    return sum(catalogue.expected_rows(spec, "train", source, cell.data) or 0 for spec in task.datasets)


def _train(
    cell: Cell,
    parent: Stage | None,
    tasks: Sequence[TrainTask],
    label: str,
    head: str | None = None,
    intermediate: bool = False,
) -> Stage:
    if cell.model.weights == "random":  # to freeze what knows nothing would only make a lower floor of it
        tasks = [replace(task, recipe=replace(task.recipe, freeze=None)) for task in tasks]
    identity: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "train",
        **_begins(cell, parent),
        "tasks": [_task_identity(cell, task) for task in tasks],
        "head_continues": head is not None,
        "seed": cell.seed,
        "precision": cell.trainer.precision,
    }
    volume = cell.volume if intermediate else None
    if volume is not None:
        identity["volume"] = volume
        if cell.volume_steps != "own":
            identity["volume_steps"] = cell.volume_steps
    times = 1
    if intermediate and cell.translation.source is not None:
        found = [[translated.identity(cell.translation, spec, cell.data) for spec in task.datasets] for task in tasks]
        identity["translation"] = {"mode": cell.translation.mode, "data": found}
        languages = translated.languages(cell.translation, tasks[0].datasets[0], cell.data)
        times = len(languages) + (cell.translation.mode == "add")
    if intermediate and cell.mlm.weight:
        settings = {name: value for name, value in asdict(cell.mlm).items() if name not in ("source", "languages")}
        identity["mlm"] = {**settings, **unlabelled.identity(cell.mlm, cell.data)}
    if len(tasks) > 1 and cell.sampling.identity():
        identity["sampling"] = cell.sampling.identity()
    counts = portions([times * _train_rows(cell, task) for task in tasks], volume)
    rows = dict(zip([task.name for task in tasks], counts, strict=True))
    return Stage("train", label, identity, parent, tuple(tasks), head=head, rows=rows)


def target_languages(cell: Cell, target: Target) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The languages to evaluate in, and those of the target that have no rows here.

    Raises:
        StiltsError: For a language that the target does not have, or one that is missing with ``languages=all``.
    """
    if cell.data.kind == "hub":  # before anything is trained for it
        refuse_blind(target.test, "test")
    present = catalogue.languages(target.test, "test", cell.data)
    wanted = tuple(target.languages) if cell.data.kind == "hub" else present
    if isinstance(cell.languages, list | tuple):
        for language in cell.languages:
            if language not in wanted:
                raise unknown("languages", language, wanted)
        wanted = tuple(dict.fromkeys(cell.languages))
    elif cell.languages not in ("available", "all"):
        raise StiltsError(
            f"languages={cell.languages} is not known; take available, all, or a list such as "
            f"languages=[{','.join(wanted[:2])}]."
        )
    missing = tuple(language for language in wanted if language not in present)
    if missing and cell.languages != "available":
        raise StiltsError(
            f"{target.name}: no test rows for {', '.join(missing)} in {cell.data.root or 'the source'}; bring them, or "
            "give languages=available to evaluate in the others."
        )
    kept = tuple(language for language in wanted if language in present)
    if not kept:
        raise StiltsError(f"{target.name}: {cell.data.root or 'the source'} has test rows in none of its languages.")
    return kept, missing


def _refuse_without_dev(cell: Cell, target: Target, languages: tuple[str, ...]) -> None:
    present = catalogue.languages(target.test, "validation", cell.data)
    lacking = [language for language in languages if language not in present]
    if lacking:
        raise StiltsError(f"{target.name}: no dev rows for {', '.join(lacking)} {format_of(target.head).dev_advice}.")


def _test_rows(cell: Cell, target: Target, languages: tuple[str, ...]) -> dict[str, int]:
    return {language: catalogue.expected_rows(target.test, "test", language, cell.data) or 0 for language in languages}


def candidates_identity(cell: Cell, target: Target) -> dict[str, Any]:
    """What a ranking chooses from: the candidates of all languages that are there, whichever are evaluated.

    Raises:
        StiltsError: When there are none.
    """
    spec = target.candidates
    assert spec is not None
    languages = catalogue.languages(spec, "test", cell.data)
    if not languages:
        raise StiltsError(f"{target.name}: {cell.data.root or 'the source'} has nothing to choose from ({spec.name}).")
    return catalogue.identity(spec, "test", languages, cell.data)


def _floors(cell: Cell, target: Target, languages: tuple[str, ...]) -> Stage:
    source = (catalogue.source_language(cell.data),)
    learnt_from = target.train[-1].datasets if target.train else ()
    identity = {
        "schema": SCHEMA,
        "kind": "floors",
        "head": target.head,
        "metric": target.metric,
        "train": [catalogue.identity(spec, "train", source, cell.data) for spec in learnt_from],
        "test": catalogue.identity(target.test, "test", languages, cell.data),
        "languages": list(languages),
        **format_of(target.head).floor_settings(),
    }
    if target.candidates is not None:
        identity["candidates"] = candidates_identity(cell, target)
    rows = _test_rows(cell, target, languages)
    return Stage("floors", target.name, identity, target=target, languages=languages, rows=rows)


def _evaluate(cell: Cell, parent: Stage | None, target: Target, languages: tuple[str, ...], label: str) -> Stage:
    format = format_of(target.head)
    head: str | None = None
    settings = format.evaluation_settings(cell, target.recipe)
    if target.candidates is not None:
        settings["candidates"] = candidates_identity(cell, target)
    if format.reads_dev(cell):
        _refuse_without_dev(cell, target, languages)
        settings["dev"] = catalogue.identity(target.test, "validation", languages, cell.data)
    if target.train:
        head = target.train[-1].name
    identity = {
        "schema": SCHEMA,
        "kind": "evaluate",
        **_begins(cell, parent),
        "task": target.name,
        "head": target.head,
        "metric": target.metric,
        "settings": settings,
        "data": catalogue.identity(target.test, "test", languages, cell.data),
        "languages": list(languages),
        "precision": cell.trainer.precision,
    }
    rows = _test_rows(cell, target, languages)
    if target.candidates is not None:
        spec = target.candidates
        there = catalogue.languages(spec, "test", cell.data)
        rows["candidates"] = sum(catalogue.expected_rows(spec, "test", lang, cell.data) or 0 for lang in there)
    return Stage("evaluate", label, identity, parent, target=target, head=head, languages=languages, rows=rows)


def experiment(cell: Cell) -> str:
    """What people call the intermediate phase: its tasks, masked language modelling, languages of translated rows."""
    names = "+".join((*cell.intermediate, "mlm") if cell.mlm.weight else cell.intermediate)
    if cell.translation.source is None:
        return names
    languages = cell.translation.languages
    which = "translated" if languages == "available" else ",".join(languages)
    return f"{names} [{'+' if cell.translation.mode == 'add' else ''}{which}]"


def plan(cell: Cell) -> CellPlan:
    """The stages of a cell.

    Args:
        cell: A checked cell.

    Returns:
        Its plan; nothing is read but file sizes, digests and row counts.

    Raises:
        StiltsError: For missing data or languages.
    """
    pretrained = pretraining(cell)
    names = experiment(cell)
    intermediate = pretrained
    if cell.intermediate_tasks:
        intermediate = _train(cell, pretrained, cell.intermediate_tasks, names, intermediate=True)
    target = cell.target
    if target is None:
        assert intermediate is not None
        return CellPlan(intermediate, None, ())
    languages, missing = target_languages(cell, target)

    def chain(start: Stage | None, prefix: str, random: bool = False) -> Stage:
        stage, head = start, None
        own = replace(cell, model=replace(cell.model, weights="random")) if random else cell
        for task in target.train:
            stage = _train(own, stage, (task,), f"{prefix}{task.name}", head)
            head = task.name
        return _evaluate(own, stage, target, languages, f"{prefix}{target.name}")

    floors = _floors(cell, target, languages) if cell.evaluation["floors"] else None
    random = None
    if cell.evaluation["random_init"] and cell.model.weights != "random":
        random = chain(pretrained, "random > ", random=True)
    # every label is its own within a cell, whatever the tasks: a logger tells the curves apart by it
    if not cell.intermediate_tasks:
        return CellPlan(chain(pretrained, "none > "), None, missing, floors, random)
    baseline = chain(pretrained, "none > ") if cell.baseline else None
    return CellPlan(chain(intermediate, f"{names} > "), baseline, missing, floors, random)

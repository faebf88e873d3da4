"""Runs a cell: its stages in order, then its result, table and predictions in a folder of its own."""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.cell import following, guard, preflight, reading, thinning, tracking
from stilts_xtreme.cell.axes import axes_of
from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.identity import identity_of
from stilts_xtreme.cell.model_card import card_of
from stilts_xtreme.cell.plan import CellPlan, plan
from stilts_xtreme.cell.result import name_of, result_of, unverified
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.tracking import Goal
from stilts_xtreme.core.checks import check
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import copy_folder, disk_errors, write_atomic
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.progress import closing, phases
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Stage
from stilts_xtreme.core.terminal import Plain, say
from stilts_xtreme.data import translated_tests
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.report import finished
from stilts_xtreme.report.benchmark import published
from stilts_xtreme.report.cell import curve, markdown, show
from stilts_xtreme.report.runs import CURVED
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.files import is_line

log = logging.getLogger(__name__)

BESIDE = ("tokens.csv", "shots.json")
"""Of an evaluation on real rows: what the tokenizer makes of each language. Of few-shot transfer: the rows drawn."""


def run(
    cfg: Mapping[str, Any], made_before: Collection[str] = (), planned: CellPlan | None = None, sweep: str = ""
) -> dict[str, Any]:
    """Runs one cell to its result.

    Args:
        cfg: The composed configuration, plain.
        made_before: Keys of stages that the same command has made in other processes.
        planned: The plan of the configuration's cell, where it has been planned; else it is planned here.
        sweep: The name of the sweep that it is part of.

    Returns:
        What ``result.json`` holds.

    Raises:
        StiltsError: One sentence on what is wrong; every finished stage stays.
    """
    planned = planned or plan(make_cell(cfg))
    cell = planned.cell
    store = Store(cell.output, cell.on_damage)
    name = name_of(cell, planned)
    folder = Path(cell.output) / "cells" / name
    if planned.missing:
        say(f"no rows here, left out: {', '.join(planned.missing)}")
    with disk_errors(store.root):
        found = reading.finished(planned, store, name)
    if found is not None:
        say(reading.note(store.root))
        show(found, folder, Plain())
        return found
    alone = cell.target.name if cell.target else None
    if cell.target and cell.target.test.files:  # another task of the user's own may have the same name
        alone = f"{alone}-{identity_of(planned)['task'][:8]}"
    goal = tracking.goal(cell, cfg, sweep, alone)
    preflight.check(store.root)
    if not sweep:  # which has checked all its cells
        tracking.check([goal])
    # the lock of the cell: its folder, curves among it, has one writer
    with disk_errors(store.root), store.lock(name, f"the cell {name}", say):
        read_ahead(planned, store, {})
        missing = thinning.unfinished(planned.stages(), store)
        guard.look(planned, store, missing)
        made = {stage.key: _ensure(cell, stage, store, goal, stage.key in missing) for stage in planned.stages()}
        made.update(dict.fromkeys(made.keys() & set(made_before), True))
        result = result_of(cell, planned, store, name, made)
        result["unverified"] = unverified(cell, cfg["recipe"])
        if cell.target is not None and not (cell.shots or result["translate_test"]):  # published numbers are zero-shot
            result["published"] = published.of_cell(result, cfg, cell.target.test)
        _publish(folder, cfg, planned, store, result)
        following.send_cell(goal, result, store)
        if cell.kept_weights == "needed" and not sweep:  # other cells of a sweep may start from the same training
            thinning.release(planned.stages(), store)
    show(result, folder, Plain())
    return result


def rows_ahead(planned: CellPlan, store: Store) -> list[RowSet]:
    """The rows that stages read after the first training that is to be made; that one reads its own at once.

    To read them before it refuses what cannot be trained on or evaluated before hours of training, not after them.
    Generated rows are not among them, unless they are read in translation.
    """
    missing = thinning.unfinished(planned.stages(), store)
    todo = [stage for stage in planned.stages() if stage.key in missing]
    first = next((stage for stage in todo if stage.kind in CURVED), None)
    if first is None:
        return []
    found = {json.dumps(rows.content): rows for stage in todo if stage is not first for rows in stage.reads()}
    checked = first.reads() if first.kind == "train" else ()  # a pretraining reads text alone, whatever its labels
    return [
        rows
        for rows in found.values()
        if rows.content is not None and rows not in checked
        if rows.translations or not source_of(rows.spec, rows.data).synthetic
    ]


def read(rows: RowSet) -> None:
    """Reads and checks rows, and forgets them.

    Raises:
        StiltsError: They cannot be used.
    """
    for language in rows.languages:
        translated_tests.rows(rows, language)


def read_ahead(planned: CellPlan, store: Store, found: dict[str, StiltsError | None]) -> None:
    """Reads what stages read later, so that hours of training come after a refusal, not before it.

    Args:
        planned: The plan of a cell.
        store: Its store.
        found: What has been read already, and the error of what cannot be used; it grows.

    Raises:
        StiltsError: Rows cannot be used, or a label cannot stand in a file of predictions.
    """
    final, ahead = planned.final, rows_ahead(planned, store)
    if isinstance(final, Evaluation) and not planned.cell.synthetic and not store.done(final.key):
        labels = source_of(final.target.test, planned.cell.data).labels()
        for label in format_of(final.target.head).file_labels(labels):
            rule = "predictions are files with a label in each line, so it has no tabs, line ends or outer spaces"
            check(is_line(label), f"dataset.{final.target.test.name}.labels", repr(label), rule)
    for rows in ahead:
        where = json.dumps(rows.content)
        if where not in found:
            found[where] = None
            try:
                read(rows)
            except StiltsError as error:
                found[where] = error
        refused = found[where]
        if refused is not None:
            raise refused


def _ensure(cell: Cell, stage: Stage, store: Store, goal: Goal, whole: bool) -> bool:
    """Makes a stage or finds it; its curve is with the logger either way."""
    path, made = ensure(cell, stage, store, goal, say, whole)
    if not made:
        say(f"{stage.kind} {stage.label}: done before ({path})")
        following.send_stage(goal, stage.key, stage.kind, store)
    return made


def ensure(
    cell: Cell, stage: Stage, store: Store, goal: Goal, on_wait: Callable[[str], None], whole: bool = True
) -> tuple[Path, bool]:
    """Makes one stage of a cell, whose parents are finished, or finds it.

    Args:
        cell: The cell that needs it.
        stage: The stage.
        store: Where its parents are, and where it goes.
        goal: Where its run goes, if it is made now and trains.
        on_wait: Told when another process is making it.
        whole: Whether it is made again where its weights were removed.

    Returns:
        Its folder, and whether it was made now.
    """
    label = f"{stage.kind} {stage.label}"
    describe: dict[str, Any] = {
        "kind": stage.kind,
        "identity": stage.identity,
        "parent": stage.parents[0].key if stage.parents else None,
    }
    if len(stage.parents) > 1:
        describe["parents"] = [parent.key for parent in stage.parents]
    axes = axes_of(cell, stage) if stage.kind in CURVED else {}

    with following.stage(goal, stage, axes, store) as followed:

        def work(scratch: Path) -> dict[str, Any]:
            say(label)
            from stilts_xtreme.training import train as stages

            began = time.monotonic()
            with phases() as seen, thinning.reading(store, stage.opens):
                info = stages.make(cell, stage, store.open, scratch, followed.begin(seen))
            say(f"{label}: {closing(info, time.monotonic() - began, seen)}")
            return {**info, "hardware": hardware(cell), **({"axes": axes} if axes else {})}

        return store.ensure(stage.key, label, describe, work, on_wait, whole)


def hardware(cell: Cell) -> dict[str, Any]:
    """What the numbers were made on."""
    import torch

    found = {"machine": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    if cell.trainer.accelerator == "gpu" and torch.cuda.is_available():  # floors may be made where there is none
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _publish(folder: Path, cfg: Mapping[str, Any], planned: CellPlan, store: Store, result: dict[str, Any]) -> None:
    """Writes the cell's folder: configuration, predictions and labels, the result and its table."""
    found = finished.damage(folder)
    if found is not None:
        log.warning("the cell %s was damaged (%s); it is published again from its stages", folder, found)
    with finished.publication(folder) as fresh:
        write_atomic(fresh / "config.json", json.dumps(cfg, indent=1, ensure_ascii=False))
        for name in finished.FOLDERS if isinstance(planned.final, Evaluation) else ():
            made = store.path(planned.final.key) / name
            if made.exists():  # there are no labels of an evaluation by an earlier version
                copy_folder(made, fresh / name)
        for name in BESIDE if isinstance(planned.final, Evaluation) else ():
            if (beside := store.path(planned.final.key) / name).is_file():
                write_atomic(fresh / name, beside.read_text(encoding="utf-8"))
        if "layers" in result:
            write_atomic(fresh / "layers.csv", curve(result))
        write_atomic(fresh / "table.md", markdown(result))
        card = card_of(planned.cell, planned, store, result)
        if card is not None:
            write_atomic(fresh / "model_card.md", card)
        write_atomic(fresh / "result.json", json.dumps(result, indent=1, ensure_ascii=False))

"""Runs a cell: its stages in order, then its result, table and predictions in a folder of its own."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from stilts_xtreme import published, readiness
from stilts_xtreme.config import make_cell
from stilts_xtreme.data import catalogue
from stilts_xtreme.files import write_atomic
from stilts_xtreme.plan import experiment, plan
from stilts_xtreme.progress import say
from stilts_xtreme.report.cell import curve, markdown, show
from stilts_xtreme.scale import facts
from stilts_xtreme.settings import settings
from stilts_xtreme.specs import Cell, CellPlan, Stage
from stilts_xtreme.store import Store, disk_errors, versions

CURVED = ("pretrain", "train")
"""Kinds of stages that train and have a curve."""


def name_of(cell: Cell, planned: CellPlan) -> str:
    """The cell's name: what it is, and eight digits of its stages' keys, so that two settings never share a folder."""
    digest = hashlib.sha256(" ".join(stage.key for stage in planned.stages()).encode()).hexdigest()[:8]
    middle = "+".join(cell.intermediate) or "none"
    if len(cell.intermediate) > 3:
        middle = f"{len(cell.intermediate)}tasks"
    if cell.intermediate:
        middle += "+mlm" * bool(cell.mlm.weight) + "+translated" * bool(cell.translation.source)
    return "-".join([cell.model.name, middle, cell.target.name if cell.target else "only", f"seed{cell.seed}", digest])


def run(cfg: Mapping[str, Any], made_before: Collection[str] = ()) -> dict[str, Any]:
    """Runs one cell to its result.

    Args:
        cfg: The composed configuration, plain.
        made_before: Keys of stages that the same command has made in other processes.

    Returns:
        What ``result.json`` holds.

    Raises:
        StiltsError: One sentence on what is wrong; every finished stage stays.
    """
    cell = make_cell(cfg)
    planned = plan(cell)
    store = Store(cell.output, cell.on_damage)
    name = name_of(cell, planned)
    folder = Path(cell.output) / "cells" / name
    if planned.missing:
        say(f"no rows here, left out: {', '.join(planned.missing)}")
    if cell.target is None:
        job_type = "intermediate"
    else:
        job_type = "cell" if cell.intermediate else "baseline"
    tags = [cell.model.name, cell.data.kind, *cell.intermediate, *([cell.target.name] if cell.target else [])]
    from stilts_xtreme.tracking import Tracker

    group = cell.target.name if cell.target else "intermediate"
    readiness.check(store.root)
    # the lock of the cell: its folder, curves among it, has one writer
    with (
        disk_errors(store.root),
        store.lock(name, f"the cell {name}", say),
        Tracker(cell.logger, folder, name, group, job_type, tags, cfg) as tracker,
    ):
        read_test_rows(cell, planned, store)
        made = {stage.key: _ensure(cell, stage, store, tracker) for stage in planned.stages()}
        made.update(dict.fromkeys(made.keys() & set(made_before), True))
        result = _result(cell, planned, store, name, made)
        result["unverified"] = unverified(cell, cfg["recipe"])
        if cell.target is not None:
            result["published"] = published.of_cell(result, cfg, cell.target.test)
        _publish(folder, cfg, planned, store, result)
        tracker.result(result["rows"], result["averages"])
    show(result, folder, Console(file=sys.stdout))
    return result


def unverified(cell: Cell, recipe: Mapping[str, Any]) -> list[str]:
    """The values of a recipe that no one has read in its source, of the phases that the cell has."""
    phases = ["intermediate"] * bool(cell.intermediate) + ["target"] * bool(cell.target and cell.target.train)
    return [
        f"{phase}.{name}"
        for phase in phases
        for name, source in (recipe["sources"].get(phase) or {}).items()
        if str(source).startswith("UNVERIFIED")
    ]


def read_test_rows(cell: Cell, planned: CellPlan, store: Store) -> None:
    """Refuses real rows that cannot be evaluated before hours of training, not after them."""
    todo = [stage for stage in planned.stages() if not store.done(stage.key)]
    if cell.target is None or cell.data.kind == "synthetic" or all(stage.kind not in CURVED for stage in todo):
        return
    for language in planned.final.languages:
        catalogue.rows(cell.target.test, "test", language, cell.data)


def _ensure(cell: Cell, stage: Stage, store: Store, tracker: Any) -> bool:
    """Makes a stage or finds it; its curve reaches the logger either way."""
    path, made = ensure(cell, stage, store, lambda values: tracker.point(stage.label, values), say)
    if not made:
        say(f"{stage.kind} {stage.label}: done before ({path})")
        for line in (path / "curve.jsonl").read_text(encoding="utf-8").splitlines() if stage.kind in CURVED else ():
            tracker.point(stage.label, json.loads(line))
    return made


def ensure(
    cell: Cell,
    stage: Stage,
    store: Store,
    on_point: Callable[[dict[str, Any]], None],
    on_wait: Callable[[str], None],
) -> tuple[Path, bool]:
    """Makes one stage of a cell, whose parent is finished, or finds it.

    Args:
        cell: The cell that needs it.
        stage: The stage.
        store: Where its parent is, and where it goes.
        on_point: Told every point of a training curve, if it is made now.
        on_wait: Told when another process is making it.

    Returns:
        Its folder, and whether it was made now.
    """
    label = f"{stage.kind} {stage.label}"
    describe = {
        "kind": stage.kind,
        "identity": stage.identity,
        "parent": stage.parent.key if stage.parent else None,
    }

    def work(scratch: Path) -> dict[str, Any]:
        say(label)
        from stilts_xtreme import stages  # torch is imported only when there is something to make

        info = stages.make(cell, stage, store, scratch, on_point)
        return {**info, "hardware": hardware(cell)}

    return store.ensure(stage.key, label, describe, work, on_wait)


def hardware(cell: Cell) -> dict[str, Any]:
    """What the numbers were made on."""
    import torch

    found = {"machine": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    if cell.trainer.accelerator == "gpu" and torch.cuda.is_available():  # floors may be made where there is none
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _scores(store: Store, stage: Stage) -> dict[str, Any]:
    return json.loads((store.open(stage.key) / "scores.json").read_text(encoding="utf-8"))


def _floors(planned: CellPlan, store: Store) -> dict[str, dict[str, float]]:
    """Language -> floor -> score: what needs no model, and the encoder that knows nothing."""
    found: dict[str, dict[str, float]] = {}
    if planned.floors:
        found = _scores(store, planned.floors)["languages"]
    if planned.random:
        for language, entry in _scores(store, planned.random)["languages"].items():
            found.setdefault(language, {})["random_init"] = entry["headline"]
    return found


def _translation(cell: Cell) -> str | None:
    """Which translated rows the intermediate tasks had, in words; None for none."""
    if cell.translation.source is None or not cell.intermediate:
        return None
    languages = cell.translation.languages
    which = "all its languages" if languages == "available" else ", ".join(languages)
    return f"{'with' if cell.translation.mode == 'add' else 'in'} {which}"


def _result(cell: Cell, planned: CellPlan, store: Store, name: str, made: Mapping[str, bool]) -> dict[str, Any]:
    synthetic = cell.data.kind == "synthetic"
    manifests = {stage.key: store.manifest(stage.key) or {} for stage in planned.stages()}
    own = {stage.key for stage in planned.final.chain()}
    collapsed = [
        stage.label for stage in planned.stages() if stage.key in own and manifests[stage.key]["info"].get("collapsed")
    ]
    result: dict[str, Any] = {
        "cell": name,
        "model": cell.model.name,
        "intermediate": list(cell.intermediate),
        "target": cell.target.name if cell.target else None,
        "seed": cell.seed,
        "volume": cell.volume,
        "volume_steps": cell.volume_steps,
        "mlm": cell.mlm.weight if cell.intermediate else 0.0,
        "translation": _translation(cell),
        "substitutes": {
            name: task.substitute_for
            for name, task in zip(cell.intermediate, cell.intermediate_tasks, strict=True)
            if task.substitute_for
        },
        "recipe": cell.recipe_name,
        "settings": settings(cell),
        "weights": cell.model.weights,
        "scale": facts(cell, planned, store, manifests),
        "data": cell.data.kind,
        "synthetic": synthetic,
        "missing_languages": list(planned.missing),
        "collapsed": collapsed,
        "rows": [],
        "comparison": [],
        "averages": {},
        "stages": [
            {
                "key": stage.key,
                "kind": stage.kind,
                "label": stage.label,
                "made_now": made[stage.key],
                "seconds": manifests[stage.key]["made"]["seconds"],
                "info": manifests[stage.key]["info"],
                "versions": manifests[stage.key]["made"]["versions"],
            }
            for stage in planned.stages()
        ],
        "provenance": {"versions": versions(), "platform": platform.platform()},
    }
    if cell.target is None:
        result["averages"] = {
            f"dev_{task}": value for task, value in (manifests[planned.final.key]["info"].get("dev") or {}).items()
        }
        return result
    if not synthetic:
        result["caveat"] = catalogue.caveat(cell.target.test)
    after = _scores(store, planned.final)
    before = _scores(store, planned.baseline) if planned.baseline else None
    source = catalogue.source_language(cell.data)
    result["source_language"] = source
    floors = _floors(planned, store)
    languages = sorted(after["languages"], key=lambda language: (language != source, language))
    for language in languages:
        entry = after["languages"][language]
        common = {
            "cell": name,
            "model": cell.model.name,
            "intermediate": experiment(cell) if cell.intermediate else "none",
            "target": cell.target.name,
            "seed": cell.seed,
            "volume": cell.volume,
            "language": language,
            "n": entry["n"],
            "synthetic": synthetic,
            "collapsed": bool(collapsed) or bool(entry.get("one_class")),
            "stage": planned.final.key,
            "trained": planned.final.parent.key if planned.final.parent else None,
        }
        for metric, value in entry["scores"].items():
            result["rows"].append({**common, "metric": metric, "value": value})
        own_floors = floors.get(language, {})
        floor = max(own_floors.items(), key=lambda item: item[1]) if own_floors else None
        result["comparison"].append(
            {
                "language": language,
                "n": entry["n"],
                "metric": cell.target.metric,
                "floor": floor[1] if floor else None,
                "floor_name": floor[0] if floor else None,
                "floors": own_floors,
                "baseline": before["languages"][language]["headline"] if before else None,
                "value": entry["headline"],
                "gain": entry["headline"] - before["languages"][language]["headline"] if before else None,
            }
        )
    zero_shot = [line for line in result["comparison"] if line["language"] != source]
    for label, lines in (("all", result["comparison"]), ("zero_shot", zero_shot)):
        for column in ("value", "baseline", "gain", "floor"):
            values = [line[column] for line in lines if line[column] is not None]
            if values and len(values) == len(lines):
                result["averages"][f"{label}_{column}"] = sum(values) / len(values)
    if "retrieval" in after:
        result["retrieval"] = after["retrieval"]
    for part in ("bitext", "candidates", "layers"):
        if part in after:
            result[part] = after[part]
    return result


def _publish(folder: Path, cfg: Mapping[str, Any], planned: CellPlan, store: Store, result: dict[str, Any]) -> None:
    """Writes the cell's folder: configuration, predictions and labels, then the result and its table."""
    write_atomic(folder / "config.json", json.dumps(cfg, indent=1, ensure_ascii=False))
    for name in ("predictions", "labels") if planned.final.kind == "evaluate" else ():
        made = store.path(planned.final.key) / name
        if not made.exists():  # labels of an evaluation by an earlier version
            continue
        fresh = folder / f".{name}"
        shutil.rmtree(fresh, ignore_errors=True)  # of a killed run
        shutil.copytree(made, fresh)
        shutil.rmtree(folder / name, ignore_errors=True)
        os.rename(fresh, folder / name)
    if "layers" in result:
        write_atomic(folder / "layers.csv", curve(result))
    write_atomic(folder / "table.md", markdown(result))
    write_atomic(folder / "result.json", json.dumps(result, indent=1, ensure_ascii=False))

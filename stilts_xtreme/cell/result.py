"""The result of a cell."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from stilts_xtreme.cell.axes import translation_of, translations_of
from stilts_xtreme.cell.by_rule import by_rules
from stilts_xtreme.cell.identity import identity_of
from stilts_xtreme.cell.marks import marks_of, nothing_in, settle
from stilts_xtreme.cell.plan import CellPlan, experiment
from stilts_xtreme.cell.rows import source_language
from stilts_xtreme.cell.settings import settings
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.specs import Cell, TrainTask
from stilts_xtreme.core.stage import Evaluation, Pretraining, Stage, Training
from stilts_xtreme.core.versions import versions
from stilts_xtreme.data.catalogue import task_names
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models.flops import encoder_size, flops_per_token, step_flops

if TYPE_CHECKING:
    from stilts_xtreme.cell.store import Store


def facts(planned: CellPlan, store: Store, manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a cell's result has to say for comparisons by size and by volume.

    Args:
        planned: The cell's stages, all finished.
        store: Where they are.
        manifests: Of each stage by its key.

    Returns:
        ``parameters`` and ``body`` of the encoder (:func:`size_of`).
        ``layers`` that are kept of a pretrained encoder, the lowest ones.
        ``pretraining`` of one that is pretrained here: ``steps``, ``token_budget`` (steps times ``batch_tokens``),
        ``step_flops``, ``tokens`` that it saw and ``flops`` for these.
        ``intermediate`` training: ``examples``, ``steps``, and ``batches`` in a pass over the examples.
        What does not apply, or is not known, is None.
    """
    chain = planned.final.chain()
    sizes = (encoder_size(store.path(stage.key)) for stage in chain)
    # an encoder that nothing was trained of is in no stage: its evaluation has told its size
    known = manifests[planned.final.key]["info"].get("encoder") or {"parameters": None, "body": None}
    size = next((found for found in sizes if found), known)
    return {
        **size,
        "layers": planned.cell.model.layers,
        "pretraining": _pretraining(planned, manifests),
        "intermediate": _trained(planned, manifests),
    }


def _pretraining(planned: CellPlan, manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    first = planned.final.chain()[0]
    if not isinstance(first, Pretraining):
        return None
    settings, shape, info = first.settings, first.architecture, manifests[first.key]["info"]
    real = {**shape, "vocab_size": info["vocabulary"]}  # little text gives fewer pieces than were asked for
    return {
        "steps": info["steps"],
        "token_budget": info["steps"] * settings["batch_tokens"],
        "step_flops": step_flops(shape, settings),
        "tokens": info["tokens"],
        "flops": flops_per_token(real, settings["mask_probability"]) * info["tokens"],
    }


def _trained(planned: CellPlan, manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, int] | None:
    trained = [stage for stage in planned.final.chain() if isinstance(stage, Training)]
    found = {"examples": 0, "steps": 0, "batches": 0}
    for stage in trained:
        if stage.phase != "intermediate":
            continue
        info = manifests[stage.key]["info"]
        units = info["features"]
        found["examples"] += sum(info["rows"].values())
        found["steps"] += info["steps"]
        found["batches"] += sum(math.ceil(units[task.name] / task.recipe.batch_size) for task in stage.tasks)
    return found if found["steps"] else None


def name_of(cell: Cell, planned: CellPlan) -> str:
    """The cell's name: what it is, and eight digits of its stages' keys, so that two settings never share a folder."""
    digest = hashlib.sha256(" ".join(stage.key for stage in planned.stages()).encode()).hexdigest()[:8]
    model, middle = cell.model.label.replace("/", "-"), "+".join(cell.intermediate) or "none"
    if len(cell.intermediate) > 3:
        middle = f"{len(cell.intermediate)}tasks"
    if cell.intermediate:
        middle += "+mlm" * bool(cell.mlm.weight) + "+translated" * bool(cell.translation.source)
        middle += f"+{cell.merge.method}" if cell.merge else ""
        middle += f"+{cell.control}" if cell.control else ""
    middle += f"+{cell.shots.k}shots" if cell.shots else ""
    middle += "+translate-test" * bool(cell.evaluation["translate_test"])
    return "-".join([model, middle, cell.target.name if cell.target else "only", f"seed{cell.seed}", digest])


def unverified(cell: Cell, recipe: Mapping[str, Any]) -> list[str]:
    """The values of a recipe that no one has read in its source, of the phases that the cell has.

    They are said to be those of a publication, so neither the values that the user has chosen nor those for a task of
    the user's own, which no publication has, are among them.
    """
    tasks = {"intermediate": _published("intermediate", cell.intermediate, cell.intermediate_tasks)}
    if cell.target is not None:
        tasks["target"] = _published("target", [cell.target.name], cell.target.train)
    return [
        f"{phase}.{name}"
        for phase, named in tasks.items()
        for name, source in (recipe["sources"].get(phase) or {}).items()
        if named and str(source).startswith("UNVERIFIED") and _as_written(recipe, phase, name, named)
    ]


def _published(group: str, names: Sequence[str], trained: Sequence[TrainTask]) -> list[str]:
    """Those of the tasks that are the package's own and are trained on something."""
    own = any(spec.files for task in trained for spec in task.datasets)
    return [name for name in names if name in task_names(group)] if trained and not own else []


def _as_written(recipe: Mapping[str, Any], phase: str, name: str, tasks: Collection[str]) -> bool:
    """Whether a value is what the recipe's file says; ``tasks`` of a phase concern a cell by its own ones only."""
    path = CONF / "recipe" / f"{recipe['name']}.yaml"
    written = (yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}).get(phase) or {}
    if name == "tasks":
        given = recipe[phase].get("tasks") or {}
        return any(task in given and given[task] == (written.get("tasks") or given).get(task) for task in tasks)
    return recipe[phase].get(name) == written.get(name, recipe[phase].get(name))


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


def about(cell: Cell, planned: CellPlan, name: str) -> dict[str, Any]:
    """What is known of a cell before it has run, by which it is told from others (:mod:`.report.labels`).

    Args:
        cell: The cell.
        planned: Its stages.
        name: The cell's name.
    """
    return {
        "cell": name,
        "model": cell.model.label,
        "intermediate": list(cell.intermediate),
        "target": cell.target.name if cell.target else None,
        "seed": cell.seed,
        "volume": cell.volume if cell.intermediate else None,
        "volume_steps": cell.volume_steps,
        "mlm": cell.mlm.weight if cell.intermediate else 0.0,
        "control": cell.control,
        "merge": cell.merge.method if cell.merge else None,
        "translation": translation_of(cell),
        "shots": cell.shots.facts() if cell.shots else None,
        "translate_test": translations_of(cell),
        "substitutes": {
            task_name: task.substitute_for
            for task_name, task in zip(cell.intermediate, cell.intermediate_tasks, strict=True)
            if task.substitute_for
        },
        "settings": settings(cell),
        "identity": identity_of(planned),
        "weights": cell.model.weights,
    }


def result_of(cell: Cell, planned: CellPlan, store: Store, name: str, made: Mapping[str, bool]) -> dict[str, Any]:
    """What ``result.json`` holds of a cell whose stages are finished.

    Args:
        cell: The cell.
        planned: Its stages.
        store: Where they are.
        name: The cell's name.
        made: Key of a stage -> whether this run made it.
    """
    manifests = {stage.key: store.manifest(stage.key) or {} for stage in planned.stages()}
    result: dict[str, Any] = {
        **about(cell, planned, name),
        "recipe": cell.recipe_name,
        "scale": facts(planned, store, manifests),
        "data": cell.data.kind,
        "synthetic": cell.synthetic,
        "missing_languages": list(planned.missing),
        "rows": [],
        "comparison": [],
        "averages": {},
        "stages": [
            {
                "key": stage.key,
                "kind": stage.kind,
                "label": stage.label,
                "parents": [parent.key for parent in stage.parents],
                "made_now": made[stage.key],
                "seconds": manifests[stage.key]["made"]["seconds"],
                "info": manifests[stage.key]["info"],
                "versions": manifests[stage.key]["made"]["versions"],
            }
            for stage in planned.stages()
        ],
        "provenance": {"versions": versions(), "platform": platform.platform()},
    }
    marks = marks_of(planned, store, manifests)
    if cell.target is None:
        settle(result, marks)
        result["averages"] = {
            f"dev_{task}": value for task, value in (manifests[planned.final.key]["info"].get("dev") or {}).items()
        }
        return result
    tests = source_of(cell.target.test, cell.data)
    if not cell.synthetic:
        result["caveat"] = tests.caveat
    assert isinstance(planned.final, Evaluation), "a cell with a target is evaluated"
    after = _scores(store, planned.final)
    before = _scores(store, planned.baseline) if planned.baseline else None
    source = source_language(cell, cell.target)
    result["source_language"] = source
    floors = _floors(planned, store)
    languages = sorted(after["languages"], key=lambda language: (language != source, language))
    for language in languages:
        entry, nothing = after["languages"][language], nothing_in(planned.final, store, language)
        common = {
            "cell": name,
            "model": cell.model.label,
            "intermediate": experiment(cell) if cell.intermediate else "none",
            "target": cell.target.name,
            "seed": cell.seed,
            "volume": cell.volume if cell.intermediate else None,
            **{
                f"shots.{name}": value
                for name, value in (result["shots"] or {"k": 0, "draw": None, "arm": None}).items()
            },
            "translate_test": result["translate_test"],
            "language": language,
            "n": entry["n"],
            "synthetic": cell.synthetic,
            "collapsed": nothing is not None,
            "stage": planned.final.key,
            "trained": planned.final.parent.key if planned.final.parent else None,
            "encoder": result["identity"]["encoder"],
            "setting": result["identity"]["rest"],
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
                "nothing": nothing,
            }
        )
    zero_shot = [line for line in result["comparison"] if line["language"] != source]
    for label, lines in (("all", result["comparison"]), ("zero_shot", zero_shot)):
        for column in ("value", "baseline", "gain", "floor"):
            values = [line[column] for line in lines if line[column] is not None]
            if values and len(values) == len(lines):
                result["averages"][f"{label}_{column}"] = sum(values) / len(values)
    settle(result, marks)
    result |= {part: value for part, value in after.items() if part not in ("task", "metric", "languages")}
    if planned.rules:
        result["rule"] = cell.target.recipe.selection
        result["rules"] = by_rules(planned, store, manifests, source)
    return result


def recalled(result: Mapping[str, Any], planned: CellPlan, store: Store) -> dict[str, Any]:
    """A result that was read from its file, with what an earlier version did not record.

    Args:
        result: What the file holds.
        planned: The cell's stages, all finished.
        store: Where they are.
    """
    found = {**result, "identity": identity_of(planned)}
    if "marks" not in found:
        manifests = {stage.key: store.manifest(stage.key) or {} for stage in planned.stages()}
        settle(found, marks_of(planned, store, manifests))
    return found

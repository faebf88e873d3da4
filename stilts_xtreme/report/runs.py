"""What trackers are told of stages and cells: ids, names, axes and scores, from what the files of both say.

A tracker holds a run for each stage that trains and one for each cell. Its names are made here alone, from the manifest
and the curve of a stage and from the result of a cell, so that what is sent while something runs and what is sent from
the files later are the same. Nothing here knows a tracker.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CURVED = ("pretrain", "train")
"""Kinds of stages that train. Each such stage is a run."""

AXES = (
    *("model", "weights", "data", "intermediate", "target", "seed", "volume", "volume_steps", "shots", "control"),
    *("merge", "mlm", "translation", "translate_test", "rule", "recipe", "precision"),
)
"""What experiments differ in. Each is a key of a run's configuration; what does not apply to a run is null."""

LONGEST_KEY = 100
LONGEST_NAME = 128
LONGEST_TAG = 64
TABLE = "languages"
"""The key of a cell's table, a row per language."""
CELL = "cell"
"""The type of job of a cell's run."""
REPORT = "report"
"""The type of job of the run at the end of a sweep."""
MATRIX = ("matrix", "matrix_image")
"""The keys of the matrix of that run: as a table, and as a picture."""

JOBS = {
    "pretraining": "pretrain",
    "intermediate": "intermediate",
    "target": "target",
    "evaluation": "evaluate",
    "floors": "floors",
}
"""Phase of a stage -> type of its job."""


@dataclass(frozen=True)
class Run:
    """A run of a tracker.

    Attributes:
        id: The same one whoever makes the run, and whenever.
        name: What people read.
        job_type: ``pretrain``, ``intermediate`` or ``target`` for a stage; ``train`` for one of an earlier version,
            which did not write down its phase; ``cell``; or ``report``.
        config: Flat, but for ``settings`` and ``identity``; every one of :data:`AXES` is a key.
        tags: Words to find it by.
        summary: Numbers by flat keys.
        gives: The stage whose files are this run's artifact; None for none.
        uses: The stages that it starts from.
    """

    id: str
    name: str
    job_type: str
    config: dict[str, Any]
    tags: tuple[str, ...] = ()
    summary: dict[str, float] = field(default_factory=dict)
    gives: str | None = None
    uses: tuple[str, ...] = ()


class Keys:
    """Names as keys that every tracker takes and can sort by: ``[_a-zA-Z][_a-zA-Z0-9]*``.

    A name that is such a key stays. In others ``@`` becomes ``_at_`` (``map_at_20``) and every other character that is
    not allowed ``_`` (``eng_simple``). Where a key is taken by another name, digits of the name's digest follow. So
    within one run no two names have one key, and the same names in the same order always have the same keys.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """The key of a name."""
        if name not in self._names:
            plain = re.sub(r"[^_a-zA-Z0-9]", "_", name.replace("@", "_at_")) or "_"
            plain = f"_{plain}" if plain[0].isdigit() else plain
            key, more = plain[:LONGEST_KEY], 6
            while (len(plain) > LONGEST_KEY and more == 6) or key in self._taken:
                digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
                key, more = f"{plain[: LONGEST_KEY - more - 1]}_{digest[:more]}", more + 1
            self._taken[key] = name
            self._names[name] = key
        return self._names[name]


def stage_id(key: str) -> str:
    """The id of a stage's run: the key itself, so that a stage that many cells share is one run."""
    return key


def cell_id(name: str) -> str:
    """The id of a cell's run, from the cell's name, which its stages' keys are part of."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def report_id(sweep: str) -> str:
    """The id of the run at the end of a sweep, from the sweep's name."""
    return hashlib.sha256(f"report {sweep}".encode()).hexdigest()[:16]


def artifact(key: str) -> str:
    """The name of the artifact that refers to the folder of a stage."""
    return f"stage-{key}"


def group_of(given: str | None, study: str | None, sweep: str | None, target: str | None) -> str:
    """What runs are grouped by: ``logger.group``, else the study, else the sweep, else the target.

    Args:
        given: ``logger.group``.
        study: The name of the study.
        sweep: The name of the sweep, that of its folder.
        target: The target of a cell that is run alone; None without one.
    """
    return shortened(given or study or sweep or target or "intermediate", LONGEST_NAME)


def shortened(text: str, longest: int) -> str:
    """A text of at most so many characters that keeps its end, which tells cells and stages apart."""
    return text if len(text) <= longest else f"{text[: longest - 12]}...{text[-9:]}"


def stage_run(
    key: str, kind: str, label: str, parent: str | None, axes: Mapping[str, Any], identity: Mapping[str, Any]
) -> Run:
    """The run of a stage before it is finished; :func:`of_stage` is the same of a finished one.

    Args:
        key: The stage's key.
        kind: Its kind.
        label: What people call it.
        parent: The key of the stage that it starts from.
        axes: ``phase``, ``tasks`` and :data:`AXES` of the stage; empty where an earlier version made it.
        identity: What its result depends on.
    """
    named = axes.get("model") and not label.startswith(f"{axes['model']} ")
    model = [str(axes["model"])] if named else []
    seed = [f"seed{axes['seed']}"] if axes.get("seed") is not None else []
    config = {
        **{name: axes.get(name) for name in ("phase", "tasks", *AXES)},
        **{"kind": kind, "label": label, "stage": key, "parent": parent, "identity": dict(identity)},
    }
    if config["seed"] is None:
        config["seed"] = identity.get("seed")
    return Run(
        id=stage_id(key),
        name=shortened(" ".join([*model, label, *seed, key[:8]]), LONGEST_NAME),
        job_type=JOBS.get(str(axes.get("phase")), kind),
        config=config,
        tags=tags_of([axes.get("model"), axes.get("data"), *(axes.get("tasks") or ()), axes.get("control")]),
        gives=key,
        uses=(parent,) if parent else (),
    )


def of_stage(manifest: Mapping[str, Any]) -> Run:
    """The run of a finished stage, from its manifest."""
    info = manifest["info"]
    label = str(manifest["label"]).removeprefix(f"{manifest['kind']} ")
    found = stage_run(
        manifest["key"], manifest["kind"], label, manifest["parent"], info.get("axes") or {}, manifest["identity"]
    )
    keys = Keys()
    summary: dict[str, Any] = {"steps": info.get("steps"), "end_loss": info.get("loss")}
    summary["seconds"] = manifest["made"]["seconds"]
    chosen = info.get("selected") or {}
    summary |= {"selected_step": chosen.get("step"), "selected_dev": chosen.get("dev")}
    summary |= {f"end_dev_{task}": value for task, value in (info.get("dev") or {}).items()}
    hardware = {f"hardware_{name}": value for name, value in (info.get("hardware") or {}).items()}
    found.config.update({keys(name): value for name, value in hardware.items()})
    found.summary.update(_numbers(summary, keys))
    return found


def point(values: Mapping[str, Any], keys: Keys) -> tuple[int, dict[str, float]]:
    """A point of a stage's curve: its step, and numbers by flat keys.

    The keys are ``loss``, ``learning_rate``, ``dev``; ``loss_<task>`` and ``dev_<task>`` for each of several tasks; and
    what callbacks log. While a stage trains, ``tokens_per_second`` comes with each loss. Clocks are in no file of a
    stage, so a run that is sent from its files has none.
    """
    return int(values["step"]), _numbers({name: v for name, v in values.items() if name not in ("step", "task")}, keys)


def of_cell(result: Mapping[str, Any]) -> Run:
    """The run of a cell, from its result."""
    settings = dict(result.get("settings") or {})
    keys = Keys()  # a dot in a key would be a level
    tasks = list(result["intermediate"])
    target = result.get("target")
    rule = settings.get("recipe.target.selection" if target else "recipe.intermediate.selection")
    axes = {name: result.get(name) for name in AXES}
    axes |= {"intermediate": "+".join(tasks) or "none", "rule": result.get("rule") or rule}
    axes["precision"] = settings.get("trainer.precision")
    shots = result.get("shots") or {}
    axes |= {"shots": shots.get("k"), **{f"shots_{name}": value for name, value in shots.items() if name != "k"}}
    identity = dict(result.get("identity") or {})
    stages = {stage["key"]: stage for stage in result["stages"]}
    final = identity.get("evaluation") or (result["stages"][-1]["key"] if stages else None)
    config = {
        **axes,
        **{"cell": result["cell"], "kind": "cell", "phase": "cell", "tasks": tasks, "stage": final},
        **{"synthetic": result.get("synthetic"), "source_language": result.get("source_language")},
        **{"settings": {keys(name): value for name, value in settings.items()}, "identity": identity},
    }
    trained = [key for key, stage in stages.items() if stage["kind"] in CURVED]
    return Run(
        id=cell_id(result["cell"]),
        name=shortened(result["cell"], LONGEST_NAME),
        job_type=CELL,
        config=config,
        tags=tags_of([result["model"], result.get("data"), *tasks, target, result.get("control")]),
        summary=scores(result),
        uses=tuple(trained),
    )


def scores(result: Mapping[str, Any]) -> dict[str, float]:
    """The headline scores of a cell by flat keys.

    The keys are ``zero_shot_value``, ``zero_shot_gain``, ``all_value`` and the like; ``value_<language>`` and
    ``gain_<language>`` of the target's metric; ``<metric>_<language>`` of its other metrics;
    ``zero_shot_value_by_<rule>`` where several rules choose the weights; ``collapsed``, 1 where nothing was learnt; and
    ``seconds``, the time that all its stages took, whoever made them.
    """
    found: dict[str, Any] = dict(result["averages"])
    found["collapsed"] = float(bool(result.get("collapsed")))
    found["seconds"] = sum(stage["seconds"] for stage in result["stages"])
    for line in result["comparison"]:
        found[f"value_{line['language']}"] = line["value"]
        if line.get("gain") is not None:
            found[f"gain_{line['language']}"] = line["gain"]
    headline = {line["metric"] for line in result["comparison"] if line.get("metric")}
    for row in result["rows"]:
        if row["metric"] not in headline:
            found.setdefault(f"{row['metric']}_{row['language']}", row["value"])
    for entry in result.get("rules") or ():
        found |= {f"{name}_by_{entry['rule']}": value for name, value in entry["averages"].items()}
    return flat(found)


def table_of(result: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """The table of a cell: a row per language and metric.

    Returns:
        The columns and the rows. The columns are the cell, its axes ``model``, ``intermediate``, ``target`` and
        ``seed``, ``language``, ``n``, ``metric``, ``value``; and of the target's own metric ``baseline``, ``gain``,
        ``floor`` and ``floor_name``, which are null for others.
    """
    own = {(line["language"], line.get("metric")): line for line in result["comparison"]}
    names = ("cell", "model", "intermediate", "target", "seed", "language", "n", "metric", "value")
    more = ("baseline", "gain", "floor", "floor_name")
    rows = []
    for row in result["rows"]:
        line = own.get((row["language"], row["metric"]), {})
        rows.append([*(row.get(name) for name in names), *(line.get(name) for name in more)])
    return [*names, *more], rows


def _numbers(values: Mapping[str, Any], keys: Keys) -> dict[str, float]:
    """What is a finite number, by flat keys; names that are keys already come first, and so keep their spelling."""
    kept = {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    return {keys(name): kept[name] for name in sorted(kept, key=lambda name: not _is_key(name))}


def _is_key(name: str) -> bool:
    return re.fullmatch(r"[_a-zA-Z][_a-zA-Z0-9]*", name) is not None


def flat(values: Mapping[str, Any]) -> dict[str, float]:
    """What is a finite number, by flat keys (:class:`Keys`).

    Args:
        values: By any names.
    """
    return _numbers(values, Keys())


def tags_of(words: Iterable[Any]) -> tuple[str, ...]:
    """Words as tags: sorted, each once, and none too long.

    Args:
        words: What is empty is left out.
    """
    found = {str(word) for word in words if word}
    return tuple(sorted(word if len(word) <= LONGEST_TAG else f"{word[: LONGEST_TAG - 3]}..." for word in found))

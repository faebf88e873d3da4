"""Published numbers (the YAMLs beside this file), and how far a result is from those of its own setting."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.core import compose
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.catalogue import comparable_count
from stilts_xtreme.report.benchmark import averages as benchmarks

CONFIDENCE = {
    "read": "read",
    "checked": "from memory, with a check that agrees",
    "memory": "UNVERIFIED, from memory",
}
"""How sure a number is -> how it is said."""


@dataclass(frozen=True)
class Table:
    """Numbers of one setting from one table.

    Attributes:
        paper: Where they were published.
        table: Where in it.
        model: A choice of ``model=``, or the name of an encoder that is none.
        benchmark: ``xtreme`` or ``xtreme-r``.
        split: ``test`` or ``dev``.
        intermediate: ``none``, or ``best``: the best intermediate task of each target.
        recipe: The recipe that a cell must have used to be compared; None compares nothing.
        confidence: A key of :data:`CONFIDENCE`.
        source: Where the numbers were read.
        scores: Target (or ``all``) -> metric -> mean over languages, in percent.
        languages: Target -> language -> its main score, in percent.
        needs: Target -> option -> the value that a cell must have to be compared.
    """

    paper: str
    table: str
    model: str
    benchmark: str
    split: str
    intermediate: str
    recipe: str | None
    confidence: str
    source: str
    scores: Mapping[str, Mapping[str, float]]
    languages: Mapping[str, Mapping[str, float]]
    needs: Mapping[str, Mapping[str, Any]]

    def line(self, metric: str, published: float, value: float) -> dict[str, Any]:
        """A number beside ours."""
        return {
            "paper": self.paper,
            "table": self.table,
            "confidence": self.confidence,
            "source": self.source,
            "metric": metric,
            "published": published,
            "value": value,
            "delta": value - published,
        }


@functools.cache
def tables() -> tuple[Table, ...]:
    """All tables, in the order of their files."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [Table(**{"paper": raw["paper"], "languages": {}, "needs": {}, **entry}) for entry in raw["tables"]]
    return tuple(found)


def of_cell(result: Mapping[str, Any], config: Mapping[str, Any], spec: DatasetSpec) -> list[dict[str, Any]]:
    """The published numbers of a cell's own setting, beside its own.

    The setting is the encoder with its weights, the intermediate task, the benchmark, the recipe with nothing of it
    changed, and all rows of all languages; synthetic data have none.

    Args:
        result: What ``result.json`` holds, with its rows.
        config: The composed configuration, plain.
        spec: The data set that was evaluated on.

    Returns:
        A line per metric, with ``languages`` where the publication has them; empty where nothing matches.
    """
    target = result["target"]
    if result["synthetic"] or target is None or result["missing_languages"] or result["weights"] != "pretrained":
        return []
    if spec.files:  # rows of the user's own, whatever the task is called
        return []
    means: dict[str, dict[str, float]] = {}
    for row in result["rows"]:
        means.setdefault(row["metric"], {})[row["language"]] = row["value"]
    task = benchmarks.load(config["benchmark"]["name"]).tasks.get(target)
    if task is None or any(set(values) != set(task.languages) for values in means.values()):
        return []
    for row in result["rows"]:
        declared = comparable_count(spec, "test", row["language"])
        if declared not in (None, row["n"]):
            return []
    lines = []
    for table in tables():
        asked = table.scores.get(target)
        if not asked or not _same_setting(table, result, config):
            continue
        for metric, number in asked.items():
            if metric not in means:
                continue
            values = means[metric]
            line = table.line(metric, number, sum(values.values()) / len(values))
            own = table.languages.get(target, {})
            if own:
                line["languages"] = {code: values[code] - own[code] for code in values if code in own}
            lines.append(line)
    return lines


def _same_setting(table: Table, result: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    if (
        table.split != "test"
        or table.recipe != result["recipe"]
        or table.model != result["model"]
        or result.get("control")
        or table.benchmark != config["benchmark"]["name"]
        or table.intermediate != ("+".join(result["intermediate"]) or "none")
    ):
        return False
    own = {**config, "retrieval": result.get("retrieval")}  # as it was, where the configuration leaves it to the model
    for option, wanted in table.needs.get(result["target"], {}).items():
        value: Any = own
        for key in option.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value != wanted:
            return False
    return _as_shipped(table.model, str(result["recipe"]), config)


def _as_shipped(model: str, recipe: str, config: Mapping[str, Any]) -> bool:
    """Whether a configuration has the encoder and the recipe of the files that it names, nothing of them changed."""
    encoder = yaml.safe_load((CONF / "model" / f"{model}.yaml").read_text(encoding="utf-8"))["model"]
    phases = _phases(recipe)
    return config["model"]["id"] == encoder["id"] and all(config["recipe"][name] == phases[name] for name in phases)


@functools.cache
def _phases(recipe: str) -> dict[str, Any]:
    composed = compose.compose([f"recipe={recipe}"])["recipe"]
    return {name: composed[name] for name in ("intermediate", "target")}


def of_submission(
    tasks: Mapping[str, Mapping[str, Any]], overall: Mapping[str, float], benchmark: str
) -> list[dict[str, Any]]:
    """The published numbers of the best intermediate task per target beside a submission of the same encoder.

    Args:
        tasks: Task -> ``model``, ``recipe``, ``languages`` and ``scores`` of the cell that was taken.
        overall: What :func:`stilts_xtreme.report.benchmark.averages.overall` gives.
        benchmark: Its name.
    """
    return list(_of_submission(tasks, overall, benchmarks.load(benchmark)))


def _of_submission(tasks: Mapping, overall: Mapping[str, float], benchmark: Any) -> Iterator[dict[str, Any]]:
    models = {entry["model"] for entry in tasks.values()}
    recipes = {entry["recipe"] for entry in tasks.values()}
    for table in tables():
        fits = table.intermediate == "best" and table.benchmark == benchmark.name and table.split == "test"
        if not fits or models != {table.model} or recipes != {table.recipe}:
            continue
        for target, asked in table.scores.items():
            if target == "all" and "all_task" in overall:
                yield {"target": "all", **table.line("mean", asked["mean"], overall["all_task"])}
            entry = tasks.get(target)
            if entry is None or set(entry["languages"]) != set(benchmark.tasks[target].languages):
                continue
            for metric, number in asked.items():
                yield {"target": target, **table.line(metric, number, entry["scores"][f"avg_{metric}"])}


def sentence(line: Mapping[str, Any]) -> str:
    """A published number in words."""
    what = " ".join(filter(None, [line.get("target"), line["metric"]]))
    where = f"{line['paper']}, {line['table']}; {CONFIDENCE[line['confidence']]}"
    numbers = f"{line['published']:.1f}, here {line['value']:.1f} ({line['delta']:+.1f})"
    return f"Published ({where}): {what} {numbers}."

"""Benchmarks: their tasks, languages, groups and averages, from ``conf/benchmark`` and ``conf/target``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import unknown
from stilts_xtreme.data.catalogue import load_spec
from stilts_xtreme.tasks import format_of


@dataclass(frozen=True)
class Task:
    """One task of a benchmark.

    Attributes:
        name: The folder of its files.
        format: The id of its task format.
        metric: One of the metrics of that format.
        languages: ISO 639-1 codes, in the benchmark's order.
        labels: What a line of a file may say; empty where it is no label.
    """

    name: str
    format: str
    metric: str
    languages: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @property
    def main(self) -> tuple[str, ...]:
        """The scores whose mean is the headline."""
        return format_of(self.format).metric(self.metric).main


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
        name: Its choice in ``conf/benchmark``.
        groups: Group -> names of its tasks.
        tasks: Name -> task, in the order of the groups.
        qa: The scores whose mean stands for question answering in the overall score.
        own: Tasks of the user's own beside the benchmark's; no mean over tasks has them.
    """

    name: str
    groups: Mapping[str, tuple[str, ...]]
    tasks: Mapping[str, Task]
    qa: tuple[str, ...]
    own: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether question answering is among the tasks."""
        return any(len(task.main) > 1 for name, task in self.tasks.items() if name not in self.own)


def names() -> list[str]:
    """Names of the benchmarks."""
    return sorted(path.stem for path in (CONF / "benchmark").glob("*.yaml"))


def _yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load(name: str) -> Benchmark:
    """Reads a benchmark.

    Raises:
        StiltsError: There is no such benchmark.
    """
    if name not in names():
        raise unknown("benchmark", name, names())
    raw = _yaml(CONF / "benchmark" / f"{name}.yaml")
    tasks = {}
    for group in raw["groups"].values():
        for task in group:
            entry = raw["tasks"].get(task) or _yaml(CONF / "target" / f"{task}.yaml")
            own = entry["languages"] or load_spec(entry["test"]).languages  # a target without a list has them all
            languages = (*own, *raw["more"].get(task, ()))
            tasks[task] = Task(task, entry["head"], entry["metric"], languages, _labels(entry))
    return Benchmark(name, {group: tuple(members) for group, members in raw["groups"].items()}, tasks, tuple(raw["qa"]))


def _labels(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What a line of a target's files may say."""
    names = load_spec(entry["test"]).labels if "test" in entry else ()
    return format_of(entry["head"]).file_labels(names)


def average(task: Task, scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """The scores of a task by language with their means, as evaluate.py lays them out.

    Args:
        task: The task.
        scores: Language -> metric -> percent.

    Returns:
        ``{metric: {language: value}}``, ``avg_<metric>`` and ``avg_metric``: the mean over languages of the metric's
        main scores (exact match and F1 for question answering).
    """
    metrics = list(dict.fromkeys(metric for values in scores.values() for metric in values))
    table: dict[str, Any] = {
        metric: {language: values[metric] for language, values in scores.items() if metric in values}
        for metric in metrics
    }
    means = {f"avg_{metric}": sum(values.values()) / len(values) for metric, values in table.items()}
    main = task.main
    return {**table, **means, "avg_metric": sum(means[f"avg_{metric}"] for metric in main) / len(main)}


def overall(benchmark: Benchmark, scores: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The means over tasks.

    Args:
        benchmark: The benchmark.
        scores: Task -> what :func:`average` returned; only tasks with all languages.

    Returns:
        For each group whose tasks are all there the mean of their ``avg_metric``; if all tasks are there also
        ``all_task``, the benchmark's own overall score, and, where questions are asked, the two ways to count question
        answering that are in use: ``all_task_qa_em_f1`` (XTREME: the mean of exact match and F1) and
        ``all_task_qa_f1`` (XTREME-R).
    """
    means: dict[str, float] = {}
    tasks = {name: task for name, task in benchmark.tasks.items() if name not in benchmark.own}
    if tasks and set(tasks) <= set(scores):

        def total(qa: tuple[str, ...]) -> float:
            values = [
                sum(scores[name][f"avg_{metric}"] for metric in qa) / len(qa)
                if len(task.main) > 1 and set(qa) <= set(task.main)  # several scores, of which these stand for it
                else scores[name]["avg_metric"]
                for name, task in tasks.items()
            ]
            return sum(values) / len(values)

        means["all_task"] = total(benchmark.qa)
        if benchmark.asks:
            means["all_task_qa_em_f1"] = total(("exact_match", "f1"))
            means["all_task_qa_f1"] = total(("f1",))
    for group, members in benchmark.groups.items():
        if set(members) <= set(scores):
            means[group] = sum(scores[name]["avg_metric"] for name in members) / len(members)
    return means

"""A leaderboard submission from finished cells: the best cell for each task, checked, scored and written."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.text import markdown, markdown_table
from stilts_xtreme.core.versions import versions
from stilts_xtreme.data.catalogue import caveat, comparable_count, spec_from_mapping
from stilts_xtreme.report.benchmark import averages as benchmarks
from stilts_xtreme.report.benchmark import published
from stilts_xtreme.report.benchmark.averages import Benchmark, Task
from stilts_xtreme.report.benchmark.scorer import score_language
from stilts_xtreme.report.finished import REMEDY, read_result
from stilts_xtreme.report.labels import arm
from stilts_xtreme.tasks import format_of, predictions

PARALLEL = ("xnli", "xquad")
"""Tasks whose rows are the same ones in every language, so that labels or ids tell when one is in another order."""


@dataclass(frozen=True)
class Finished:
    """A finished cell.

    Attributes:
        folder: Its folder.
        result: What its ``result.json`` holds.
        spec: The data set that it was evaluated on.
        dev: The English dev score of the training of its target, in percent; None where there was none.
    """

    folder: Path
    result: Mapping[str, Any]
    spec: DatasetSpec
    dev: float | None

    @property
    def name(self) -> str:
        """The cell's name."""
        return str(self.result["cell"])

    @property
    def threshold(self) -> str | None:
        """On which rows the threshold of mining was chosen."""
        return (self.result.get("bitext") or {}).get("chosen_on")


@dataclass
class Assembled:
    """What a submission is made of.

    Attributes:
        chosen: Task -> its cell and the languages whose files are good.
        considered: Task -> names and dev scores of all its cells.
        scores: Task -> what :func:`stilts_xtreme.report.benchmark.averages.average` gives.
        problems: What is missing or wrong, a line each.
        notes: What a reader should know.
    """

    chosen: dict[str, tuple[Finished, list[str]]] = field(default_factory=dict)
    considered: dict[str, list[tuple[str, float | None]]] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_cell(folder: Path) -> Finished | None:
    """Reads a finished cell; None for one without a target.

    Raises:
        StiltsError: There is no finished cell, or its data are synthetic.
    """
    result = read_result(folder, needs=("cell", "target", "synthetic", "rows", "stages"))
    config = read_json(folder / "config.json")
    if result["target"] is None:
        return None
    if result["synthetic"]:
        raise StiltsError(f"{folder} was made on synthetic data, which no leaderboard has.")
    try:
        spec = spec_from_mapping(config["dataset"][config["target"]["test"]])
        trained = {row["trained"] for row in result["rows"]} if config["target"]["train"] else set()
        found = [stage["info"].get("dev") or {} for stage in result["stages"] if stage["key"] in trained]
        scores = [score for by_task in found for score in by_task.values()]
    except (KeyError, TypeError, AttributeError) as error:  # of an earlier version, whose cells have no manifest
        raise StiltsError(
            f"{folder} holds a result or a configuration that is damaged ({error}); to mend it, {REMEDY}."
        ) from error
    return Finished(folder, result, spec, scores[0] if len(scores) == 1 else None)


def assemble(cells: Sequence[Finished], benchmark: Benchmark, take: Mapping[str, str]) -> Assembled:
    """Chooses a cell for each task, and checks and scores its files.

    Args:
        cells: Finished cells; others than the benchmark's are left out.
        benchmark: The benchmark.
        take: Task -> name of the cell to take whatever its dev score.

    Raises:
        StiltsError: ``take`` names a task or a cell that is not there.
    """
    made = Assembled()
    for wanted in take:
        if wanted not in benchmark.tasks:
            raise unknown("--take", wanted, benchmark.tasks)
    for name, task in benchmark.tasks.items():
        own = list({cell.name: cell for cell in cells if cell.result["target"] == name}.values())
        made.considered[name] = [(cell.name, cell.dev) for cell in own]
        if name in take:
            named = [cell for cell in own if take[name] in (cell.name, str(cell.folder))]
            if not named:
                raise unknown(f"--take {name}", take[name], [cell.name for cell in own])
            own = named
        elif own:  # of one training, whose dev score cannot choose between them
            own = [cell for cell in own if not arm(cell.result)]
            if not own:
                by_name = f"one with shots or translated test rows is taken with --take {name}=CELL"
                made.problems.append(f"{name}: no zero-shot cell; {by_name}")
                continue
        if not own:
            made.problems.append(f"{name}: no cell")
            continue
        if len(own) > 1 and any(cell.dev is None for cell in own):
            lacking = sum(cell.dev is None for cell in own)
            made.problems.append(
                f"{name}: {lacking} of {len(own)} cells have no English dev score to choose by; give --take {name}=CELL"
            )
            continue
        _check(max(own, key=lambda cell: cell.dev if cell.dev is not None else 0.0), task, made)
    models = sorted({cell.result["model"] for cell, _ in made.chosen.values()})
    if len(models) > 1:
        made.notes.append(f"several encoders: {', '.join(models)}")
    return made


def _check(cell: Finished, task: Task, made: Assembled) -> None:
    good: dict[str, Any] = {}
    scores = {}
    folders = cell.folder / "predictions", cell.folder / "labels"
    lacking = [
        code
        for code in task.languages
        if not all(predictions.path_of(folder, task.name, code, task.format).is_file() for folder in folders)
    ]
    if lacking:
        made.problems.append(f"{task.name}: {cell.name} lacks {', '.join(lacking)}")
    for code in task.languages:
        if code in lacking:
            continue
        where = f"{task.name}/{predictions.path_of('', task.name, code, task.format).name}"
        try:
            gold = predictions.read_gold(folders[1], task.name, code, task.format)
            found = predictions.read(folders[0], task.name, code, task.format, gold)
            format_of(task.format).refuse_submission(found, gold)
            n = len(gold)
            declared = comparable_count(cell.spec, "test", code)
            if declared is not None and n != declared:
                raise StiltsError(f"{n} rows, and the data set has {declared}")
            scores[code] = score_language(*folders, task, code)
        except StiltsError as error:
            made.problems.append(f"{where}: {error}")
            continue
        good[code] = list(gold)
    if task.name in PARALLEL:
        first = next(iter(good), "")
        other = [code for code in good if good[code] != good[first]]
        if other:
            made.problems.append(f"{task.name}: rows of {', '.join(other)} are in another order than those of {first}")
            for code in other:
                del good[code], scores[code]
    if not good:
        return
    made.chosen[task.name] = cell, list(good)
    made.scores[task.name] = benchmarks.average(task, scores)
    if cell.result["collapsed"]:
        made.notes.append(f"{task.name}: {cell.name} is of a training that collapsed or found nothing")
    if arm(cell.result):
        made.notes.append(f"{task.name}: {cell.name} is no zero-shot transfer ({arm(cell.result).removeprefix(', ')})")
    if cell.threshold == "test":
        made.notes.append(f"{task.name}: the threshold was chosen on the scored rows, which flatters")
    if caveat(cell.spec):
        made.notes.append(f"{task.name}: {caveat(cell.spec)}")


def manifest_of(made: Assembled, benchmark: Benchmark) -> dict[str, Any]:
    """What ``manifest.json`` holds."""
    tasks = {}
    for name, (cell, languages) in made.chosen.items():
        result = cell.result
        kept = ("model", "intermediate", "seed", "volume", "recipe", "collapsed")
        tasks[name] = {
            "cell": cell.name,
            **{key: result.get(key) for key in kept},
            "dev": cell.dev,
            "stage": result["rows"][0]["stage"],
            "languages": languages,
            "chosen_among": [{"cell": other, "dev": dev} for other, dev in made.considered[name]],
            "scores": made.scores[name],
        }
    whole = {
        name: made.scores[name]
        for name, (_, languages) in made.chosen.items()
        if set(languages) == set(benchmark.tasks[name].languages)
    }
    overall = benchmarks.overall(benchmark, whole)
    return {
        "benchmark": benchmark.name,
        "complete": not made.problems,
        "problems": made.problems,
        "notes": made.notes,
        "tasks": tasks,
        "overall": overall,
        "published": published.of_submission(tasks, overall, benchmark.name),
        "versions": versions(),
    }


def write(output: Path, made: Assembled, benchmark: Benchmark) -> dict[str, Any]:
    """Writes a submission, whole or not at all.

    Returns:
        Its manifest.

    Raises:
        StiltsError: The folder exists, or cannot be written.
    """
    manifest = manifest_of(made, benchmark)
    scratch = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        scratch = output.parent / f".{output.name}.{uuid.uuid4().hex}"
        scratch.mkdir()
        for name, (cell, languages) in made.chosen.items():
            for code in languages:
                path = predictions.path_of(cell.folder / "predictions", name, code, benchmark.tasks[name].format)
                (scratch / name).mkdir(exist_ok=True)
                shutil.copyfile(path, scratch / name / path.name)
        write_atomic(scratch / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        write_atomic(scratch / "README.md", readme(manifest))
        refuse_existing(output)
        os.rename(scratch, output)
    except OSError as error:
        raise StiltsError(f"--output {output} cannot be written: {error.strerror or error}.") from error
    finally:
        if scratch is not None and scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def refuse_existing(output: Path) -> None:
    """Refuses to write over anything.

    Raises:
        StiltsError: There is something already.
    """
    if output.exists() or output.is_symlink():
        raise StiltsError(f"--output {output} exists, and nothing is written over; name another folder.")


def readme(manifest: Mapping[str, Any]) -> str:
    """What ``README.md`` says of a submission, from its manifest."""
    table = []
    for name, entry in manifest["tasks"].items():
        dev = "" if entry["dev"] is None else f"{entry['dev']:.1f}"
        table.append([name, entry["cell"], dev, str(len(entry["languages"])), f"{entry['scores']['avg_metric']:.2f}"])
    lines = "\n".join(markdown_table(["task", "cell", "English dev", "languages", "score"], table))
    title = f"# A submission to {markdown(manifest['benchmark'])}" + ("" if manifest["complete"] else " (INCOMPLETE)")
    body = [title, "For each task the cell with the best English dev score. Scores are those of our labels.", lines]
    if "all_task" in manifest["overall"]:
        body.append(f"All tasks: {manifest['overall']['all_task']:.2f}.")
    body += [markdown(published.sentence(line)) for line in manifest["published"]]
    for heading, items in (("Missing or wrong", manifest["problems"]), ("Notes", manifest["notes"])):
        if items:
            body.append(f"## {heading}\n\n" + "\n".join(f"- {markdown(item)}" for item in items))
    return "\n\n".join(body) + "\n"

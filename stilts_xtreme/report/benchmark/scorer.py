"""Scores folders of prediction files in the leaderboards' layout, and shows the scores as tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.terminal import Plain, table
from stilts_xtreme.core.text import visible
from stilts_xtreme.report.benchmark import averages as benchmarks
from stilts_xtreme.report.benchmark.averages import Benchmark, Task
from stilts_xtreme.tasks import format_of, predictions

log = logging.getLogger("stilts_xtreme.score")

SHOWN = 8
"""Missing files named in an error."""


def score_language(predicted: Path, labelled: Path, task: Task, language: str) -> dict[str, float]:
    """The scores of one task in one language, in percent.

    Raises:
        StiltsError: A file is missing or malformed, has another number of lines than the labels, or its labels are
            withheld.
    """
    reference = predictions.read_gold(labelled, task.name, language, task.format)
    format = format_of(task.format)
    blind = format.withheld(reference, task.labels, task.metric)
    if blind:
        path = predictions.path_of(labelled, task.name, language, task.format)
        raise StiltsError(f"{path} is blind, never scored: {blind}; bring the labels with what is right.")
    # where the benchmark's script ignores answers to no row, the metric says so
    like = None if format.strangers_ignored else reference
    answers = predictions.read(predicted, task.name, language, task.format, like)
    path = predictions.path_of(predicted, task.name, language, task.format)
    if task.labels:
        _warn_of_unknown_labels(path, task, answers, reference)
    try:
        return format.metric(task.metric).score(answers, reference, language)
    except StiltsError as error:
        raise StiltsError(f"{path}: {error}") from error


def _warn_of_unknown_labels(path: Path, task: Task, answers: Any, reference: Any) -> None:
    """Says where a file has a label that the task does not know; the benchmark's script counts it as wrong."""
    lines = format_of(task.format).label_lines
    known = {*task.labels, *(label for _, label in lines(reference))}
    strange = [(n, label) for n, label in lines(answers) if label not in known]
    if strange:
        n, label = strange[0]
        said = str(unknown(f"{path} line {n}: the label", label, known)).removesuffix(".")
        log.warning("%s; %d such lines count as wrong, mend them.", said, len(strange))


def score_folder(
    predicted: Path, labelled: Path, benchmark: Benchmark, partial: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Scores a folder.

    Args:
        predicted: Folder of predictions.
        labelled: Folder of labels.
        benchmark: The benchmark.
        partial: Score the tasks and languages that are there, other languages than the benchmark's among them.

    Returns:
        ``benchmark``, what :func:`averages.overall` gives and, by task, what :func:`averages.average` gives; and
        what a reader should know: folders of no task, languages that are missing, answers that are.

    Raises:
        StiltsError: Folders, tasks, languages or lines are missing.
    """
    for option, folder in (("--predictions", predicted), ("--labels", labelled)):
        if not folder.is_dir():
            raise StiltsError(f"{option} {folder} is not a folder.")
    chosen, notes = _chosen(predicted, benchmark, partial)
    if not partial:
        _refuse_missing(chosen, benchmark, ("predictions", predicted), ("labels", labelled))
    detailed: dict[str, dict[str, Any]] = {}
    complete: dict[str, dict[str, Any]] = {}
    for name, languages in chosen.items():
        task, scores = benchmark.tasks[name], {}
        for language in languages:
            with _warnings(f"{name}/{language}", notes):
                scores[language] = score_language(predicted, labelled, task, language)
        detailed[name] = benchmarks.average(task, scores)
        if set(scores) == set(task.languages):
            complete[name] = detailed[name]
        else:
            lacking = [language for language in task.languages if language not in scores]
            notes.append(f"{name}: {len(scores)} languages scored, without {', '.join(lacking)}.")
    return {"benchmark": benchmark.name, **benchmarks.overall(benchmark, complete), **detailed}, notes


def score(
    predictions: str | Path, labels: str | Path, benchmark: str = "xtreme", partial: bool = False
) -> dict[str, Any]:
    """Scores a folder of prediction files, as ``python -m stilts_xtreme.score`` does.

    Args:
        predictions: Folder of predictions, ``<task>/test-<language>.{tsv,json,jsonl}``.
        labels: Folder of labels in the same layout.
        benchmark: ``xtreme`` or ``xtreme-r``.
        partial: Score the tasks and languages that are there.

    Returns:
        What ``--output`` of the command writes: the overall score and, by task, averages and scores per language. What
        a reader should know beside them is logged.

    Raises:
        StiltsError: Folders, tasks, languages or lines are missing.
    """
    result, notes = score_folder(Path(predictions), Path(labels), benchmarks.load(benchmark), partial)
    for note in notes:
        log.warning("%s", note)
    return result


def _chosen(predicted: Path, benchmark: Benchmark, partial: bool) -> tuple[dict[str, list[str]], list[str]]:
    """Task -> languages to score, and a note on folders that are of no task."""
    there = sorted(path.name for path in predicted.iterdir() if path.is_dir())
    others = [name for name in there if name not in benchmark.tasks]
    notes = [f"not of {benchmark.name}, left out: {', '.join(others)}."] if others else []
    if not partial:
        return {name: list(task.languages) for name, task in benchmark.tasks.items()}, notes
    chosen = {name: _languages(predicted, task) for name, task in benchmark.tasks.items() if name in there}
    chosen = {name: languages for name, languages in chosen.items() if languages}
    if not chosen:
        raise StiltsError(
            f"--predictions {predicted} holds no file of {benchmark.name}; expected <task>/test-<language>.tsv or "
            f".json with a task of: {', '.join(benchmark.tasks)}. Tasks of your own need --config-dir FOLDER."
        )
    return chosen, notes


def _suffixes(task: Task) -> tuple[str, ...]:
    return format_of(task.format).extensions


def _languages(folder: Path, task: Task) -> list[str]:
    """Languages whose files are there, the benchmark's first and in its order."""
    found = {
        path.name.removeprefix("test-").rpartition(".")[0]
        for suffix in _suffixes(task)
        for path in (folder / task.name).glob(f"test-*.{suffix}")
    }
    known = [language for language in task.languages if language in found]
    return [*known, *sorted(found - set(known))]


def _refuse_missing(chosen: Mapping[str, Sequence[str]], benchmark: Benchmark, *sides: tuple[str, Path]) -> None:
    for side, folder in sides:
        tasks = [name for name in chosen if not (folder / name).is_dir()]
        files = [
            f"{name}/test-{language}.{_suffixes(benchmark.tasks[name])[0]}"
            for name, languages in chosen.items()
            if name not in tasks
            for language in languages
            if language not in _languages(folder, benchmark.tasks[name])
        ]
        lacking = [
            *([f"{len(tasks)} of {len(chosen)} tasks ({', '.join(tasks)})"] if tasks else []),
            *([f"{len(files)} files ({', '.join(files[:SHOWN])}{', ...' * (len(files) > SHOWN)})"] if files else []),
        ]
        if lacking:
            raise StiltsError(
                f"--{side} {folder} lacks {' and '.join(lacking)} of {benchmark.name}; bring them, or give --partial "
                "to score what is there."
            )


@contextmanager
def _warnings(where: str, notes: list[str]) -> Iterator[None]:
    """Collects what reading and scoring warn of."""

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notes.append(f"{where}: {record.getMessage()}")

    logger, handler = logging.getLogger("stilts_xtreme"), Collect(logging.WARNING)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def show(result: Mapping[str, Any], notes: Sequence[str], benchmark: Benchmark) -> None:
    """Prints a result as two tables: tasks with their means and groups, and the languages of each task."""
    titles = ("group", "task", "metric", "languages", "score", "also")
    drawn = table(*titles, right=("languages", "score"), title=visible(benchmark.name))
    detail = table("task", "language by language (main scores, their mean)", title="by language")
    for group, members in {**benchmark.groups, "own": benchmark.own}.items():
        scored = [name for name in members if name in result]
        for name in scored:
            task, entry = benchmark.tasks[name], result[name]
            main = task.main
            also = [key for key in entry if key.startswith("avg_") and key not in ("avg_metric", f"avg_{main[0]}")]
            languages = entry[main[0]]
            values = {code: sum(entry[metric][code] for metric in main) / len(main) for code in languages}
            drawn.add_row(
                group,
                name,
                " + ".join(main),
                f"{len(languages)} of {len(task.languages)}"
                if set(languages) <= set(task.languages)
                else str(len(languages)),
                f"{entry['avg_metric']:.2f}",
                ", ".join(f"{key.removeprefix('avg_')} {entry[key]:.2f}" for key in also),
                end_section=name == scored[-1] and group not in result,
            )
            detail.add_row(name, "  ".join(f"{code} {value:.1f}" for code, value in values.items()))
        if group in result:
            drawn.add_row(group, "mean", "", "", f"{result[group]:.2f}", "", style="bold", end_section=True)
    if "all_task" in result:
        counted, also_all = "", ""
        if benchmark.asks:
            counted = f"qa: {' + '.join(benchmark.qa)}"
            other = "all_task_qa_f1" if len(benchmark.qa) > 1 else "all_task_qa_em_f1"
            also_all = f"with {'f1' if len(benchmark.qa) > 1 else 'exact_match + f1'}: {result[other]:.2f}"
        drawn.add_row("all", "mean", counted, "", f"{result['all_task']:.2f}", also_all, style="bold")
    console = Plain()
    console.print(drawn)
    console.print(detail)
    for note in notes:
        console.line_of(note)

"""Which intermediate task is worth trying before any is trained: simple rules, and a finished matrix as a guide.

How good a rule is, its *regret* says: how many points the best of its first k tasks stays behind the best task of all
(Poth et al. 2021, arXiv 2104.08247, who give it as a share of the best score).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import yaml

from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.catalogue import declared_count, load_spec
from stilts_xtreme.report.entries import Matrix, build
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.labels import BASELINE, arm
from stilts_xtreme.report.results import FinishedCell

SIZE, FORMAT, USUAL, PROXY = "largest data", "same format, then largest", "the usual two", "another encoder's matrix"
TEXTS, EVIDENCE = "texts that are alike", "LogME"
QUESTIONS = "qa"
"""The head of question answering."""


@dataclass(frozen=True)
class Candidate:
    """An intermediate task.

    Attributes:
        name: As in ``+intermediate=``.
        head: Its head.
        examples: Training rows of the original data sets; 0 where they are not known.
    """

    name: str
    head: str
    examples: int


@functools.cache
def candidates() -> tuple[Candidate, ...]:
    """All intermediate tasks that are one head on rows of their own."""
    found = []
    for path in sorted((CONF / "intermediate").glob("*.yaml")):
        task = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if "head" in task:
            specs = [load_spec(name) for name in task["datasets"]]
            counts = [declared_count(spec, "train", spec.source_language or "en") for spec in specs]
            found.append(Candidate(path.stem, task["head"], sum(n or 0 for n in counts)))
    return tuple(found)


def ranked(rule: str, head: str, among: Sequence[Candidate]) -> list[str]:
    """Tasks in the order in which a rule would try them.

    Args:
        rule: :data:`SIZE`, :data:`FORMAT` or :data:`USUAL`: MNLI and SQuAD, the latter first for question answering.
        head: The target's head.
        among: The tasks to choose from.
    """
    by_size = sorted(among, key=lambda task: -task.examples)
    if rule == FORMAT:
        return [task.name for task in sorted(by_size, key=lambda task: task.head != head)]
    if rule == USUAL:
        usual = ["squad_v1", "squad_v2", "mnli"] if head == QUESTIONS else ["mnli", "squad_v1", "squad_v2"]
        return [
            task.name for task in sorted(by_size, key=lambda t: usual.index(t.name) if t.name in usual else len(usual))
        ]
    return [task.name for task in by_size]


Scores = Mapping[str, Mapping[str, Mapping[int, float]]]
"""Target -> intermediate task -> seed -> zero-shot mean."""


def scores(cells: Sequence[FinishedCell]) -> dict[str, dict[str, dict[int, float]]]:
    """The scores of a finished matrix of one encoder, without cells of few-shot transfer and translate-test.

    Raises:
        StiltsError: It has several encoders or settings, so that a task has several rows.
    """
    kept = [cell for cell in cells if cell.result["target"] and not arm(cell.result)]
    models = sorted({str(cell.result["model"]) for cell in kept})
    if len(models) > 1:
        raise StiltsError(f"These cells are of several encoders ({', '.join(models)}); name the folder of one.")
    matrix: Matrix = build([cell.result for cell in kept])
    found: dict[str, dict[str, dict[int, float]]] = {}
    for (row, column), entry in matrix.entries.items():
        if row not in matrix.controls and row != BASELINE and entry.zero_shot:
            found.setdefault(column, {})[row.rstrip("‡")] = dict(entry.zero_shot)
    return found


def by_matrix(found: Mapping[str, Mapping[int, float]]) -> list[str]:
    """Tasks in the order of their mean scores in a finished matrix."""
    return sorted(found, key=lambda task: -fmean(found[task].values()))


def regret(truth: Mapping[str, Mapping[int, float]], order: Sequence[str], k: int) -> tuple[float, float | None]:
    """How far the best of the first k tasks stays behind the best of all, in points.

    Args:
        truth: Task -> seed -> score.
        order: Tasks in the order in which they would be tried; those without a score are passed over.
        k: How many are tried.

    Returns:
        The mean over the seeds that all tasks have, and half of an interval of 95 %; None with one seed.

    Raises:
        StiltsError: The tasks have no seed in common.
    """
    tried = [task for task in order if task in truth][:k]
    seeds = set.intersection(*(set(by_seed) for by_seed in truth.values()))
    if not seeds or not tried:
        raise StiltsError("The tasks of the matrix have no seed in common, so that their scores cannot be compared.")
    return mean_interval(
        [
            max(by_seed[seed] for by_seed in truth.values()) - max(truth[task][seed] for task in tried)
            for seed in sorted(seeds)
        ]
    )

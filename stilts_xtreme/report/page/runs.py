"""Every run of a matrix beside the one that it is compared with, by its place and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stilts_xtreme.report.labels import compared, control, evaluation, labels, meaningless
from stilts_xtreme.report.results import FinishedCell


@dataclass(frozen=True)
class Run:
    """A finished cell at its place.

    Attributes:
        row: Its row in the matrix.
        column: Its column.
        seed: Its seed.
        cell: The cell.
        base: The cell that it is compared with, where that is among the results.
        baseline: Language -> score of what it is compared with; empty where it has no gain.
        key: The key of its evaluation.
        base_key: The key of the evaluation that it is compared with.
        lost: Whether it, or what it is compared with, means nothing.
    """

    row: str
    column: str
    seed: int
    cell: FinishedCell
    base: FinishedCell | None
    baseline: Mapping[str, float]
    key: str | None
    base_key: str | None
    lost: bool

    @property
    def result(self) -> Mapping[str, Any]:
        """What ``result.json`` holds."""
        return self.cell.result

    @property
    def source(self) -> str | None:
        """The language that is trained on."""
        return self.result.get("source_language")

    def scores(self, metric: str | None = None) -> dict[str, float]:
        """Language -> score; of the official headline, or of another metric."""
        return scores(self.result, metric)

    def base_scores(self, metric: str | None = None) -> Mapping[str, float]:
        """The same of what it is compared with; empty where that is not known."""
        if metric is None:
            return self.baseline
        return scores(self.base.result, metric) if self.base is not None else {}


def scores(result: Mapping[str, Any], metric: str | None = None) -> dict[str, float]:
    """Language -> score of a result: of the official headline, or of another metric."""
    if metric is None:
        return {line["language"]: line["value"] for line in result["comparison"] if line["value"] is not None}
    return {row["language"]: row["value"] for row in result["rows"] if row["metric"] == metric}


def runs(cells: Sequence[FinishedCell]) -> list[Run]:
    """The runs of cells that have a target, in their order."""
    cells = [cell for cell in cells if cell.result["target"]]
    named = labels([cell.result for cell in cells])
    by_key = {key: cell for cell in cells if (key := evaluation(cell.result)) is not None}
    by_place = {(label.row, label.column, cell.result["seed"]): cell for cell, label in zip(cells, named, strict=True)}
    found = []
    for cell, label in zip(cells, named, strict=True):
        result = cell.result
        told, key = compared(result)
        base = by_key.get(key) if key else None
        if not told and label.row != label.baseline:
            base = by_place.get((label.baseline, label.column, result["seed"]))
            key = evaluation(base.result) if base is not None else None
        own = {line["language"]: line["baseline"] for line in result["comparison"] if line.get("baseline") is not None}
        lost = meaningless(result) or bool(result.get("baseline_collapsed"))
        found.append(
            Run(
                label.row,
                label.column,
                result["seed"],
                cell,
                base,
                scores(base.result) if base is not None else own,
                evaluation(result),
                key,
                lost or (base is not None and meaningless(base.result)),
            )
        )
    return found


def metrics(found: Sequence[Run]) -> list[str]:
    """The metrics of runs beside their headline: those of targets that have several."""
    by_column: dict[str, dict[str, None]] = {}
    for run in found:
        by_column.setdefault(run.column, {}).update(dict.fromkeys(row["metric"] for row in run.result["rows"]))
    several = [names for names in by_column.values() if len(names) > 1]
    return list(dict.fromkeys(name for names in several for name in names))


def is_control(run: Run) -> bool:
    """Whether a run started from random weights."""
    return control(run.result)

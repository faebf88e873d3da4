"""The entries of the transfer matrix: results of cells by row, column and seed, and the gains between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stilts_xtreme.report.labels import (
    compared,
    evaluation,
    labels,
    meaningless,
    random_weights,
    reasons,
    shots,
    unrecorded,
    unsure,
)

FEW_SHOT = (
    "Rows with shots are no zero-shot transfer: in each language the model was trained on so many of its rows. Rows of "
    "several draws are never averaged here; study=few_shot does it."
)
TRANSLATE_TEST = (
    "Rows with translate-test are no zero-shot transfer: the model read translations of the test rows into the "
    "language that it was trained in. The name of the translations stands in brackets."
)


@dataclass
class Entry:
    """One cell of the matrix over its seeds.

    Attributes:
        zero_shot: Seed -> mean score over the languages other than the source.
        source: Seed -> score in the source language (absent where a target has none).
        floor: Mean over the same languages of the best score without a model.
        collapsed: Seeds of which a training collapsed or found nothing. They have no scores here.
        unsure: Seeds of which an earlier version called a training collapsed by its loss alone.
        compared: Seed -> the key of the evaluation that its gain is a gain over, where that is known; None: it has no
            gain.
    """

    zero_shot: dict[int, float] = field(default_factory=dict)
    source: dict[int, float] = field(default_factory=dict)
    floor: float | None = None
    collapsed: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    compared: dict[int, str | None] = field(default_factory=dict)


@dataclass
class Matrix:
    """The entries by (row, column), rows and columns in the order of the results.

    ``substitutes`` has the tasks that stand in for another one, which they must not be reported as; ``controls`` the
    rows of random weights. ``baselines`` has the row without an intermediate task that a row is compared with where
    results do not say with which evaluation, ``translations`` the name of the translations of a row that read its test
    rows in translation, and ``evaluated`` the scores by the keys of evaluations. ``lost`` has what is left out because
    it means nothing, a line each, and ``missing`` the cells of sweeps that are not there, after a sentence on their
    number. ``note`` has what there is to know of older results.
    """

    rows: list[str]
    columns: list[str]
    entries: dict[tuple[str, str], Entry]
    synthetic: bool
    substitutes: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, str] = field(default_factory=dict)
    controls: set[str] = field(default_factory=set)
    translations: dict[str, str] = field(default_factory=dict)
    evaluated: dict[str, dict[str, float]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    note: str = ""

    def gain(self, row: str, column: str, of: str = "zero_shot") -> dict[int, float]:
        """Seed -> a score less that of its baseline; empty where one is missing.

        Args:
            row: A row.
            column: A column.
            of: ``zero_shot`` or ``source``.
        """
        own = self.entries.get((row, column))
        if own is None:
            return {}
        by_name = self.entries.get((self.baselines[row], column))
        found = {}
        for seed, value in getattr(own, of).items():
            if seed in own.compared:
                other = self.evaluated.get(own.compared[seed] or "", {}).get(of)
            else:
                other = getattr(by_name, of).get(seed) if by_name not in (None, own) else None
            if other is not None:
                found[seed] = value - other
        return found


def build(results: Sequence[Mapping[str, Any]]) -> Matrix:
    """Arranges results as a matrix.

    Args:
        results: What cells returned, or what their ``result.json`` holds; those without a target are passed over.

    Returns:
        The matrix. With several encoders, rows begin with the encoder's name; where cells of one row and target were
        set differently, such as in a sweep over learning rates, rows end with the options that differ.
    """
    results = [result for result in results if result["target"]]
    few, translated = any(map(shots, results)), any(result.get("translate_test") for result in results)
    said = " ".join(filter(None, [unrecorded(results), FEW_SHOT * few, TRANSLATE_TEST * translated]))
    matrix = Matrix([], [], {}, any(result["synthetic"] for result in results), note=said)
    for result, label in zip(results, labels(results), strict=True):
        if label.row not in matrix.rows:
            matrix.rows.append(label.row)
            matrix.baselines[label.row] = label.baseline
            if result.get("translate_test"):
                matrix.translations[label.row] = result["translate_test"]
        if random_weights(result):
            matrix.controls.add(label.row)
        if label.column not in matrix.columns:
            matrix.columns.append(label.column)
        entry = matrix.entries.setdefault((label.row, label.column), Entry())
        matrix.substitutes |= result.get("substitutes") or {}
        averages, seed = result["averages"], result["seed"]
        value = averages.get("zero_shot_value", averages.get("all_value"))
        entry.floor = averages.get("zero_shot_floor", averages.get("all_floor", entry.floor))
        if meaningless(result):
            entry.collapsed.add(seed)
            score = "no score" if value is None else f"{value:.1f}"
            matrix.lost.append(f"{label.row} > {label.column}, seed {seed} ({score}): {reasons(result)}")
            continue
        if value is not None:
            entry.zero_shot[seed] = value
        languages = {line["language"]: line["value"] for line in result["comparison"]}
        source = result.get("source_language")
        if source in languages:
            entry.source[seed] = languages[source]
        known, key = compared(result)
        if known:
            entry.compared[seed] = key
        if (own := evaluation(result)) is not None:
            scores = {"zero_shot": value, "source": languages.get(source)}
            matrix.evaluated[own] = {name: score for name, score in scores.items() if score is not None}
        if unsure(result):
            entry.unsure.add(seed)
    return matrix

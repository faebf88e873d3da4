"""A format that the package does not have: how alike two texts are, as a number. All of it is in this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import correlation, fmean
from typing import Any

from stilts_xtreme.core.checks import number
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.models.head_kind import HeadKind
from stilts_xtreme.tasks.files import read_labels, write_labels
from stilts_xtreme.tasks.format import Scorer, TaskFormat
from stilts_xtreme.tasks.metrics.metric import Metric
from stilts_xtreme.tasks.options import HeadOptions, OptionGroup
from stilts_xtreme.tasks.rows import Finding, RowFormat

SIDES = ("text_a", "text_b")


class ScoredRows(RowFormat):
    """Two texts and a score from 0 to 5."""

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        beyond = [at for at, score in enumerate(columns["score"]) if score is None or not 0 <= score <= 5]
        return columns, [Finding("score out of range", beyond, drop=True)]


ROWS = ScoredRows("similarity", ("id", *SIDES, "score"), SIDES, SIDES, kinds={"score": ("float64", "integer")})


def pearson(predictions: Sequence[float], gold: Sequence[float], language: str | None) -> dict[str, float]:
    """Pearson's correlation in percent."""
    if len(predictions) != len(gold):
        raise StiltsError(f"{len(predictions)} scores are predicted for {len(gold)} rows.")
    return {"pearson": 100 * correlation(predictions, gold) if len(set(predictions)) > 1 else 0.0}


def checked(values: Mapping[str, Any], synthetic: bool) -> dict[str, Any]:
    number("similarity.scale", values["scale"], 0, strict=True)
    return dict(values)


class Similarity(TaskFormat):
    """One number per row."""

    name = "similarity"
    rows = ROWS
    metrics = (Metric("pearson", ("pearson",), pearson),)
    options = (OptionGroup("similarity", {"scale": 1.0}, checked),)
    module_path = f"{__name__}.module:SimilarityModule"
    head = HeadKind("similarity", "AutoModelForSequenceClassification", True, "regression")
    pipeline = "text-classification"
    hub_tag = "sentence-similarity"

    def head_options(self, cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
        from stilts_xtreme.tasks.similarity.module import Options

        return Options(max_length=recipe.max_length, scale=cell.options["similarity"]["scale"])

    def training_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        return {"scale": cell.options["similarity"]["scale"]}

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        mean = fmean(train["score"])
        return lambda rows, language: {"mean": metric.main_score([mean] * len(rows["id"]), rows["score"], language)}

    def gold(self, rows: Columns, labels: Sequence[str]) -> list[float]:
        return [float(score) for score in rows["score"]]

    def write(self, path: Path, answers: Any) -> Path:
        return write_labels(path, [f"{score:.6g}" for score in answers])

    def read(self, path: Path, like: Any = None) -> list[float]:
        return [float(line) for line in read_labels(path, None if like is None else len(like))]


FORMAT = Similarity()

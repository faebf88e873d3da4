"""Classification: one label for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.head_kind import HeadKind
from stilts_xtreme.tasks.classification.rows import ROWS
from stilts_xtreme.tasks.format import Scorer, TaskFormat
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.outcome import entropy

if TYPE_CHECKING:
    from stilts_xtreme.models.batch import Features


class Classification(TaskFormat):
    """One label per row."""

    name = "classification"
    rows = ROWS
    metrics = (METRICS["accuracy"],)
    module_path = "stilts_xtreme.tasks.classification.module:ClassificationModule"
    head = HeadKind(
        "classification",
        "AutoModelForSequenceClassification",
        names_labels=True,
        problem_type="single_label_classification",
    )
    pipeline = "text-classification"
    wording = ""
    hub_tag = "text-classification"

    def guess_loss(self, features: Features, batch_size: int) -> float:
        """That of guessing by how often each label occurs."""
        return entropy(features.labels["label"][1].tolist())

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """Majority, overlap and words."""
        from stilts_xtreme.tasks.classification.floors import floors

        return floors(metric, train, labels)

    def file_labels(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The names."""
        return tuple(labels)


FORMAT = Classification()

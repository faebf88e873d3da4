"""The rows of classification: a text or a pair of texts, and a label."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import Finding, RowFormat, review_labels, without_labels


class ClassificationRows(RowFormat):
    """``text_b`` is empty in every row of a data set of single texts."""

    def lacks_text(self, columns: Columns, at: int, mapped: Collection[str]) -> bool:
        """Whether one of the texts that the data set has is empty."""
        sides = ("text_a", "text_b") if "text_b" in mapped else ("text_a",)
        return not all(columns[side][at].strip() for side in sides)

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Labels that are not there, or that the data set does not have."""
        return columns, review_labels(columns["label"], labels)

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No row has a label."""
        return without_labels(columns["label"])


ROWS = ClassificationRows(
    name="classification",
    columns=("id", "text_a", "text_b", "label"),
    texts=("text_a", "text_b"),
    required=("text_a", "text_b"),
    optional=("id", "text_b"),
    translatable=True,
)

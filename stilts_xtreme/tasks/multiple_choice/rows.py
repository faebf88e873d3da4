"""The rows of multiple choice: a context, a question, choices, and the position of the right one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import Finding, RowFormat, review_labels, without_labels


class ChoiceRows(RowFormat):
    """Either of context and question may be empty by design, not both."""

    def may_lack(self, column: str, there: Collection[str]) -> bool:
        """One of context and question takes the part of the other."""
        stems = ("context", "question")
        return super().may_lack(column, there) or (column in stems and any(other in there for other in stems))

    def lacks_text(self, columns: Columns, at: int, mapped: Collection[str]) -> bool:
        """Whether there is neither context nor question, or a choice without text."""
        stem = columns["context"][at].strip() or columns["question"][at].strip()
        return not stem or not all(choice.strip() for choice in columns["choices"][at])

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Labels that are not there or out of range, and other numbers of choices than the data set has."""
        uneven = [at for at, choices in enumerate(columns["choices"]) if len(choices) != labels]
        found = review_labels(columns["label"], labels)
        return columns, [*found, Finding("wrong number of choices", uneven, drop=True)]

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No row has a label."""
        return without_labels(columns["label"])

    def passages(self, columns: Columns) -> list[str]:
        """The context; a question without one stands for itself."""
        return [context or asked for context, asked in zip(columns["context"], columns["question"], strict=True)]

    def corpus(self, columns: Columns, space: str) -> list[str]:
        """Contexts and questions, then the choices."""
        return super().corpus(columns, space) + [choice for choices in columns["choices"] for choice in choices]


ROWS = ChoiceRows(
    name="choice",
    columns=("id", "context", "question", "choices", "label"),
    texts=("context", "question"),
    required=("context", "question"),
    lists=("choices",),
    translatable=True,
)

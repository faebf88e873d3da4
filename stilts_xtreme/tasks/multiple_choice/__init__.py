"""Multiple choice: which of several texts goes with a context and a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.head_kind import HeadKind
from stilts_xtreme.tasks.format import Scorer, TaskFormat
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.multiple_choice.rows import ROWS
from stilts_xtreme.tasks.outcome import alike

if TYPE_CHECKING:
    from stilts_xtreme.models.batch import Features


class MultipleChoice(TaskFormat):
    """One choice per row, of as many as the data set has names."""

    name = "choice"
    rows = ROWS
    metrics = (METRICS["accuracy"],)
    module_path = "stilts_xtreme.tasks.multiple_choice.module:MultipleChoiceModule"
    head = HeadKind("choice", "AutoModelForMultipleChoice", grouped=True)
    hub_tag = "multiple-choice"
    tokens_per_row = 250
    wording = ""

    def guess_loss(self, features: Features, batch_size: int) -> float:
        """That of guessing among the choices of each row."""
        import numpy as np

        return float(np.log(features.units).mean())

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Whether the choice at one position is taken everywhere."""
        one = alike(answers, gold)
        return None if one is None else f"every row is given choice {one}, counted from 0"

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """Chance, overlap and words."""
        from stilts_xtreme.tasks.multiple_choice.floors import floors

        return floors(metric, train, labels)

    def gold(self, rows: Columns, labels: Sequence[str]) -> list[str]:
        """Positions of the right choices, as text."""
        return [str(label) for label in rows["label"]]

    def item_texts(self, rows: Columns, at: int) -> list[tuple[str, ...]]:
        """Context, question and the choices, counted as in the files."""
        choices = [(f"choice {n}", str(text)) for n, text in enumerate(rows["choices"][at])]
        return [*super().item_texts(rows, at), *choices]

    def in_words(self, answer: Any, right: Any, rows: Columns, at: int, found: Mapping[str, str]) -> Any:
        """The choice with its text."""
        choices = rows["choices"][at]
        known = str(answer).isdecimal() and int(answer) < len(choices)
        return f"{answer}: {choices[int(answer)]}" if known else answer

    def file_labels(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The names of the choices, or their positions."""
        return (*labels, *map(str, range(len(labels))))


FORMAT = MultipleChoice()

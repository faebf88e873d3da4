"""The dev rows of a training: the scores that weights are selected by, and what a training came to in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, TrainTask
from stilts_xtreme.core.stage import Training
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.tasks.outcome import judge
from stilts_xtreme.training.fit import Course
from stilts_xtreme.training.parents import load_rows
from stilts_xtreme.training.predict import predict


@dataclass(frozen=True)
class Asked:
    """The rows that a head is asked about.

    Attributes:
        task: The head's task.
        rows: Canonical rows in the language that is trained on.
        features: Makes their features, when they are needed.
        on: ``dev``, or ``training`` where there are no dev rows.
    """

    task: TrainTask
    rows: Columns
    features: Callable[[], Any]
    on: str


class Dev:
    """Asks the heads of a training about dev rows, with the weights of the moment.

    Args:
        cell: The cell.
        stage: The training.
        heads: Its heads, by task.
        tokenizer: The encoder's.
        trained: Training rows of each task, which stand in for dev rows that are not there.

    Raises:
        StiltsError: When dev rows are missing, and weights are selected by them or bad rows are refused.
    """

    def __init__(
        self,
        cell: Cell,
        stage: Training,
        heads: Mapping[str, HeadModule],
        tokenizer: Any,
        trained: Mapping[str, Columns],
    ):
        self.cell, self.heads, self.placebo = cell, heads, stage.placebo
        self.language = source_of(stage.tasks[0].datasets[0], cell.data).source_language
        self.asked: dict[str, Asked] = {}
        for task in stage.tasks:
            on = "dev"
            try:
                loaded = load_rows(cell, task, "validation")
            except StiltsError as error:
                if task.recipe.selects or cell.data.bad_rows == "refuse":
                    raise
                say(f"  no dev score: {error}")
                on, loaded = "training", dict(trained[task.name])
            rows = {name: values[: task.recipe.dev_rows] for name, values in loaded.items()}
            head = heads[task.name]
            if on == "dev":  # before training, which a refusal would be the end of
                made = head.features(rows, tokenizer)
                self.asked[task.name] = Asked(task, rows, lambda made=made: made, on)  # type: ignore[misc]
            else:
                self.asked[task.name] = Asked(
                    task,
                    rows,
                    lambda head=head, rows=rows: head.features(rows, tokenizer),  # type: ignore[misc]
                    on,
                )

    def scores(self) -> dict[str, float]:
        """Task -> headline score on its dev rows, in percent."""
        return {name: self._score(asked, self._answers(asked)[0]) for name, asked in self.asked.items()}

    def guesses(self, courses: Mapping[str, Course]) -> dict[str, float | None]:
        """Task -> the loss of the best guess that does not look at a row; None where it is not known.

        Args:
            courses: Task -> what it was trained on.
        """
        return {
            name: format_of(asked.task.head).guess_loss(courses[name].features, courses[name].batch_size)
            for name, asked in self.asked.items()
        }

    def outcome(
        self, losses: Mapping[str, float], guesses: Mapping[str, float | None]
    ) -> tuple[dict[str, float] | None, dict[str, dict[str, Any]]]:
        """What the training came to.

        Args:
            losses: Task -> its loss at the end of the training.
            guesses: Task -> the loss of guessing, as of :meth:`guesses`.

        Returns:
            The dev scores, None where a task has no dev rows; and for each task what :func:`tasks.outcome.judge` says,
            with ``on``, the rows that it was asked about.
        """
        scores, found = {}, {}
        for name, asked in self.asked.items():
            answers, finite = self._answers(asked)
            scores[name] = self._score(asked, answers)
            format = format_of(asked.task.head)
            said = judge(
                format,
                format.metric(asked.task.metric),
                asked.rows,
                answers,
                format.gold(asked.rows, self.heads[name].labels),
                self.language,
                losses.get(name),
                guesses[name],
                finite,
                self.placebo,
            )
            found[name] = {"on": asked.on, **said}
        complete = all(asked.on == "dev" for asked in self.asked.values())
        return scores if complete else None, found

    def _answers(self, asked: Asked) -> tuple[Any, bool]:
        """The answers, and whether all outputs are numbers."""
        head, features = self.heads[asked.task.name], asked.features()
        outputs = predict(head, features, self.cell.trainer, None)
        finite = all(np.isfinite(array).all() for array in outputs if array.dtype.kind == "f")
        return head.decode(asked.rows, features, outputs), bool(finite)

    def _score(self, asked: Asked, answers: Any) -> float:
        format = format_of(asked.task.head)
        gold = format.gold(asked.rows, self.heads[asked.task.name].labels)
        return format.metric(asked.task.metric).main_score(answers, gold, self.language)


def tell(outcome: Mapping[str, Mapping[str, Any]]) -> None:
    """Says which heads have learnt nothing.

    Args:
        outcome: As of :meth:`Dev.outcome`.
    """
    for name, said in outcome.items():
        if said["why"]:
            say(f"  {name} {said['verdict'].upper()}: on {said['on']} rows {said['why']}")

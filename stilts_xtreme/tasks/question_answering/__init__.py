"""Question answering: the answer to a question is a span of a context, or there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.checks import check, number, whole
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.models.head_kind import HeadKind
from stilts_xtreme.tasks import placebo
from stilts_xtreme.tasks.format import Scorer, TaskFormat
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.options import HeadOptions, OptionGroup
from stilts_xtreme.tasks.outcome import FEW, entropy
from stilts_xtreme.tasks.question_answering.files import read_answers, write_answers, write_squad
from stilts_xtreme.tasks.question_answering.groups import ABOUT, KINDS, LENGTHS, kind, length
from stilts_xtreme.tasks.question_answering.rows import ROWS
from stilts_xtreme.tasks.question_answering.squad import read_squad

if TYPE_CHECKING:
    from stilts_xtreme.models.batch import Features


def _checked(values: Mapping[str, Any], synthetic: bool) -> dict[str, Any]:
    whole("evaluation.n_best", values["n_best"], 1)
    longest = values["max_answer_length"]
    if longest == "auto":
        longest = 8 if synthetic else 30  # a passage of the synthetic data has some 26 sub-tokens in all
    good = isinstance(longest, int) and not isinstance(longest, bool) and longest >= 1
    check(good, "evaluation.max_answer_length", longest, "it must be auto or a whole number of at least 1")
    number("evaluation.null_threshold", values["null_threshold"], -math.inf)
    return {**values, "max_answer_length": longest}


class QuestionAnswering(TaskFormat):
    """One answer per row, filed by the row's id."""

    name = "qa"
    rows = ROWS
    metrics = tuple(METRICS[name] for name in ("squad", "squad_v2", "mlqa"))
    options = (OptionGroup("evaluation", {"n_best": 20, "max_answer_length": "auto", "null_threshold": 0.0}, _checked),)
    module_path = "stilts_xtreme.tasks.question_answering.module:QuestionAnsweringModule"
    head = HeadKind("qa", "AutoModelForQuestionAnswering")
    hub_tag = "question-answering"
    extensions = ("json",)
    tokens_per_row = 190
    wording = "its answers are places in the text, and a translation has other places"
    answers = ("answer_texts", "answer_starts")
    windows = True
    strangers_ignored = True
    groupings: Mapping[str, tuple[str, ...]] = {"length": LENGTHS, "kind": KINDS}
    groupings_about = ABOUT

    def placebo(self, rows: Columns, seed: int, name: str) -> Columns:
        """Questions with the places of other answers."""
        return placebo.exchanged_spans(rows, seed, name)

    def head_options(self, cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
        """Also the windows, and how answers are picked; only SQuAD 2.0 has questions without an answer."""
        settings = self._picking(cell)
        if metric != "squad_v2":
            settings["null_threshold"] = None
        return HeadOptions(
            max_length=recipe.max_length, stride=recipe.stride, max_query_length=recipe.max_query_length, **settings
        )

    def selection_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """How answers are picked decides which weights score best."""
        return {"evaluation": self._picking(cell)}

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """How contexts are cut into windows, and how answers are picked."""
        windows = {"stride": recipe.stride, "max_query_length": recipe.max_query_length}
        return {**super().evaluation_settings(cell, recipe), **windows, **self._picking(cell)}

    def floor_settings(self) -> dict[str, Any]:
        """How the floor ``right_type`` is counted; it was F1 alone."""
        return {"right_type": "mean of exact match and F1"}

    def _picking(self, cell: Cell) -> dict[str, Any]:
        """What turns the scores of spans into answers."""
        return {name: cell.evaluation[name] for name in self.options[0].defaults}

    def guess_loss(self, features: Features, batch_size: int) -> float:
        """That of guessing as often as it is right that a window has no answer, and evenly among its tokens else."""
        import numpy as np

        absent = features.labels["start"][1] == 0
        inside = float(np.log(np.maximum(features.lengths - 1, 1)).mean())
        return entropy(absent.tolist()) + float((~absent).mean()) * inside

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Whether no question is given an answer, or every one the same."""
        given = set(answers.values())
        missed = sum(answers.get(key, "") not in (texts or [""]) for key, texts in gold.items())
        if len(given) != 1 or missed < FEW:
            return None
        (one,) = given
        return f"every question is given the answer '{one}'" if one else "no question is given an answer"

    def constants(self, rows: Columns, gold: Any) -> list[dict[str, str]]:
        """No answer, the whole context, and its first word, everywhere."""
        contexts = dict(zip(rows["id"], rows["context"], strict=True))
        firsts = {key: context.split()[0] if context.split() else "" for key, context in contexts.items()}
        return [dict.fromkeys(gold, ""), contexts, firsts]

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """A sliding window."""
        from stilts_xtreme.tasks.question_answering.floors import floors

        return floors(metric, train, labels)

    def more_floors(
        self, metric: str, rows: Columns, language: str, rivals: Callable[[], list[list[str]] | None]
    ) -> dict[str, float]:
        """An answer of the right type at random, where it is known what is of the type."""
        from stilts_xtreme.tasks.question_answering.floors import right_type

        found = rivals()
        return {} if found is None else {"right_type": right_type(metric, rows["answer_texts"], found, language)}

    def gold(self, rows: Columns, labels: Sequence[str]) -> dict[str, list[str]]:
        """Id -> accepted answers."""
        return dict(zip(rows["id"], rows["answer_texts"], strict=True))

    def write(self, path: Path, answers: Any) -> Path:
        """``{id: text}``."""
        return write_answers(path, answers)

    def read(self, path: Path, like: Any = None) -> dict[str, str]:
        """Answers by id."""
        return read_answers(path, like)

    def write_gold(self, path: Path, rows: Columns, labels: Sequence[str]) -> Path:
        """In SQuAD's form."""
        return write_squad(path, rows)

    def read_gold(self, path: Path) -> dict[str, list[str]]:
        """Accepted answers by id."""
        return self.gold(read_squad(path), ())

    def gold_rows(self, path: Path) -> Columns | None:
        """All of them: SQuAD's form has contexts and questions."""
        return read_squad(path)

    def item_texts(self, rows: Columns, at: int) -> list[tuple[str, ...]]:
        """The question, and the context with its first answer marked."""
        context, texts, starts = (rows[name][at] for name in ("context", "answer_texts", "answer_starts"))
        parts: list[tuple[str, ...]] = [("question", rows["question"][at])]
        if texts and starts and starts[0] >= 0:
            end = starts[0] + len(texts[0])
            return [*parts, ("context", context[: starts[0]], context[starts[0] : end], context[end:])]
        return [*parts, ("context", context)]

    def groups(self, right: Sequence[str]) -> dict[str, str]:
        """By length and by kind of the answer."""
        return {"length": length(right), "kind": kind(right)}

    def withheld(self, gold: Any, labels: Collection[str], metric: str) -> str | None:
        """An answer without a character is none; only SQuAD 2.0 may have no other questions than those without one."""
        blank = [texts for texts in gold.values() if texts and not any(text.strip() for text in texts)]
        if blank:
            return f"{len(blank)} of its {len(gold)} questions have an empty answer"
        if gold and not any(gold.values()) and metric != "squad_v2":
            return f"none of its {len(gold)} questions has an answer"
        return None

    def refuse_submission(self, answers: Any, gold: Any) -> None:
        """Every question needs an answer.

        Raises:
            StiltsError: Some have none.
        """
        if len(answers) < len(gold):
            raise StiltsError(f"{len(gold) - len(answers)} of {len(gold)} questions have no answer")


FORMAT = QuestionAnswering()

"""Floors of question answering: a sliding window, and an answer of the right type at random."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median_low

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.floors.common import count_rows, spread
from stilts_xtreme.tasks.floors.overlap import sliding_window, words
from stilts_xtreme.tasks.format import Scorer
from stilts_xtreme.tasks.metrics.metric import Metric
from stilts_xtreme.tasks.metrics.question_answering import answer_scores
from stilts_xtreme.tasks.question_answering.rows import ROWS

MAX_SPAN = 30
"""Longest answer in tokens that the sliding window tries."""


def floors(metric: Metric, train: Columns, labels: Sequence[str]) -> Scorer:
    """The best window of the context, as long as the median training answer."""
    count_rows("training", ROWS, train)
    rows = spread([i for i, texts in enumerate(train["answer_texts"]) if texts])
    lengths = [len(words(train["answer_texts"][i][0])) for i in rows]
    longest = min(max(median_low(lengths), 1), MAX_SPAN) if lengths else 1

    def score(test: Columns, language: str) -> dict[str, float]:
        found = [
            (key, sliding_window(context, question, longest))
            for key, context, question in zip(test["id"], test["context"], test["question"], strict=True)
        ]
        gold = list(zip(test["id"], test["answer_texts"], strict=True))
        return {"sliding_window": metric.main_score(found, gold, language)}

    return score


def right_type(metric: str, gold: Sequence[Sequence[str]], rivals: Sequence[Sequence[str]], language: str) -> float:
    """An answer of the right type at random, in percent: the mean over everything of that type in the context.

    As every number that a table shows of questions, it is the mean of exact match and F1.

    Args:
        metric: A question answering metric.
        gold: Accepted answers of each row.
        rivals: What each row's context has of the asked type, the answer among them.
        language: Language of the rows.
    """
    means = []
    for answers, candidates in zip(gold, rivals, strict=True):
        means.append(fmean(fmean(answer_scores(metric, one, answers, language)) for one in candidates or ("",)))
    return 100 * fmean(means)

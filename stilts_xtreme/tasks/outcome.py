"""What a training came to: whether its answers show that anything was learnt. Free of torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, Protocol

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.metrics.metric import Metric

COLLAPSED, NOTHING, LEARNT, PLACEBO = "collapsed", "found nothing", "learnt", "placebo"
"""What :func:`judge` can say."""

FEW = 5
"""That so many rows with another answer are all missed is no chance; with fewer, equal answers show nothing."""

AT_GUESS = 0.98
"""A loss above this share of that of guessing is at it."""


class Judged(Protocol):
    """What a format says of answers (:class:`.format.TaskFormat`)."""

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Why answers show nothing."""

    def constants(self, rows: Columns, gold: Any) -> list[Any]:
        """Answers that are the same for all rows."""


def judge(
    format: Judged,
    metric: Metric,
    rows: Columns,
    answers: Any,
    gold: Any,
    language: str,
    loss: float | None,
    guess: float | None,
    finite: bool = True,
    placebo: bool = False,
) -> dict[str, Any]:
    """Says what a training came to, by what its model answers together with its loss.

    It *collapsed* if its loss ended at that of guessing, and its answers show nothing or score no more than the best
    answer that is the same everywhere. It *found nothing* if its answers show nothing, whatever its loss, as after a
    few steps. Otherwise it *learnt*: a loss that is high does not say by itself that nothing was learnt. A placebo is
    not meant to learn anything, so only outputs that are no numbers are held against it.

    Args:
        format: The format.
        metric: Its metric.
        rows: Rows in the language that is trained on.
        answers: Answers to them.
        gold: The right ones.
        language: That language.
        loss: The training loss at the end; None where it is not known.
        guess: The loss of the best guess that does not look at a row; None where it is not known.
        finite: Whether all outputs of the model are numbers.
        placebo: Whether the training rows had the answers of other rows.

    Returns:
        ``verdict``: one of the four; ``why`` in words, None of one that learnt and of a placebo; ``score`` and
        ``floor`` (the best answer that is the same everywhere; None where the format has none) in percent; ``loss`` and
        ``guess``.
    """
    score = metric.main_score(answers, gold, language)
    floors = [metric.main_score(same, gold, language) for same in format.constants(rows, gold)]
    floor = max(floors, default=None)
    why = format.shows_nothing(answers, gold) or _nothing_right(score, gold)
    guessing, near = False, ""
    if loss is not None and guess is not None and guess > 0:
        guessing = not loss < AT_GUESS * guess
        near = "hardly below" if f"{loss:.3g}" != f"{guess:.3g}" and loss < guess else "not below"
    if not finite:
        verdict, why = COLLAPSED, "what the model gives out are no numbers"
    elif placebo:
        verdict, why = PLACEBO, None
    elif guessing and (why or (floor is not None and score <= floor)):
        verdict = COLLAPSED
        why = why or f"it scores {score:.1f}, no more than the same answer everywhere ({floor:.1f})"
        why += f"; its loss of {loss:.3g} is {near} that of guessing ({guess:.3g})"
    else:
        verdict = NOTHING if why else LEARNT
    return {"verdict": verdict, "why": why, "score": score, "floor": floor, "loss": loss, "guess": guess}


def _nothing_right(score: float, gold: Any) -> str | None:
    return "no answer is right" if score == 0 and len(gold) >= FEW else None


def alike(answers: Iterable[Hashable], gold: Iterable[Hashable]) -> Any:
    """The answer that all rows have though at least :data:`FEW` ask for another; None where there is no such one."""
    given = set(answers)
    if len(given) != 1:
        return None
    (one,) = given
    return one if sum(right != one for right in gold) >= FEW else None


def entropy(labels: Iterable[Hashable]) -> float:
    """The entropy of labels in nats, the mean cross-entropy of guessing by how often each occurs."""
    counts = list(Counter(labels).values())
    total = sum(counts)
    return -sum(count / total * math.log(count / total) for count in counts) if total else 0.0

"""Scores item by item, for statistics that resample items: every headline is a share of two sums over items.

``100 * sum(above) / sum(below)`` over all items is the metric's headline. For an accuracy an item is a row, ``above``
is 1 where it is right, and ``below`` is 1. For F1 over chunks an item is a sentence, ``above`` is twice the chunks that
were found, and ``below`` is the chunks predicted plus the chunks in the gold tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.metrics.chunks import Sentences, check_sentences, count_chunks
from stilts_xtreme.tasks.metrics.question_answering import answer_scores
from stilts_xtreme.tasks.metrics.ranking import TOP, average_precision


@dataclass(frozen=True)
class Items:
    """What each item adds to a score.

    Attributes:
        ids: Name of each item, the same in every run over the same rows [I].
        above: What it adds to the numerator [I].
        below: What it adds to the denominator [I].
    """

    ids: Sequence[str]
    above: np.ndarray
    below: np.ndarray

    @property
    def score(self) -> float:
        """The score of all items, in percent; a share of nothing is 0."""
        total = float(self.below.sum())
        return 100.0 * float(self.above.sum()) / total if total else 0.0


def _items(ids: Sequence[Any], above: Sequence[float], below: Sequence[float] | None = None) -> Items:
    bottom = np.ones(len(ids)) if below is None else np.asarray(below, float)
    return Items([str(key) for key in ids], np.asarray(above, float), bottom)


def label_items(predictions: Sequence[Any], gold: Sequence[Any]) -> Items:
    """Rows, named by their positions.

    Raises:
        StiltsError: Other lengths.
    """
    if len(predictions) != len(gold):
        raise StiltsError(f"{len(predictions)} labels are predicted for {len(gold)} gold labels.")
    return _items(range(len(gold)), [p == g for p, g in zip(predictions, gold, strict=True)])


def chunk_items(predictions: Sentences, gold: Sentences) -> Items:
    """Sentences, named by their positions, with twice the chunks found, and the chunks predicted and gold."""
    check_sentences(predictions, gold)
    above, below, carry = [], [], (0, 0)
    for predicted, true in zip(predictions, gold, strict=True):
        found, n_predicted, n_gold, carry = count_chunks([predicted], [true], carry)
        above.append(2 * found)
        below.append(n_predicted + n_gold)
    return _items(range(len(gold)), above, below)


def token_items(predictions: Sentences, gold: Sentences) -> Items:
    """Sentences, named by their positions, with the tags that are right, and all tags."""
    check_sentences(predictions, gold)
    right = [sum(p == g for p, g in zip(ps, gs, strict=True)) for ps, gs in zip(predictions, gold, strict=True)]
    return _items(range(len(gold)), right, [len(sentence) for sentence in gold])


def answer_items(metric: str, predictions: Any, gold: Any, language: str | None) -> Items:
    """Questions, named by their ids, with the mean of exact match and F1; 0 without an answer."""
    answers, golds = dict(predictions), dict(gold)
    marks = [
        sum(answer_scores(metric, answers[key], texts, language)) / 2 if key in answers else 0.0
        for key, texts in golds.items()
    ]
    return _items(list(golds), marks)


def pair_items(predictions: Any, gold: Any) -> Items:
    """Sentences of the first corpus, named by their ids, with twice the pairs found, and the pairs predicted and gold.

    A sentence that neither side pairs is not there; it adds nothing.
    """
    found, wanted = set(predictions), set(gold)
    names = {key: n for n, key in enumerate(sorted({first for first, _ in found | wanted}))}
    above, below = np.zeros(len(names)), np.zeros(len(names))
    for first, second in found | wanted:
        n = names[first]
        above[n] += 2 * ((first, second) in found and (first, second) in wanted)
        below[n] += ((first, second) in found) + ((first, second) in wanted)
    return Items(list(names), above, below)


def query_items(predictions: Mapping[str, Sequence[str]], gold: Mapping[str, Sequence[str]]) -> Items:
    """Queries, named by their ids, with their average precision; 0 without a ranking."""
    found = [average_precision(predictions[key], ids, TOP) if key in predictions else 0.0 for key, ids in gold.items()]
    return _items(list(gold), found)

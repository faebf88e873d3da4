"""Floors of classification: the most frequent label, the overlap of the two texts, and their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.classification.rows import ROWS
from stilts_xtreme.tasks.floors.common import count_rows, trainable
from stilts_xtreme.tasks.floors.overlap import Probabilities, fit_bag, fit_numbers, overlap_features, words
from stilts_xtreme.tasks.format import Scorer
from stilts_xtreme.tasks.metrics.metric import Metric


def floors(metric: Metric, train: Columns, labels: Sequence[str]) -> Scorer:
    """The majority label, boosted trees on the overlap of the two texts, and a bag of their words."""
    count_rows("training", ROWS, train)

    def shares(columns: Columns, rows: Sequence[int]) -> list[list[float]]:
        return [overlap_features(columns["text_a"][i] or "", columns["text_b"][i] or "") for i in rows]

    def bags(columns: Columns, rows: Sequence[int]) -> list[list[str]]:
        found = []
        for i in rows:
            a, b = (dict.fromkeys(words(columns[side][i] or "")) for side in ("text_a", "text_b"))
            found.append([*(f"a {w}" for w in a), *(f"b {w}" for w in b), *(f"new {w}" for w in b if w not in a)])
        return found

    rows = trainable([i for i, label in enumerate(train["label"]) if label >= 0], "a label")
    train_labels = [int(train["label"][i]) for i in rows]
    counts = Counter(train_labels)
    # Counting costs nothing, so all labelled rows vote whatever the cap leaves out of the sample.
    votes = Counter(int(label) for label in train["label"] if label >= 0)
    majority = min(votes, key=lambda label: (-votes[label], label))

    known = sorted(counts)
    fitted: dict[str, tuple[Callable[[Columns, Sequence[int]], list[Any]], Probabilities]] = {}
    if len(known) > 1:
        fitted["overlap"] = shares, fit_numbers(shares(train, rows), train_labels)
        fitted["bag_of_words"] = bags, fit_bag(bags(train, rows), train_labels)

    def score(test: Columns, language: str) -> dict[str, float]:
        gold, every = test["label"], range(len(test["label"]))
        scores = {"majority": metric.main_score([majority] * len(gold), gold, language)}
        for name, (features, probabilities) in fitted.items():
            likeliest = probabilities(features(test, every)).argmax(axis=1)
            scores[name] = metric.main_score([known[i] for i in likeliest], gold, language)
        return scores

    return score

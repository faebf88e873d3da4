"""Floors of tagging: the most frequent tag, and that of each training word."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.floors.common import count_rows, trainable
from stilts_xtreme.tasks.format import Scorer
from stilts_xtreme.tasks.metrics.metric import Metric
from stilts_xtreme.tasks.tagging.rows import ROWS


def _check_tags(side: str, columns: Columns, labels: Sequence[str]) -> None:
    uneven = [i for i, (a, b) in enumerate(zip(columns["tokens"], columns["tags"], strict=True)) if len(a) != len(b)]
    if uneven:
        raise StiltsError(f"{len(uneven)} {side} sentences have unequal tokens and tags, first row {uneven[0]}.")
    bad = sum(tag >= len(labels) for tags in columns["tags"] for tag in tags)
    if bad:
        raise StiltsError(f"{bad} {side} tags are beyond the {len(labels)} label names.")


def floors(metric: Metric, train: Columns, labels: Sequence[str]) -> Scorer:
    """The most frequent tag everywhere, and the most frequent tag of each training word."""
    count_rows("training", ROWS, train)
    _check_tags("training", train, labels)
    rows = trainable([i for i, tags in enumerate(train["tags"]) if any(tag >= 0 for tag in tags)], "tags")
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for i in rows:
        for token, tag in zip(train["tokens"][i], train["tags"][i], strict=True):
            if tag >= 0:
                votes[token][tag] += 1

    def winner(counts: Counter[int]) -> str:
        return labels[min(counts, key=lambda tag: (-counts[tag], tag))]

    majority = winner(sum(votes.values(), Counter()))
    lexicon = {token: winner(counts) for token, counts in votes.items()}

    def score(test: Columns, language: str) -> dict[str, float]:
        _check_tags("test", test, labels)
        withheld = sum(tag < 0 for tags in test["tags"] for tag in tags)
        if withheld:
            raise StiltsError(f"{withheld} test tags are withheld (below 0), so they cannot be scored.")
        gold = [[labels[tag] for tag in tags] for tags in test["tags"]]
        tagged = [[lexicon.get(token, majority) for token in tokens] for tokens in test["tokens"]]
        return {
            "majority": metric.main_score([[majority] * len(tags) for tags in gold], gold, language),
            "lexicon": metric.main_score(tagged, gold, language),
        }

    return score

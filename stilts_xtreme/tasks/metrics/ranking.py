"""Average precision of ranked candidates."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence

from stilts_xtreme.core.errors import StiltsError

log = logging.getLogger(__name__)

TOP = 20
"""Candidates that XTREME-R looks at: LAReQA and Mewsli-X are scored by mAP@20 (Ruder et al. 2021)."""


def average_precision(ranked: Sequence[str], gold: Collection[str], k: int | None = None) -> float:
    """Average precision of one query as ``utils_lareqa.py`` of XTREME-R defines it.

    The precisions at the ranks of right candidates, summed and divided by the number of right ones that could be in the
    first ``k``. A candidate that occurs again is passed over but keeps its rank. With a single right candidate this is
    the reciprocal of its rank, which is what ``utils_mewslix.py`` computes.

    Args:
        ranked: Ids of candidates, the best first.
        gold: Ids of the right ones, at least one.
        k: Ranks that count; None for all.

    Returns:
        A share of 1.
    """
    right, seen, total = set(gold), set(), 0.0
    for rank, candidate in enumerate(ranked[:k], 1):
        if candidate in right and candidate not in seen:
            seen.add(candidate)
            total += len(seen) / rank
    return total / (min(len(right), k) if k else len(right))


def rank_c(one: Sequence[str], other: Sequence[str]) -> float:
    """RankC of two rankings of the same candidates (Qi et al. 2023, EMNLP): how alike they are, right or wrong.

    The shares of candidates that both have among their first j, for every j, weighted by a softmax over N - j: the
    first rank has 63 %. So in the authors' code (``1_easyrun/RankC.py`` of Betswish/Cross-Lingual-Consistency, read).
    Ranks after the twentieth add less than 1e-8, so that rankings may be cut there.

    Args:
        one: Ids of candidates, the best first.
        other: The same; N is the length of the shorter one.

    Returns:
        From 0, no candidate in common, to 1, the same order. An empty ranking has nothing in common with any.
    """
    count = min(len(one), len(other))
    weights = [math.exp(-rank) for rank in range(count)]
    first, second, total = set[str](), set[str](), 0.0
    for rank, (left, right) in enumerate(zip(one, other, strict=False)):
        first.add(left)
        second.add(right)
        total += weights[rank] * len(first & second) / (rank + 1)
    return total / sum(weights) if count else 0.0


def chance_precision(right: int, candidates: int, k: int) -> float:
    """The expected :func:`average_precision` at ``k`` of candidates in random order.

    The candidate at a rank is right with probability R / N; each of the ranks before it is then with probability
    (R - 1) / (N - 1).

    Args:
        right: How many are right (R), at least one.
        candidates: How many there are (N).
        k: Ranks that count.

    Returns:
        A share of 1.
    """
    among = (right - 1) / (candidates - 1) if candidates > 1 else 0.0
    precisions = sum((1 + (rank - 1) * among) / rank for rank in range(1, min(k, candidates) + 1))
    return right / candidates * precisions / min(right, k)


def whole_average_precision(ranks: Sequence[Sequence[int]], gold: Sequence[Collection[str]]) -> float:
    """Mean average precision over whole rankings, LAReQA's own metric (Roy et al. 2020).

    Args:
        ranks: For each query the ranks of its right candidates, counted from 1.
        gold: For each query the ids of all that are right; one without a rank adds nothing.

    Returns:
        A share of 1.
    """
    total = 0.0
    for found, right in zip(ranks, gold, strict=True):
        total += sum(n / rank for n, rank in enumerate(sorted(found), 1)) / len(set(right))
    return total / len(ranks)


def map_at_20(predictions: Mapping[str, Sequence[str]], gold: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Mean average precision over the first 20 candidates.

    Args:
        predictions: Query id -> ids of candidates, the best first. A query without a ranking scores 0, a ranking of no
            query is ignored, both as in the official script; both are logged.
        gold: Query id -> ids of the right candidates.

    Returns:
        ``map_at_20`` in percent.

    Raises:
        StiltsError: No queries, a query without a right candidate, or anything but mappings.
    """
    for side, rows in (("predicted", predictions), ("gold", gold)):
        if not isinstance(rows, Mapping) and rows:
            raise StiltsError(f"The {side} candidates have no ids; a mapping from the ids of queries is needed.")
    if not gold:
        raise StiltsError("There are 0 queries to score.")
    empty = [key for key, ids in gold.items() if not ids]
    if empty:
        raise StiltsError(f"{len(empty)} of {len(gold)} queries have no right candidate, first '{empty[0]}'.")
    missing, extra = gold.keys() - predictions.keys(), predictions.keys() - gold.keys()
    if missing:
        log.warning("%d of %d queries have no ranking and score 0.", len(missing), len(gold))
    if extra:
        log.warning("%d rankings belong to no query and are ignored.", len(extra))
    total = sum(average_precision(predictions[key], ids, TOP) for key, ids in gold.items() if key in predictions)
    return {"map_at_20": 100.0 * total / len(gold)}

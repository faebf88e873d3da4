"""Scores that need no model, printed beside every result: what counting, copying and string overlap reach.

Each floor learns at most from the English training rows and is deterministic. Where there are more than
:data:`TRAIN_CAP` usable training rows, that many are taken at equal steps through the file; only the majority label of
classification counts all rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import median_low

import numpy as np

from stilts_xtreme.data.bitext import ENGLISH, FOREIGN
from stilts_xtreme.data.schema import FORMATS, Columns
from stilts_xtreme.errors import StiltsError, unknown
from stilts_xtreme.metrics.overlap import (
    fit_logistic,
    nearest,
    overlap_features,
    share,
    sliding_window,
    trigrams,
    words,
)
from stilts_xtreme.metrics.scores import METRICS, headline

TRAIN_CAP = 5000
"""Training rows a floor learns from at most."""

MAX_SPAN = 30
"""Longest answer in tokens that the sliding window tries."""

BITEXT_CAP = 500_000_000
"""Pairs of sentences that the floor of bitext mining compares at most: minutes on one core."""

METRICS_OF: Mapping[str, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "choice": ("accuracy",),
    "tagging": ("chunk_f1", "pos_f1", "token_accuracy"),
    "qa": ("squad", "squad_v2", "mlqa"),
    "retrieval": ("retrieval_accuracy", "accuracy"),
    "bitext": ("bitext_f1",),
}
"""Format -> metrics that can score it."""


def _spread(rows: Sequence[int]) -> list[int]:
    if len(rows) <= TRAIN_CAP:
        return list(rows)
    return [rows[i * len(rows) // TRAIN_CAP] for i in range(TRAIN_CAP)]


def _columns(side: str, format: str, columns: Columns) -> int:
    lacking = [name for name in FORMATS[format] if name not in columns]
    if lacking:
        raise StiltsError(f"The {side} rows lack {len(lacking)} columns: {', '.join(lacking)}.")
    sizes = {name: len(columns[name]) for name in FORMATS[format]}
    if len(set(sizes.values())) > 1:
        raise StiltsError(f"The {side} columns have other lengths: {sizes}.")
    return next(iter(sizes.values()))


def _trainable(rows: Sequence[int], what: str) -> list[int]:
    if not rows:
        raise StiltsError(f"The floors need training rows with {what}; there are 0.")
    return _spread(rows)


def _classification(
    metric: str, train: Columns, test: Columns, labels: Sequence[str], language: str
) -> dict[str, float]:
    def features(columns: Columns, rows: Sequence[int]) -> np.ndarray:
        pairs = ((columns["text_a"][i] or "", columns["text_b"][i] or "") for i in rows)
        return np.array([overlap_features(a, b) for a, b in pairs], dtype=float).reshape(len(rows), 4)

    rows = _trainable([i for i, label in enumerate(train["label"]) if label >= 0], "a label")
    gold = test["label"]
    train_labels = [int(train["label"][i]) for i in rows]
    counts = Counter(train_labels)
    # Counting costs nothing, so all labelled rows vote whatever the cap leaves out of the sample.
    votes = Counter(int(label) for label in train["label"] if label >= 0)
    majority = min(votes, key=lambda label: (-votes[label], label))

    known = sorted(counts)
    x = features(train, rows)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1.0

    def design(raw: np.ndarray) -> np.ndarray:
        return np.hstack([(raw - mean) / spread, np.ones((len(raw), 1))])

    weights = fit_logistic(design(x), np.array([known.index(label) for label in train_labels]), len(known))
    found = (design(features(test, range(len(gold)))) @ weights).argmax(axis=1)
    return {
        "majority": _headline(metric, [majority] * len(gold), gold, language),
        "overlap": _headline(metric, [known[i] for i in found], gold, language),
    }


def _choice(metric: str, train: Columns, test: Columns, labels: Sequence[str], language: str) -> dict[str, float]:
    none = [i for i, choices in enumerate(test["choices"]) if not choices]
    if none:
        raise StiltsError(f"{len(none)} of {len(test['choices'])} rows have no choices, first row {none[0]}.")
    found = []
    for context, question, choices in zip(test["context"], test["question"], test["choices"], strict=True):
        text = f"{context or ''} {question or ''}"
        in_words, in_trigrams = set(words(text)), set(trigrams(text))
        values = []
        for choice in choices:
            own, pieces = words(choice), trigrams(choice)
            word_share = share(sum(w in in_words for w in own), len(own))
            values.append((word_share, share(sum(p in in_trigrams for p in pieces), len(pieces))))
        found.append(values.index(max(values)))
    chance = 100.0 * sum(1 / len(choices) for choices in test["choices"]) / max(len(test["choices"]), 1)
    return {"chance": chance, "overlap": _headline(metric, found, test["label"], language)}


def _tagging(metric: str, train: Columns, test: Columns, labels: Sequence[str], language: str) -> dict[str, float]:
    for side, columns in (("training", train), ("test", test)):
        uneven = [
            i for i, (a, b) in enumerate(zip(columns["tokens"], columns["tags"], strict=True)) if len(a) != len(b)
        ]
        if uneven:
            raise StiltsError(f"{len(uneven)} {side} sentences have unequal tokens and tags, first row {uneven[0]}.")
        bad = sum(tag >= len(labels) for tags in columns["tags"] for tag in tags)
        if bad:
            raise StiltsError(f"{bad} {side} tags are beyond the {len(labels)} label names.")
    withheld = sum(tag < 0 for tags in test["tags"] for tag in tags)
    if withheld:
        raise StiltsError(f"{withheld} test tags are withheld (below 0), so they cannot be scored.")
    rows = _trainable([i for i, tags in enumerate(train["tags"]) if any(tag >= 0 for tag in tags)], "tags")
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for i in rows:
        for token, tag in zip(train["tokens"][i], train["tags"][i], strict=True):
            if tag >= 0:
                votes[token][tag] += 1

    def winner(counts: Counter[int]) -> str:
        return labels[min(counts, key=lambda tag: (-counts[tag], tag))]

    majority = winner(sum(votes.values(), Counter()))
    lexicon = {token: winner(counts) for token, counts in votes.items()}
    gold = [[labels[tag] for tag in tags] for tags in test["tags"]]
    return {
        "majority": _headline(metric, [[majority] * len(tags) for tags in gold], gold, language),
        "lexicon": _headline(
            metric, [[lexicon.get(token, majority) for token in tokens] for tokens in test["tokens"]], gold, language
        ),
    }


def _qa(metric: str, train: Columns, test: Columns, labels: Sequence[str], language: str) -> dict[str, float]:
    rows = _spread([i for i, texts in enumerate(train["answer_texts"]) if texts])
    lengths = [len(words(train["answer_texts"][i][0])) for i in rows]
    longest = min(max(median_low(lengths), 1), MAX_SPAN) if lengths else 1
    found = [
        (key, sliding_window(context, question, longest))
        for key, context, question in zip(test["id"], test["context"], test["question"], strict=True)
    ]
    return {
        "sliding_window": _headline(metric, found, list(zip(test["id"], test["answer_texts"], strict=True)), language)
    }


def _retrieval(metric: str, train: Columns, test: Columns, labels: Sequence[str], language: str) -> dict[str, float]:
    n = len(test["text_a"])
    found = nearest(test["text_b"], test["text_a"])
    return {"tfidf": _headline(metric, found, list(range(n)), language), "chance": 100.0 / n}


def _bitext(metric: str, train: Columns, test: Columns, labels: Sequence[str], language: str) -> dict[str, float]:
    sides: dict[str, list[int]] = {FOREIGN: [], ENGLISH: []}
    for at, side in enumerate(test["side"]):
        sides[side].append(at)
    if len(sides[FOREIGN]) * len(sides[ENGLISH]) > BITEXT_CAP:
        return {}
    texts = {side: [test["text"][at] for at in rows] for side, rows in sides.items()}
    forward = nearest(texts[FOREIGN], texts[ENGLISH])
    back = nearest(texts[ENGLISH], texts[FOREIGN])
    found = [
        (test["id"][sides[FOREIGN][one]], test["id"][sides[ENGLISH][other]])
        for one, other in enumerate(forward)
        if back[other] == one
    ]
    gold = [(key, other) for key, others in zip(test["id"], test["gold"], strict=True) for other in others]
    return {"tfidf": _headline(metric, found, gold, language)}


def _headline(metric: str, predictions: object, gold: object, language: str) -> float:
    return headline(metric, METRICS[metric].score(predictions, gold, language))


_FLOORS: Mapping[str, Callable[[str, Columns, Columns, Sequence[str], str], dict[str, float]]] = {
    "classification": _classification,
    "choice": _choice,
    "tagging": _tagging,
    "qa": _qa,
    "retrieval": _retrieval,
    "bitext": _bitext,
}


def floors(
    format: str, metric: str, train: Columns, test: Columns, labels: Sequence[str], language: str
) -> dict[str, float]:
    """Headline scores on test rows that need no model.

    ==============  ===================================================================================================
    format          floors
    ==============  ===================================================================================================
    classification  ``majority`` (most frequent training label), ``overlap`` (logistic regression on
                    :func:`.overlap_features`, fitted on the English training rows)
    choice          ``chance`` (mean of 1 / number of choices), ``overlap`` (the choice with the largest share of
                    words, then of trigrams, in context and question)
    tagging         ``majority`` (the most frequent training tag everywhere), ``lexicon`` (the most frequent tag of the
                    training word, else the majority)
    qa              ``sliding_window`` (:func:`.sliding_window`, spans up to the median training answer in words)
    retrieval       ``tfidf`` (:func:`.nearest`, from English text_b to text_a), ``chance`` (100 / rows)
    bitext          ``tfidf`` (sentences that are each other's nearest by :func:`.nearest`); none where the two corpora
                    have more than :data:`BITEXT_CAP` pairs of sentences
    ==============  ===================================================================================================

    Args:
        format: A key of :data:`METRICS_OF`.
        metric: One of its metrics.
        train: English training rows; ``choice``, ``retrieval`` and ``bitext`` do not look at them.
        test: Test rows in one language.
        labels: Label names in canonical order; only ``tagging`` needs them.
        language: Language of the test rows; only the metric ``mlqa`` looks at it.

    Returns:
        Floor -> headline score in percent.

    Raises:
        StiltsError: Unknown format or metric, malformed columns, no test rows, withheld test labels, or no training
            rows where labels are counted.
    """
    if format not in METRICS_OF:
        raise unknown("format", format, METRICS_OF)
    if metric not in METRICS_OF[format]:
        raise unknown("metric", metric, METRICS_OF[format])
    if not _columns("test", format, test):
        raise StiltsError("There are 0 test rows to score.")
    if format not in ("choice", "retrieval", "bitext"):
        _columns("training", format, train)
    return _FLOORS[format](metric, train, test, labels, language)

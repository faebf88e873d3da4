"""Scores that need no model, printed beside every result: what counting, copying and string overlap reach.

Each floor learns at most from the English training rows and is deterministic. Where there are more than
:data:`TRAIN_CAP` usable training rows, that many are taken at equal steps through the file; only the majority label of
classification counts all rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median_low
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import FORMATS, Columns
from stilts_xtreme.data.readers.bitext import ENGLISH, FOREIGN
from stilts_xtreme.tasks.floors.overlap import (
    Probabilities,
    TfIdf,
    fit_bag,
    fit_numbers,
    nearest,
    overlap_features,
    share,
    sliding_window,
    trigrams,
    words,
)
from stilts_xtreme.tasks.metrics.question_answering import answer_scores
from stilts_xtreme.tasks.metrics.ranking import TOP, chance_precision
from stilts_xtreme.tasks.metrics.scores import METRICS, headline

TRAIN_CAP = 5000
"""Training rows a floor learns from at most."""

MAX_SPAN = 30
"""Longest answer in tokens that the sliding window tries."""

Scorer = Callable[[Columns, str], dict[str, float]]
"""Scores the floors on test rows in a language."""

BITEXT_CAP = 500_000_000
"""Pairs of texts that the floors of bitext mining and ranking compare at most: minutes on one core."""

METRICS_OF: Mapping[str, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "choice": ("accuracy",),
    "tagging": ("chunk_f1", "pos_f1", "token_accuracy"),
    "qa": ("squad", "squad_v2", "mlqa"),
    "retrieval": ("retrieval_accuracy", "accuracy"),
    "bitext": ("bitext_f1",),
    "ranking": ("map_at_20",),
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


def _classification(metric: str, train: Columns, labels: Sequence[str]) -> Scorer:
    def shares(columns: Columns, rows: Sequence[int]) -> list[list[float]]:
        return [overlap_features(columns["text_a"][i] or "", columns["text_b"][i] or "") for i in rows]

    def bags(columns: Columns, rows: Sequence[int]) -> list[list[str]]:
        found = []
        for i in rows:
            a, b = (dict.fromkeys(words(columns[side][i] or "")) for side in ("text_a", "text_b"))
            found.append([*(f"a {w}" for w in a), *(f"b {w}" for w in b), *(f"new {w}" for w in b if w not in a)])
        return found

    rows = _trainable([i for i, label in enumerate(train["label"]) if label >= 0], "a label")
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
        scores = {"majority": _headline(metric, [majority] * len(gold), gold, language)}
        for name, (features, probabilities) in fitted.items():
            likeliest = probabilities(features(test, every)).argmax(axis=1)
            scores[name] = _headline(metric, [known[i] for i in likeliest], gold, language)
        return scores

    return score


def _choice(metric: str, train: Columns, labels: Sequence[str]) -> Scorer:
    rows = _spread([i for i, label in enumerate(train.get("label", ())) if label >= 0])
    bags = [words(choice) for i in rows for choice in train["choices"][i]]
    right = [int(at == train["label"][i]) for i in rows for at in range(len(train["choices"][i]))]
    probabilities = fit_bag(bags, right) if len(set(right)) > 1 else None

    def score(test: Columns, language: str) -> dict[str, float]:
        none = [i for i, choices in enumerate(test["choices"]) if not choices]
        if none:
            raise StiltsError(f"{len(none)} of {len(test['choices'])} rows have no choices, first row {none[0]}.")
        found, likeliest = [], []
        for context, question, choices in zip(test["context"], test["question"], test["choices"], strict=True):
            text = f"{context or ''} {question or ''}"
            in_words, in_trigrams = set(words(text)), set(trigrams(text))
            values = []
            for choice in choices:
                own, pieces = words(choice), trigrams(choice)
                word_share = share(sum(w in in_words for w in own), len(own))
                values.append((word_share, share(sum(p in in_trigrams for p in pieces), len(pieces))))
            found.append(values.index(max(values)))
            if probabilities is not None:
                likeliest.append(int(probabilities([words(choice) for choice in choices])[:, 1].argmax()))
        chance = 100.0 * sum(1 / len(choices) for choices in test["choices"]) / max(len(test["choices"]), 1)
        scores = {"chance": chance, "overlap": _headline(metric, found, test["label"], language)}
        if probabilities is not None:
            scores["bag_of_words"] = _headline(metric, likeliest, test["label"], language)
        return scores

    return score


def _check_tags(side: str, columns: Columns, labels: Sequence[str]) -> None:
    uneven = [i for i, (a, b) in enumerate(zip(columns["tokens"], columns["tags"], strict=True)) if len(a) != len(b)]
    if uneven:
        raise StiltsError(f"{len(uneven)} {side} sentences have unequal tokens and tags, first row {uneven[0]}.")
    bad = sum(tag >= len(labels) for tags in columns["tags"] for tag in tags)
    if bad:
        raise StiltsError(f"{bad} {side} tags are beyond the {len(labels)} label names.")


def _tagging(metric: str, train: Columns, labels: Sequence[str]) -> Scorer:
    _check_tags("training", train, labels)
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

    def score(test: Columns, language: str) -> dict[str, float]:
        _check_tags("test", test, labels)
        withheld = sum(tag < 0 for tags in test["tags"] for tag in tags)
        if withheld:
            raise StiltsError(f"{withheld} test tags are withheld (below 0), so they cannot be scored.")
        gold = [[labels[tag] for tag in tags] for tags in test["tags"]]
        tagged = [[lexicon.get(token, majority) for token in tokens] for tokens in test["tokens"]]
        return {
            "majority": _headline(metric, [[majority] * len(tags) for tags in gold], gold, language),
            "lexicon": _headline(metric, tagged, gold, language),
        }

    return score


def _qa(metric: str, train: Columns, labels: Sequence[str]) -> Scorer:
    rows = _spread([i for i, texts in enumerate(train["answer_texts"]) if texts])
    lengths = [len(words(train["answer_texts"][i][0])) for i in rows]
    longest = min(max(median_low(lengths), 1), MAX_SPAN) if lengths else 1

    def score(test: Columns, language: str) -> dict[str, float]:
        found = [
            (key, sliding_window(context, question, longest))
            for key, context, question in zip(test["id"], test["context"], test["question"], strict=True)
        ]
        gold = list(zip(test["id"], test["answer_texts"], strict=True))
        return {"sliding_window": _headline(metric, found, gold, language)}

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


def _retrieval(metric: str, train: Columns, labels: Sequence[str]) -> Scorer:
    def score(test: Columns, language: str) -> dict[str, float]:
        n = len(test["text_a"])
        found = nearest(test["text_b"], test["text_a"])
        return {"tfidf": _headline(metric, found, list(range(n)), language), "chance": 100.0 / n}

    return score


def _bitext(metric: str, train: Columns, labels: Sequence[str]) -> Scorer:
    def score(test: Columns, language: str) -> dict[str, float]:
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

    return score


def _ranking(metric: str, candidates: Columns) -> Scorer:
    ids = candidates["id"]
    index: TfIdf | None = None

    def score(test: Columns, language: str) -> dict[str, float]:
        nonlocal index
        gold = dict(zip(test["id"], test["gold"], strict=True))
        scores = {"chance": 100.0 * fmean(chance_precision(len(set(right)), len(ids), TOP) for right in gold.values())}
        if len(gold) * len(ids) > BITEXT_CAP:
            return scores
        index = index or TfIdf(candidates["text"])
        found = {
            key: [ids[at] for at in index.first(query, TOP)]
            for key, query in zip(test["id"], test["query"], strict=True)
        }
        return {"tfidf": _headline(metric, found, gold, language), **scores}

    return score


def _headline(metric: str, predictions: object, gold: object, language: str) -> float:
    return headline(metric, METRICS[metric].score(predictions, gold, language))


_FLOORS: Mapping[str, Callable[[str, Columns, Sequence[str]], Scorer]] = {
    "classification": _classification,
    "choice": _choice,
    "tagging": _tagging,
    "qa": _qa,
    "retrieval": _retrieval,
    "bitext": _bitext,
}


def fit(format: str, metric: str, train: Columns, labels: Sequence[str], candidates: Columns | None = None) -> Scorer:
    """Learns the floors of a format from English training rows.

    ==============  ===================================================================================================
    format          floors
    ==============  ===================================================================================================
    classification  ``majority`` (most frequent training label), ``overlap`` (boosted trees on
                    :func:`.overlap_features`), ``bag_of_words`` (logistic regression on the words of both texts, and on
                    those of the second that the first lacks)
    choice          ``chance`` (mean of 1 / number of choices), ``overlap`` (the choice with the largest share of
                    words, then of trigrams, in context and question), ``bag_of_words`` (logistic regression on the
                    words of a choice alone; only with training rows)
    tagging         ``majority`` (the most frequent training tag everywhere), ``lexicon`` (the most frequent tag of the
                    training word, else the majority)
    qa              ``sliding_window`` (:func:`.sliding_window`, spans up to the median training answer in words)
    retrieval       ``tfidf`` (:func:`.nearest`, from English text_b to text_a), ``chance`` (100 / rows)
    bitext          ``tfidf`` (sentences that are each other's nearest by :func:`.nearest`); none where the two corpora
                    have more than :data:`BITEXT_CAP` pairs of sentences
    ranking         ``tfidf`` (:class:`.TfIdf`, from query to text; none where queries and candidates are more than
                    :data:`BITEXT_CAP` pairs), ``chance`` (what candidates in random order score on average)
    ==============  ===================================================================================================

    Args:
        format: A key of :data:`METRICS_OF`.
        metric: One of its metrics.
        train: English training rows; ``retrieval``, ``bitext`` and ``ranking`` do not look at them.
        labels: Label names in canonical order; only ``tagging`` needs them.
        candidates: What a ``ranking`` ranks.

    Returns:
        A function of test rows and their language: floor -> headline score in percent. It raises a StiltsError for
        malformed columns, no test rows, or withheld test labels.

    Raises:
        StiltsError: Unknown format or metric, malformed columns, or no training rows where labels are counted.
    """
    if format not in METRICS_OF:
        raise unknown("format", format, METRICS_OF)
    if metric not in METRICS_OF[format]:
        raise unknown("metric", metric, METRICS_OF[format])
    if format not in ("retrieval", "bitext", "ranking") and (train or format != "choice"):
        _columns("training", format, train)
    if format == "ranking":
        scorer = _ranking(metric, candidates or {})
    else:
        scorer = _FLOORS[format](metric, train, labels)

    def score(test: Columns, language: str) -> dict[str, float]:
        if not _columns("test", format, test):
            raise StiltsError("There are 0 test rows to score.")
        return scorer(test, language)

    return score

"""The synthetic tasks are not solved by counting words, by one sentence alone or by the choices alone."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from stilts_xtreme.data.synthetic import World, labels, rows

Rule = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


def overlap(first: str, second: str) -> list[float]:
    """Counts that need no knowledge of the words: how many are shared, how many pairs of neighbours are."""
    a, b = first.split(), second.split()
    pairs_a, pairs_b = set(itertools.pairwise(a)), set(itertools.pairwise(b))
    counts = [
        len(a),
        len(b),
        len(set(a) & set(b)),
        len(set(b) - set(a)),
        len(pairs_a & pairs_b),
        len(pairs_b - pairs_a),
    ]
    return [float(count) for count in counts]


def nearest_profile(train: np.ndarray, answers: np.ndarray, test: np.ndarray, classes: int) -> np.ndarray:
    """Predicts the most frequent label of the same counts in training, the strongest rule on counts alone."""
    table: dict[tuple[float, ...], np.ndarray] = {}
    # Lengths are left out of the key: with them most profiles of the test rows would not have been seen.
    for features, answer in zip(train, answers, strict=True):
        table.setdefault(tuple(features[2:]), np.zeros(classes))[answer] += 1
    return np.array([table.get(tuple(features[2:]), np.ones(classes)).argmax() for features in test])


def logistic(train: np.ndarray, answers: np.ndarray, test: np.ndarray, classes: int) -> np.ndarray:
    """Predicts by logistic regression, fitted by 200 steps of Adam with a small penalty on the weights."""
    truth = np.eye(classes, dtype=np.float32)[answers]
    weights = np.zeros((train.shape[1], classes), np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, 201):
        scores = train @ weights
        likely = np.exp(scores - scores.max(1, keepdims=True))
        likely /= likely.sum(1, keepdims=True)
        slope = train.T @ (likely - truth) / len(train) + 0.002 * weights
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope**2
        weights -= 0.05 * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return (test @ weights).argmax(1)


@cache
def halves(dataset: str) -> tuple[dict[str, list], dict[str, list]]:
    """Training and validation rows to measure floors on."""
    world = World(train=4000, validation=1000, test=20)
    return rows(world, dataset, "train", "qaa"), rows(world, dataset, "validation", "qaa")


# What a rule on the surface may reach. Three standard errors of 1000 rows are 4.5 (three labels) or 4.7 points (two).
COUNTS = [("mnli", 0.54), ("xnli", 0.54), ("snli", 0.57), ("anli", 0.50), ("qqp", 0.61), ("paws_x", 0.74)]


ALONE = [("mnli", 0.45), ("xnli", 0.45), ("snli", 0.45), ("anli", 0.39), ("qqp", 0.60), ("paws_x", 0.68)]


@pytest.mark.parametrize("dataset", [name for name, _ in COUNTS])
def test_the_majority_label_is_chance(dataset: str) -> None:
    train, dev = halves(dataset)
    share = 1 / len(labels(dataset))
    hits = np.mean(np.array(dev["label"]) == np.bincount(train["label"]).argmax())
    assert abs(hits - share) < 4 * np.sqrt(share * (1 - share) / len(dev["label"]))


@pytest.mark.parametrize("rule", [nearest_profile, logistic])
@pytest.mark.parametrize(("dataset", "bound"), COUNTS)
def test_word_overlap_alone_does_not_give_the_label(dataset: str, bound: float, rule: Rule) -> None:
    train, dev = halves(dataset)
    features = [np.array([overlap(*pair) for pair in zip(c["text_a"], c["text_b"], strict=True)]) for c in (train, dev)]
    if rule is logistic:
        # One weight for each value of each count.
        features = [
            np.concatenate([np.eye(25, dtype=np.float32)[column.astype(int).clip(0, 24)] for column in part.T], axis=1)
            for part in features
        ]
    guess = rule(features[0], np.array(train["label"]), features[1], len(labels(dataset)))
    accuracy = float(np.mean(guess == np.array(dev["label"])))
    assert 1 / len(labels(dataset)) - 0.06 < accuracy < bound


@pytest.mark.parametrize(("dataset", "bound"), ALONE)
def test_the_second_sentence_alone_does_not_give_the_label(dataset: str, bound: float) -> None:
    train, dev = halves(dataset)
    places: dict[str, int] = {}
    for text in train["text_b"]:
        for word in text.split():
            places.setdefault(word, len(places))
    features = [np.zeros((len(part["text_b"]), len(places)), np.float32) for part in (train, dev)]
    for part, texts in zip(features, (train["text_b"], dev["text_b"]), strict=True):
        for i, text in enumerate(texts):
            part[i, [places[word] for word in text.split() if word in places]] = 1
    guess = logistic(features[0], np.array(train["label"]), features[1], len(labels(dataset)))
    assert np.mean(guess == np.array(dev["label"])) < bound


CHOICES = [("hellaswag", 0.36), ("cosmos_qa", 0.30), ("commonsense_qa", 0.30), ("copa", 0.56), ("siqa", 0.39)]


@pytest.mark.parametrize(("dataset", "bound"), CHOICES)
def test_choices_alone_do_not_give_the_right_one(dataset: str, bound: float) -> None:
    train, dev = halves(dataset)

    def parts(choice: str) -> set[tuple[str, ...]]:
        words = sorted(set(choice.rstrip(".").split()))
        return {*itertools.combinations(words, 2), *((word,) for word in words)}

    right: Counter[tuple[str, ...]] = Counter()
    seen: Counter[tuple[str, ...]] = Counter()
    for choices, label in zip(train["choices"], train["label"], strict=True):
        for i, choice in enumerate(choices):
            seen.update(parts(choice))
            right.update(parts(choice) if i == label else ())
    share = 1 / len(labels(dataset))

    def score(choice: str) -> float:
        return float(sum(np.log((right[part] + 4 * share) / (seen[part] + 4)) for part in parts(choice) & seen.keys()))

    guess = [int(np.argmax([score(choice) for choice in choices])) for choices in dev["choices"]]
    assert np.mean(np.array(guess) == np.array(dev["label"])) < bound


def test_the_logistic_rule_finds_what_is_there() -> None:
    generator = np.random.default_rng(0)
    points = generator.random((3000, 20), dtype=np.float32)
    answers = (points[:, 0] > points[:, 1]).astype(int) + (points[:, 0] > points[:, 2])
    assert np.mean(logistic(points[:2000], answers[:2000], points[2000:], 3) == answers[2000:]) > 0.75

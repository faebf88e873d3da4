"""Overlap of two texts, without a model and in any script: words, trigrams, windows and tf-idf neighbours."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import log, log1p
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

# Thai, Lao, Myanmar, Khmer, kana and ideographs are written without spaces between words.
_NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\uaa60-\uaa7f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)


@lru_cache(maxsize=1)
def _word_pattern() -> re.Pattern[str]:
    """Words: letters, digits and the marks on them; in scripts without spaces one character with its marks."""
    # \w leaves out combining marks, which would cut every Devanagari or Thai word at its vowel signs.
    points = [n for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n))[0] == "M"]
    runs: list[list[int]] = []
    for n in points:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    # Zero-width joiners shape a word and do not end it.
    marks = "".join(f"{chr(a)}-{chr(b)}" for a, b in runs) + "\u200c\u200d"
    return re.compile(f"[{_NO_SPACES}][{marks}]*|(?:[^\\W_{_NO_SPACES}]|[{marks}])+")


def fold(text: str) -> str:
    """Folds case and compatibility forms."""
    return unicodedata.normalize("NFKC", text).casefold()


def words(text: str) -> list[str]:
    """The words of a text, case and compatibility forms folded; characters where a script has no spaces."""
    # Folded one by one: folding the text first could move a mark to another word (Thai sara am).
    return [fold(word) for word in _word_pattern().findall(text)]


def trigrams(text: str) -> list[str]:
    """The character trigrams of a text, folded, with one space for each stretch of white space and at both ends."""
    padded = f" {' '.join(fold(text).split())} "
    return [padded[i : i + 3] for i in range(len(padded) - 2)]


def share(part: float, whole: float) -> float:
    """A part of a whole; 0 where there is no whole."""
    return part / whole if whole else 0.0


def overlap_features(text_a: str, text_b: str) -> list[float]:
    """What two texts share, in numbers that mean the same in every language.

    Returns:
        Share of a's words that are in b, share of b's that are in a (both counted with repeats), log ratio of their
        numbers of words, and Dice overlap of their character trigrams; then counts: words of a, words of b, words that
        each has alone, and pairs of neighbours that both have and that b has alone.
    """
    first, second = words(text_a), words(text_b)
    a, b = Counter(first), Counter(second)
    common, n_a, n_b = (a & b).total(), a.total(), b.total()
    x, y = Counter(trigrams(text_a)), Counter(trigrams(text_b))
    dice = share(2 * (x & y).total(), x.total() + y.total())
    p, q = Counter(pairwise(first)), Counter(pairwise(second))
    neighbours = (p & q).total()
    counts = (n_a, n_b, n_a - common, n_b - common, neighbours, q.total() - neighbours)
    return [share(common, n_a), share(common, n_b), log1p(n_a) - log1p(n_b), dice, *map(float, counts)]


Probabilities = Callable[[Sequence[Any]], np.ndarray]
"""Rows of features -> the probability of each class [rows, classes], classes in ascending order."""


def fit_numbers(rows: Sequence[Sequence[float]], y: Sequence[int]) -> Probabilities:
    """Fits gradient-boosted trees (100 of depth 4, rate 0.1) on numbers.

    Args:
        rows: The numbers of each row.
        y: The class of each row; at least two classes.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second to import

    # early stopping would hold rows back at random
    model = HistGradientBoostingClassifier(max_depth=4, early_stopping=False, random_state=0)
    model.fit(np.asarray(rows, float), y)

    def probabilities(rows: Sequence[Any]) -> np.ndarray:
        # every tree is a call: on a busy machine threads would wait for one another far longer than they work
        with threadpool_limits(1, "openmp"):
            return np.asarray(model.predict_proba(np.asarray(rows, float)))

    return probabilities


def fit_bag(bags: Sequence[Sequence[str]], y: Sequence[int]) -> Probabilities:
    """Fits logistic regression (L2, C = 0.3) on which words are in a bag; words of a single bag count for nothing.

    Args:
        bags: The words of each row.
        y: The class of each row; at least two classes.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    # the empty word is in every bag: there is always a feature
    vectorizer = CountVectorizer(analyzer=lambda bag: [*bag, ""], binary=True, min_df=min(2, len(bags)))
    model = LogisticRegression(C=0.3, max_iter=500).fit(vectorizer.fit_transform(bags), y)
    return lambda bags: np.asarray(model.predict_proba(vectorizer.transform(bags)))


def sliding_window(context: str, question: str, longest: int) -> str:
    """Finds the answer whose surroundings repeat the question, after the baseline of Richardson et al. 2013 (MCTest).

    A context word that is in the question weighs ``log(1 + 1 / c)``, where c is how often the context has it. A span
    scores the weights in a window to each side, as many words wide as the question is long, that fall linearly with the
    distance (the sum over all windows up to that width), minus the weights inside the span: answers stand beside the
    question's words and seldom repeat them. Ties go to the longer span, then to the earlier one.

    Args:
        context: Text to answer from.
        question: The question.
        longest: Words of the longest span tried.

    Returns:
        A piece of the context; empty if the context has no words.
    """
    places = [(match.start(), match.end()) for match in _word_pattern().finditer(context)]
    if not places:
        return ""
    own = [fold(context[start:end]) for start, end in places]
    counts = Counter(own)
    asked = words(question)
    wanted = set(asked)
    weights = np.array([log1p(1 / counts[w]) if w in wanted else 0.0 for w in own])
    n, width = len(own), max(len(asked), 1)
    kernel = np.arange(width, 0, -1) / width
    # Position i of `before` sums the words left of i, position i of `after` those right of it.
    before = np.concatenate([[0.0], np.convolve(weights, kernel)])[:n]
    after = np.concatenate([[0.0], np.convolve(weights[::-1], kernel)])[:n][::-1]
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    best, answer = -np.inf, (0, 1)
    for length in range(min(longest, n), 0, -1):
        # Rounding keeps equal sums equal, whatever the order in which they were added up.
        scores = np.round(before[: n - length + 1] + after[length - 1 :] - (sums[length:] - sums[:-length]), 9)
        i = int(scores.argmax())
        if scores[i] > best:
            best, answer = float(scores[i]), (i, i + length)
    return context[places[answer[0]][0] : places[answer[1] - 1][1]]


def _bag(text: str) -> Counter[str]:
    return Counter([*trigrams(text), *(f"\n{w}" for w in words(text))])


def _weights(bag: Counter[str], df: Counter[str], total: int) -> dict[str, float]:
    """Weights of unit length: ``(1 + log tf) * log(1 + N / df)``; pieces that no text is known to have are left out."""
    weights = {piece: (1 + log(tf)) * log1p(total / df[piece]) for piece, tf in bag.items() if df[piece]}
    norm = sum(w * w for w in weights.values()) ** 0.5
    return {piece: w / norm for piece, w in weights.items()}


class TfIdf:
    """Candidates by tf-idf over words and character trigrams (Salton & Buckley 1988).

    Args:
        candidates: The texts to find.
        others: Texts that are counted too; None counts the candidates alone.
    """

    def __init__(self, candidates: Sequence[str], others: Sequence[Counter[str]] | None = None):
        bags = [_bag(text) for text in candidates]
        self._size, self._total = len(bags), len(bags) + len(others or ())
        self._df = Counter(piece for side in (bags, others or ()) for bag in side for piece in bag)
        postings: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for i, bag in enumerate(bags):
            for piece, weight in _weights(bag, self._df, self._total).items():
                postings[piece][0].append(i)
                postings[piece][1].append(weight)
        self._index = {piece: (np.array(rows), np.array(weights)) for piece, (rows, weights) in postings.items()}

    def scores(self, bag: Counter[str]) -> np.ndarray:
        """The cosine of a text, given as its pieces, with every candidate."""
        scores = np.zeros(self._size)
        for piece, weight in _weights(bag, self._df, self._total).items():
            if piece in self._index:
                rows, weights = self._index[piece]
                scores[rows] += weight * weights
        return np.round(scores, 9)

    def first(self, text: str, k: int) -> list[int]:
        """The ``k`` nearest candidates of a text, the nearest first, ties in their order."""
        scores, k = self.scores(_bag(text)), min(k, self._size)
        near = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        return near[np.argsort(-scores[near], kind="stable")][:k].tolist()


def nearest(queries: Sequence[str], candidates: Sequence[str]) -> list[int]:
    """Nearest candidate of each query by :class:`TfIdf`, which counts queries and candidates together.

    Ties, and a query that shares nothing with any candidate, go to the first.
    """
    bags = [_bag(text) for text in queries]
    index = TfIdf(candidates, bags)
    return [int(index.scores(bag).argmax()) for bag in bags]

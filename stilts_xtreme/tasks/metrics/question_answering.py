"""Exact match and token F1 of answer texts, by the published rules of SQuAD v1.1, SQuAD v2.0 and MLQA.

Sources of the rules: Rajpurkar et al. 2016 (``evaluate-v1.1.py``), Rajpurkar et al. 2018 (``evaluate-v2.0.py``) and
Lewis et al. 2020 (``mlqa_evaluation_v1.py``).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

from stilts_xtreme.core.errors import StiltsError, unknown

_ASCII_PUNCTUATION = frozenset(string.punctuation)
_ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")

MLQA_ARTICLES: Mapping[str, re.Pattern[str] | None] = {
    "en": _ENGLISH_ARTICLES,
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "hi": None,
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    # The script's pattern has a first branch that can never match (an anchor after the letters); this one is left,
    # and it removes the letters anywhere in a word.
    "ar": re.compile("ال"),
    "zh": None,
}
"""Language -> what MLQA's script takes for articles; None where it removes nothing."""

QA_METRICS = ("squad", "squad_v2", "mlqa")


def squad_tokens(text: str) -> list[str]:
    """Normalises an answer as SQuAD does: lower case, no ASCII punctuation and English articles, split at spaces."""
    kept = "".join(ch for ch in text.lower() if ch not in _ASCII_PUNCTUATION)
    return _ENGLISH_ARTICLES.sub(" ", kept).split()


@lru_cache(maxsize=65536)
def _is_punctuation(ch: str) -> bool:
    return ch in _ASCII_PUNCTUATION or unicodedata.category(ch).startswith("P")


def check_mlqa(language: str | None) -> None:
    """Refuses a language that MLQA does not have, unless its code is for private use, as the synthetic world's are.

    Those keep their articles, and Chinese characters are taken one by one.
    """
    if language is None or (language not in MLQA_ARTICLES and not re.fullmatch("q[a-t][a-z]", language)):
        raise unknown("language of the mlqa metric", language, MLQA_ARTICLES)


def mlqa_tokens(text: str, language: str | None) -> list[str]:
    """Normalises an answer as MLQA does: Unicode punctuation, the language's articles, Chinese characters one by one.

    Raises:
        StiltsError: The language is not one of MLQA's seven.
    """
    check_mlqa(language)
    kept = "".join(ch for ch in text.lower() if not _is_punctuation(ch))
    articles = MLQA_ARTICLES.get(str(language))
    if articles is not None:
        kept = articles.sub(" ", kept)
    if language not in MLQA_ARTICLES or language == "zh":
        # The script's range, which leaves out the later extensions of the ideographs.
        kept = re.sub("([\u4e00-\u9fa5])", r" \1 ", kept)
    return kept.split()


def _f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    same = sum((Counter(predicted) & Counter(gold)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(predicted), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def answer_scores(
    metric: str, prediction: str, golds: Sequence[str], language: str | None = None
) -> tuple[float, float]:
    """Scores one answer against its gold answers.

    Args:
        metric: A name of :data:`QA_METRICS`.
        prediction: The answer text; empty where the model says that there is no answer.
        golds: Accepted answers; empty for an unanswerable question, which only an answer that normalises to nothing
            gets right.
        language: Language of the texts; only ``mlqa`` looks at it.

    Returns:
        Exact match and F1 as shares (0 to 1), each the best over the gold answers.

    Raises:
        StiltsError: Unknown metric or language, or something other than text.
    """
    if metric not in QA_METRICS:
        raise unknown("metric", metric, QA_METRICS)
    if not isinstance(prediction, str):
        raise StiltsError(f"An answer is a {type(prediction).__name__}; text is needed.")
    if isinstance(golds, str) or not isinstance(golds, Sequence) or not all(isinstance(g, str) for g in golds):
        raise StiltsError(f"The gold answers of a question are {golds!r}; a list of texts is needed.")
    tokens: Callable[[str], list[str]] = squad_tokens
    if metric == "mlqa":
        tokens = partial(mlqa_tokens, language=language)
    predicted = tokens(prediction)
    answers = [tokens(gold) for gold in golds]
    if metric == "squad_v2":
        # Version 2.0 drops gold answers of articles and punctuation alone, and lets nothing match nothing.
        answers = [answer for answer in answers if answer]
    if not answers:
        right = float(not predicted)
        return right, right
    exact = float(any(predicted == answer for answer in answers))
    return exact, max(_f1(predicted, answer) for answer in answers)

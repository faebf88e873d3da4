"""The official metrics of XTREME and XTREME-R as pure functions, in percent."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.metrics.chunks import Sentences, check_sentences, count_chunks
from stilts_xtreme.tasks.metrics.question_answering import answer_scores, check_mlqa

log = logging.getLogger(__name__)

Label = str | int
Answers = Mapping[str, str] | Iterable[tuple[str, str]]
Golds = Mapping[str, Sequence[str]] | Iterable[tuple[str, Sequence[str]]]


def _kind(side: str, labels: Sequence[Label]) -> str:
    if isinstance(labels, str) or not hasattr(labels, "__len__"):
        raise StiltsError(f"The {side} labels are a {type(labels).__name__}; a list of labels is needed.")
    kinds = {
        "text" if isinstance(x, str) else "number" if isinstance(x, Integral) else type(x).__name__ for x in labels
    }
    if len(kinds) > 1 or not kinds <= {"text", "number"}:
        raise StiltsError(f"The {side} labels are of kind {', '.join(sorted(kinds))}; all must be text or all numbers.")
    return next(iter(kinds), "")


def accuracy(predictions: Sequence[Label], gold: Sequence[Label]) -> dict[str, float]:
    """Share of rows whose predicted label is the gold label.

    Args:
        predictions: One label per row, names or positions.
        gold: Labels of the same kind; a position below 0 means that the label is withheld, which cannot be scored.

    Returns:
        ``accuracy`` in percent.

    Raises:
        StiltsError: No rows, other lengths, other kinds of labels, or withheld labels.
    """
    predicted_kind, gold_kind = _kind("predicted", predictions), _kind("gold", gold)
    if len(predictions) != len(gold):
        raise StiltsError(f"{len(predictions)} labels are predicted for {len(gold)} gold labels.")
    if not len(gold):
        raise StiltsError("There are 0 rows to score.")
    if predicted_kind != gold_kind:
        raise StiltsError(f"The predicted labels are {predicted_kind}s and the gold labels are {gold_kind}s.")
    withheld = sum(not isinstance(label, str) and label < 0 for label in gold)
    if withheld:
        raise StiltsError(f"{withheld} of {len(gold)} gold labels are withheld (below 0), so they cannot be scored.")
    return {"accuracy": 100.0 * sum(p == g for p, g in zip(predictions, gold, strict=True)) / len(gold)}


def retrieval_accuracy(predictions: Sequence[int], gold: Sequence[int]) -> dict[str, float]:
    """Share of queries whose nearest neighbour is their translation (the Tatoeba score of XTREME).

    Args:
        predictions: Position of the row found, one per query.
        gold: Position of the right row, one per query.

    Returns:
        ``accuracy`` in percent.

    Raises:
        StiltsError: As :func:`accuracy`, and when positions are not numbers.
    """
    for side, rows in (("predicted", predictions), ("gold", gold)):
        if _kind(side, rows) == "text":
            raise StiltsError(f"The {side} rows of a retrieval are text; positions are needed.")
    return accuracy(predictions, gold)


def prf(tp: int, n_pred: int, n_gold: int) -> dict[str, float]:
    """Micro F1, precision and recall in percent from counts; a share of nothing is 0."""
    precision = tp / n_pred if n_pred else 0.0
    recall = tp / n_gold if n_gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if tp else 0.0
    return {"f1": 100.0 * f1, "precision": 100.0 * precision, "recall": 100.0 * recall}


def chunk_f1(predictions: Sentences, gold: Sentences) -> dict[str, float]:
    """Micro-averaged F1 over chunks, equal to ``seqeval.metrics.f1_score`` 1.2.2 in its default mode.

    Holds for IOB tags, broken ones included, and for bare tags (see :mod:`stilts_xtreme.tasks.metrics.chunks`). For the
    one-character tag ``X`` seqeval's count depends on the order of the sentences, and so does this one.

    Args:
        predictions: Predicted tags by sentence.
        gold: Gold tags of the same sentences.

    Returns:
        ``f1``, ``precision`` and ``recall`` in percent.

    Raises:
        StiltsError: No sentences, or sequences that cannot be compared.
    """
    counts = count_chunks(predictions, gold)
    if not len(gold):
        raise StiltsError("There are 0 sentences to score.")
    return prf(*counts[:3])


def bitext_f1(predictions: Iterable[tuple[str, str]], gold: Iterable[tuple[str, str]]) -> dict[str, float]:
    """F1 over pairs of sentence ids, the score of BUCC 2018; a pair that occurs again counts once.

    Returns:
        ``f1``, ``precision`` and ``recall`` in percent.

    Raises:
        StiltsError: No gold pairs.
    """
    found, wanted = set(predictions), set(gold)
    if not wanted:
        raise StiltsError("There are 0 gold pairs to score.")
    return prf(len(found & wanted), len(found), len(wanted))


def token_accuracy(predictions: Sentences, gold: Sentences) -> dict[str, float]:
    """Share of tokens whose predicted tag is the gold tag.

    Returns:
        ``token_accuracy`` in percent.

    Raises:
        StiltsError: No tokens, or sequences that cannot be compared.
    """
    check_sentences(predictions, gold)
    right = sum(p == g for ps, gs in zip(predictions, gold, strict=True) for p, g in zip(ps, gs, strict=True))
    total = sum(len(sentence) for sentence in gold)
    if not total:
        raise StiltsError(f"There are 0 tokens to score in {len(gold)} sentences.")
    return {"token_accuracy": 100.0 * right / total}


def pos_f1(predictions: Sentences, gold: Sentences) -> dict[str, float]:
    """Chunk F1 on bare tags, which is XTREME's part-of-speech score, with token accuracy beside it."""
    return {**chunk_f1(predictions, gold), **token_accuracy(predictions, gold)}


def _by_id(side: str, rows: Answers | Golds) -> dict[str, Any]:
    pairs = list(rows.items() if isinstance(rows, Mapping) else rows)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise StiltsError(f"The {side} answers have no ids; a mapping from the ids of questions is needed.")
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        first = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise StiltsError(f"{len(pairs) - len(table)} {side} ids occur more than once, first '{first}'.")
    return table


def _answer_table(
    metric: str, predictions: Answers, gold: Golds, language: str | None
) -> dict[str, tuple[bool, float, float]]:
    """Scores every gold question: id -> (has an answer, exact match, F1), shares of 1."""
    answers, golds = _by_id("predicted", predictions), _by_id("gold", gold)
    if not golds:
        raise StiltsError("There are 0 questions to score.")
    for side, bad in (
        ("predicted answers", [key for key, text in answers.items() if not isinstance(text, str)]),
        ("lists of gold answers", [key for key, texts in golds.items() if not _texts(texts)]),
    ):
        if bad:
            raise StiltsError(f"{len(bad)} {side} are not text, first id '{bad[0]}'.")
    missing, extra = golds.keys() - answers.keys(), answers.keys() - golds.keys()
    if missing:
        log.warning("%d of %d questions have no predicted answer and score 0.", len(missing), len(golds))
    if extra:
        log.warning("%d predicted answers belong to no question and are ignored.", len(extra))
    return {
        key: (bool(texts), *(answer_scores(metric, answers[key], texts, language) if key in answers else (0.0, 0.0)))
        for key, texts in golds.items()
    }


def _texts(value: object) -> bool:
    return not isinstance(value, str) and isinstance(value, Sequence) and all(isinstance(x, str) for x in value)


def _means(rows: Sequence[tuple[bool, float, float]]) -> dict[str, float]:
    return {
        "exact_match": 100.0 * sum(exact for _, exact, _ in rows) / len(rows),
        "f1": 100.0 * sum(f1 for _, _, f1 in rows) / len(rows),
    }


def squad(predictions: Answers, gold: Golds, language: str | None = None) -> dict[str, float]:
    """Exact match and F1 of SQuAD v1.1, as XTREME uses them for XQuAD and TyDi QA in every language.

    Args:
        predictions: Question id -> answer text, as a mapping or as pairs. A question without an answer scores 0, an
            answer to no question is ignored, both as in the official script; both are logged.
        gold: Question id -> accepted answers, as a mapping or as pairs. An empty list marks an unanswerable question,
            which only an empty answer gets right.
        language: Not looked at; the script removes English articles whatever the language.

    Returns:
        ``exact_match`` and ``f1`` in percent.

    Raises:
        StiltsError: No questions, ids that occur twice, or answers that are not text.
    """
    return _means(list(_answer_table("squad", predictions, gold, language).values()))


def squad_v2(predictions: Answers, gold: Golds, language: str | None = None) -> dict[str, float]:
    """Exact match and F1 of SQuAD v2.0, over all questions and over those with and without an answer.

    Unlike the official script, which leaves questions without a prediction out of the mean, they score 0 here.

    Returns:
        ``exact_match`` and ``f1`` in percent, and for each kind of question that occurs (``has_ans``, ``no_ans``) the
        same with that prefix and ``<prefix>_total``, the number of such questions.

    Raises:
        StiltsError: As :func:`squad`.
    """
    rows = list(_answer_table("squad_v2", predictions, gold, language).values())
    scores = _means(rows)
    for prefix, wanted in (("has_ans", True), ("no_ans", False)):
        part = [row for row in rows if row[0] is wanted]
        if part:
            scores |= {f"{prefix}_{key}": value for key, value in _means(part).items()}
            scores[f"{prefix}_total"] = float(len(part))
    return scores


def mlqa(predictions: Answers, gold: Golds, language: str | None = None) -> dict[str, float]:
    """Exact match and F1 of MLQA, whose normalisation depends on the language.

    Returns:
        ``exact_match`` and ``f1`` in percent.

    Raises:
        StiltsError: As :func:`squad`, and when the language is not one of MLQA's seven.
    """
    check_mlqa(language)
    return _means(list(_answer_table("mlqa", predictions, gold, language).values()))

"""The official scorers once more, written independently of the package: what its scores must equal."""

from __future__ import annotations

import re
import string
import unicodedata
import warnings


def seqeval_scores(pred, gold):
    from seqeval.metrics import f1_score, precision_score, recall_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "f1": 100 * f1_score(gold, pred),
            "precision": 100 * precision_score(gold, pred),
            "recall": 100 * recall_score(gold, pred),
        }


def best_overlap(p, g):
    """Token F1 by removing matches one at a time, with no counters."""
    left, same = list(g), 0
    for token in p:
        if token in left:
            left.remove(token)
            same += 1
    return 0.0 if same == 0 else 2 * same / (len(p) + len(g))


def plain_words(text):
    for mark in string.punctuation:
        text = text.replace(mark, "")
    return text


def brute_squad_tokens(text):
    text = plain_words(text.lower())
    # Articles bounded by non-word characters become spaces, found by scanning runs of word characters.
    runs = re.split(r"(\w+)", text)
    return "".join(" " if run in ("a", "an", "the") else run for run in runs).split()


def brute_mlqa_tokens(text, language):
    text = "".join(c for c in text.lower() if c not in string.punctuation and unicodedata.category(c)[0] != "P")
    articles = {
        "en": "a an the",
        "es": "un una unos unas el la los las",
        "vi": "của là cái chiếc những",
        "de": "ein eine einen einem eines einer der die das den dem des",
    }.get(language, "")
    runs = re.split(r"(\w+)", text)
    text = "".join(" " if run in articles.split() and run else run for run in runs)
    if language == "ar":
        text = " ".join(text.split("ال"))
    if language != "zh":
        return text.split()
    tokens, held = [], ""
    for c in text:
        if 0x4E00 <= ord(c) <= 0x9FA5:
            tokens += [*held.split(), c]
            held = ""
        else:
            held += c
    return tokens + held.split()


def brute_qa(tokens, predictions, gold, version2=False):
    exact = f1 = 0.0
    for key, answers in gold.items():
        if key not in predictions:
            continue
        p = tokens(predictions[key])
        gs = [tokens(a) for a in answers]
        if version2:
            gs = [g for g in gs if g]
        if not gs:
            exact += p == []
            f1 += p == []
            continue
        exact += p in gs
        f1 += max(best_overlap(p, g) for g in gs)
    return {"exact_match": 100 * exact / len(gold), "f1": 100 * f1 / len(gold)}

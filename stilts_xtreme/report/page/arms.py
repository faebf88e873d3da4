"""What a run answered, item by item: the answers themselves, and the share of its score that each item has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stilts_xtreme.report.answers import Answers, Target, answered
from stilts_xtreme.tasks import format_of, predictions

LENGTH = 160
"""So many characters of an answer are shown at the most."""

Answered = Mapping[str, Mapping[str, Any]]
"""Language -> item -> answer: a text, or a list of texts."""


@dataclass(frozen=True)
class Answering:
    """What one run answered.

    Attributes:
        answers: Its answers.
        scores: Language -> item -> share of the item's score, from 0 to 1.
    """

    answers: Answered
    scores: Mapping[str, Mapping[str, float]]


Pair = tuple[Answering, Answering]
"""What a run answered, and what its baseline did."""


@dataclass(frozen=True)
class Gold:
    """The right answers.

    Attributes:
        answers: In the form of the answers of a run.
        read: Language -> what the file holds.
        folder: Where the files are.
    """

    answers: Answered
    read: Mapping[str, Any]
    folder: Path


def read_arm(answers: Answers, key: str | None, target: Target) -> Answering | None:
    """What the run of an evaluation answered; None where its files are not there, or its metric has no items.

    Args:
        answers: Where the files are.
        key: The key of the evaluation.
        target: Its target.

    Raises:
        StiltsError: Files are there, and cannot be read.
    """
    metric = format_of(target.format).metric(target.metric)
    folder = folder_of(answers, key, target)
    if folder is None or metric.items is None:
        return None
    texts, scores = {}, {}
    for code in _languages(folder, target):
        gold = predictions.read_gold(folder / "labels", target.name, code, target.format)
        own = answered(folder, target, code, gold)
        items = metric.items(own, gold, code)
        shares = np.divide(items.above, items.below, out=np.ones(len(items.ids)), where=items.below > 0)
        texts[code], scores[code] = by_item(own), dict(zip(items.ids, shares.tolist(), strict=True))
    return Answering(texts, scores)


def read_gold(answers: Answers, key: str | None, target: Target) -> Gold | None:
    """The right answers beside an evaluation; None where they are not there."""
    folder = folder_of(answers, key, target)
    if folder is None:
        return None
    codes = _languages(folder, target)
    read = {code: predictions.read_gold(folder / "labels", target.name, code, target.format) for code in codes}
    return Gold({code: by_item(right) for code, right in read.items()}, read, folder)


def folder_of(answers: Answers, key: str | None, target: Target) -> Path | None:
    """The folder of an evaluation that holds answers of a target; None where there is none."""
    for folder in answers.folders.get(key or "", ()):
        if (folder / "predictions" / target.name).is_dir() and _languages(folder, target):
            return folder
    return None


def _languages(folder: Path, target: Target) -> list[str]:
    return [file.stem.removeprefix("test-") for file in sorted((folder / "labels" / target.name).glob("test-*.*"))]


def by_item(answers: Any) -> dict[str, Any]:
    """Item -> answer, whatever the format: labels, tags of sentences, texts by id, rankings, pairs of sentences."""
    if isinstance(answers, Mapping):
        return {str(key): _plain(value) for key, value in answers.items()}
    found = list(answers)
    if found and isinstance(found[0], tuple):  # pairs: the first sentence is the item
        pairs: dict[str, list[str]] = {}
        for first, second in found:
            pairs.setdefault(str(first), []).append(str(second))
        return {key: sorted(seconds) for key, seconds in pairs.items()}
    return {str(at): _plain(value) for at, value in enumerate(found)}


def _plain(value: Any) -> str | list[str]:
    return [str(part) for part in value] if isinstance(value, list | tuple) else str(value)


def shown(answer: Any) -> str:
    """An answer as a line of text, cut where it is long."""
    text = " · ".join(answer) if isinstance(answer, list) else str(answer)
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"

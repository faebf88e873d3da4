"""Prediction and gold files in the layout of the XTREME leaderboard: ``<folder>/<task>/test-<language>.<extension>``.

==============  =========  ======================================================================================
format          extension  content
==============  =========  ======================================================================================
classification  tsv        one label name per line
choice          tsv        one label (name or position of the choice) per line
retrieval       tsv        one position per line, counted from 0
tagging         tsv        one tag per line, an empty line after every sentence (a sentence may have no tokens)
qa              json       predictions ``{id: text}``; gold in SQuAD's form ``{"data": [{"paragraphs": [...]}]}``
bitext          tsv        one pair of sentence ids per line, a tab between them
ranking         json       ``{query id: [candidate ids]}``, the best first; gold ``{query id: [right ids]}``; ``.jsonl``
                           with one such object a line is read too
==============  =========  ======================================================================================

A file appears whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.readers.squad import read_squad
from stilts_xtreme.tasks.predictions.json_files import (
    read_answers,
    read_rankings,
    write_answers,
    write_rankings,
    write_squad,
)
from stilts_xtreme.tasks.predictions.line_files import (
    read_indices,
    read_labels,
    read_pairs,
    read_tags,
    write_indices,
    write_labels,
    write_pairs,
    write_tags,
)

EXTENSIONS: Mapping[str, str] = {
    "classification": "tsv",
    "choice": "tsv",
    "retrieval": "tsv",
    "tagging": "tsv",
    "qa": "json",
    "bitext": "tsv",
    "ranking": "json",
}
"""Format -> extension of its files; the formats that have predictions."""


def path_of(folder: str | Path, task: str, language: str, format: str, split: str = "test") -> Path:
    """The place of one file of the layout.

    Raises:
        StiltsError: Unknown format, or a task, language or split that cannot be part of a file name.
    """
    if format not in EXTENSIONS:
        raise unknown("format", format, EXTENSIONS)
    for option, value in (("task", task), ("language", language), ("split", split)):
        if not re.fullmatch(r"\w[\w.+-]*", str(value)):
            raise StiltsError(f"{option}={value!r} cannot be part of a file name; use letters, digits and . _ + -")
    return Path(folder) / task / f"{split}-{language}.{EXTENSIONS[format]}"


def write(folder: str | Path, task: str, language: str, format: str, predictions: Any, split: str = "test") -> Path:
    """Writes the predictions of one task in one language.

    Args:
        folder: Folder of all tasks.
        task: Name of the task.
        language: ISO 639-1 code.
        format: A key of :data:`EXTENSIONS`.
        predictions: Labels (classification, choice), positions (retrieval), tags by sentence (tagging),
            ``{id: text}`` (qa), pairs of ids (bitext) or ``{id: ids}`` (ranking), in the order of the rows.
        split: First part of the file's name.

    Returns:
        The file.

    Raises:
        StiltsError: Unknown format, a name that cannot be a file name, or predictions that do not fit the format.
    """
    path = path_of(folder, task, language, format, split)
    if format == "qa":
        return write_answers(path, predictions)
    if format == "tagging":
        return write_tags(path, predictions)
    if format == "bitext":
        return write_pairs(path, predictions)
    if format == "ranking":
        return write_rankings(path, predictions)
    return write_indices(path, predictions) if format == "retrieval" else write_labels(path, predictions)


def read(folder: str | Path, task: str, language: str, format: str, like: Any = None, split: str = "test") -> Any:
    """Reads the predictions of one task in one language.

    Args:
        folder: Folder of all tasks.
        task: Name of the task.
        language: ISO 639-1 code.
        format: A key of :data:`EXTENSIONS`.
        like: The gold of the same rows, as :func:`read_gold` returns it; the file must have its shape (bitext and
            ranking have none). None takes what is there.
        split: First part of the file's name.

    Returns:
        Label texts (classification, choice), positions (retrieval), tags by sentence (tagging), ``{id: text}`` (qa),
        pairs of ids (bitext) or ``{id: ids}`` (ranking).

    Raises:
        StiltsError: No such file, or content that does not fit the format or the gold; names file and line.
    """
    path = path_of(folder, task, language, format, split)
    if format == "ranking" and not path.exists() and path.with_suffix(".jsonl").exists():
        path = path.with_suffix(".jsonl")
    if format == "qa":
        return read_answers(path, like)
    if format == "tagging":
        return read_tags(path, None if like is None else [len(sentence) for sentence in like])
    if format == "bitext":
        return read_pairs(path)
    if format == "ranking":
        return read_rankings(path)
    rows = None if like is None else len(like)
    return read_indices(path, rows) if format == "retrieval" else read_labels(path, rows)


def gold(format: str, rows: Columns, labels: Sequence[str]) -> Any:
    """The reference of canonical rows, in the form of the format's predictions."""
    if format == "classification":
        return [labels[label] for label in rows["label"]]
    if format == "choice":
        return [str(label) for label in rows["label"]]
    if format == "tagging":
        return [[labels[tag] for tag in tags] for tags in rows["tags"]]
    if format == "qa":
        return dict(zip(rows["id"], rows["answer_texts"], strict=True))
    if format == "bitext":
        return [(key, other) for key, others in zip(rows["id"], rows["gold"], strict=True) for other in others]
    if format == "ranking":
        return dict(zip(rows["id"], rows["gold"], strict=True))
    return list(range(len(rows["text_a"])))


def write_gold(
    folder: str | Path,
    task: str,
    language: str,
    format: str,
    rows: Columns,
    labels: Sequence[str] = (),
    split: str = "test",
) -> Path:
    """Writes the gold of one task in one language beside which :func:`write`'s files are scored.

    Args:
        folder: Folder of all tasks.
        task: Name of the task.
        language: ISO 639-1 code.
        format: A key of :data:`EXTENSIONS`.
        rows: Canonical columns.
        labels: Label names in canonical order.
        split: First part of the file's name.

    Returns:
        The file; for ``qa`` in SQuAD's form, else as predictions are written.
    """
    if format == "qa":
        return write_squad(path_of(folder, task, language, format, split), rows)
    return write(folder, task, language, format, gold(format, rows, labels), split)


def read_gold(folder: str | Path, task: str, language: str, format: str, split: str = "test") -> Any:
    """Reads the gold of one task in one language in the form that the metrics take.

    Returns:
        For ``qa`` ``{id: accepted answers}`` (:func:`read_squad` gives all columns), else as :func:`read`.
    """
    if format == "qa":
        columns = read_squad(path_of(folder, task, language, format, split))
        return dict(zip(columns["id"], columns["answer_texts"], strict=True))
    return read(folder, task, language, format, split=split)

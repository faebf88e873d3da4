"""Prediction and gold files in the layout of the XTREME leaderboard: ``<folder>/<task>/test-<language>.<extension>``.

What a file holds is its format's own; see the ``files`` of the folders of :mod:`stilts_xtreme.tasks`:

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

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.checks import file_name
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks import format_of


def path_of(folder: str | Path, task: str, language: str, format: str, split: str = "test") -> Path:
    """The place of one file of the layout.

    Raises:
        StiltsError: Unknown format, or a task, language or split that cannot be part of a file name.
    """
    extension = format_of(format).extensions[0]
    for option, value in (("task", task), ("language", language), ("split", split)):
        file_name(option, value)
    return Path(folder) / task / f"{split}-{language}.{extension}"


def _there(path: Path, format: str) -> Path:
    """The file under any of the endings that the format has, else the one that it is written with."""
    places = [path.with_suffix(f".{extension}") for extension in format_of(format).extensions]
    return next((place for place in places if place.exists()), path)


def write(folder: str | Path, task: str, language: str, format: str, predictions: Any, split: str = "test") -> Path:
    """Writes the predictions of one task in one language.

    Args:
        folder: Folder of all tasks.
        task: Name of the task.
        language: ISO 639-1 code.
        format: The id of its format.
        predictions: Labels (classification, choice), positions (retrieval), tags by sentence (tagging),
            ``{id: text}`` (qa), pairs of ids (bitext) or ``{id: ids}`` (ranking), in the order of the rows.
        split: First part of the file's name.

    Returns:
        The file.

    Raises:
        StiltsError: Unknown format, a name that cannot be a file name, or predictions that do not fit the format.
    """
    return format_of(format).write(path_of(folder, task, language, format, split), predictions)


def read(folder: str | Path, task: str, language: str, format: str, like: Any = None, split: str = "test") -> Any:
    """Reads the predictions of one task in one language.

    Args:
        folder: Folder of all tasks.
        task: Name of the task.
        language: ISO 639-1 code.
        format: The id of its format.
        like: The gold of the same rows, as :func:`read_gold` returns it; the file must have its shape (bitext and
            ranking have none). None takes what is there.
        split: First part of the file's name.

    Returns:
        Label texts (classification, choice), positions (retrieval), tags by sentence (tagging), ``{id: text}`` (qa),
        pairs of ids (bitext) or ``{id: ids}`` (ranking).

    Raises:
        StiltsError: No such file, or content that does not fit the format or the gold; names file and line.
    """
    return format_of(format).read(_there(path_of(folder, task, language, format, split), format), like)


def gold(format: str, rows: Columns, labels: Sequence[str]) -> Any:
    """The reference of canonical rows, in the form of the format's predictions."""
    return format_of(format).gold(rows, labels)


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
        format: The id of its format.
        rows: Canonical columns.
        labels: Label names in canonical order.
        split: First part of the file's name.

    Returns:
        The file; for ``qa`` in SQuAD's form, else as predictions are written.
    """
    return format_of(format).write_gold(path_of(folder, task, language, format, split), rows, labels)


def read_gold(folder: str | Path, task: str, language: str, format: str, split: str = "test") -> Any:
    """Reads the gold of one task in one language in the form that the metrics take.

    Returns:
        For ``qa`` ``{id: accepted answers}``, else as :func:`read`.
    """
    return format_of(format).read_gold(_there(path_of(folder, task, language, format, split), format))

"""Prediction and gold files in the layout of the XTREME leaderboard: ``<folder>/<task>/test-<language>.<extension>``.

==============  =========  ======================================================================================
format          extension  content
==============  =========  ======================================================================================
classification  tsv        one label name per line
choice          tsv        one label (name or position of the choice) per line
retrieval       tsv        one position per line, counted from 0
tagging         tsv        one tag per line, an empty line after every sentence (a sentence may have no tokens)
qa              json       predictions ``{id: text}``; gold in SQuAD's form ``{"data": [{"paragraphs": [...]}]}``
==============  =========  ======================================================================================

A file appears whole or not at all: it is written beside its place, flushed to disk and renamed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from numbers import Integral
from pathlib import Path
from typing import Any

from stilts_xtreme.data.schema import FORMATS, Columns
from stilts_xtreme.errors import StiltsError, unknown

log = logging.getLogger(__name__)

EXTENSIONS: Mapping[str, str] = {
    "classification": "tsv",
    "choice": "tsv",
    "retrieval": "tsv",
    "tagging": "tsv",
    "qa": "json",
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


def _publish(path: Path, text: str) -> None:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StiltsError(f"{path}: half of a surrogate pair ({error.object[error.start]!r}) is not text.") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.tmp")
    try:
        with open(scratch, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise StiltsError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise StiltsError(f"{path} line {line}: not UTF-8.") from error


def _lines(path: Path) -> list[str]:
    # Only "\n" ends a line: splitlines() would also cut at U+2028 and others that a tag may hold.
    lines = _text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _cell(path: Path, where: str, label: object) -> str:
    """A label as it stands in a line; the public scorers strip lines, so white space at the ends is refused too."""
    text = str(int(label)) if isinstance(label, Integral) else label
    if not isinstance(text, str) or not text or text != text.strip() or re.search(r"[\t\r\n]", text):
        raise StiltsError(
            f"{path} {where}: {label!r} cannot be one line; labels have no tabs, line ends or outer spaces."
        )
    return text


def write_labels(path: Path, labels: Iterable[str | int]) -> Path:
    """Writes one label per line; a number is written in decimal digits.

    Raises:
        StiltsError: A label that is empty or holds a tab, a line end or white space at an end; names file and line.
    """
    cells = [_cell(path, f"line {n}", label) for n, label in enumerate(labels, 1)]
    _publish(path, "".join(cell + "\n" for cell in cells))
    return path


def read_labels(path: Path, rows: int | None = None) -> list[str]:
    """Reads one label per line.

    Args:
        path: The file.
        rows: How many there must be; None takes what is there.

    Raises:
        StiltsError: No such file, an empty line, a tab, or another number of lines; names file and line.
    """
    labels = [_cell(path, f"line {n}", line) for n, line in enumerate(_lines(path), 1)]
    if rows is not None and len(labels) != rows:
        where = f"line {rows + 1} is one too many" if len(labels) > rows else f"line {len(labels) + 1} is missing"
        raise StiltsError(f"{path}: {len(labels)} lines for {rows} rows; {where}.")
    return labels


def write_indices(path: Path, indices: Iterable[int]) -> Path:
    """Writes one position per line.

    Raises:
        StiltsError: Something other than a whole number from 0; names file and line.
    """
    rows = list(indices)
    for n, index in enumerate(rows, 1):
        if not isinstance(index, Integral) or int(index) < 0:
            raise StiltsError(f"{path} line {n}: {index!r} is not a position; use whole numbers from 0.")
    return write_labels(path, rows)


def read_indices(path: Path, rows: int | None = None) -> list[int]:
    """Reads one position per line; arguments and refusals as :func:`read_labels`, and for what is not a position."""
    labels = read_labels(path, rows)
    for n, label in enumerate(labels, 1):
        if not re.fullmatch("[0-9]+", label):
            raise StiltsError(f"{path} line {n}: {label!r} is not a position; use whole numbers from 0.")
    return [int(label) for label in labels]


def write_tags(path: Path, sentences: Iterable[Sequence[str]]) -> Path:
    """Writes one tag per line and an empty line after every sentence.

    Raises:
        StiltsError: A sentence that is not a list, or a tag that cannot be one line; names file and line.
    """
    lines: list[str] = []
    for number, sentence in enumerate(sentences, 1):
        if isinstance(sentence, str):
            raise StiltsError(f"{path} line {len(lines) + 1}: sentence {number} is text; a list of tags is needed.")
        for tag in sentence:
            lines.append(_cell(path, f"line {len(lines) + 1}", tag))
        lines.append("")
    _publish(path, "".join(line + "\n" for line in lines))
    return path


def read_tags(path: Path, lengths: Sequence[int] | None = None) -> list[list[str]]:
    """Reads tags by sentence.

    Args:
        path: The file. The empty line after the last sentence may be missing, as in files of other programs.
        lengths: How many tags each sentence must have; None takes what is there.

    Raises:
        StiltsError: No such file, a line that is no tag, or other numbers of sentences or tags; names file and line.
    """
    sentences: list[list[str]] = []
    starts: list[int] = []
    current: list[str] = []
    start = 1
    for n, line in enumerate([*_lines(path), None], 1):
        if line:
            current.append(_cell(path, f"line {n}", line))
        elif line is not None or current:
            sentences.append(current)
            starts.append(start)
            current, start = [], n + 1
    if lengths is not None:
        for number, (sentence, wanted) in enumerate(zip(sentences, lengths, strict=False)):
            if len(sentence) != wanted:
                raise StiltsError(
                    f"{path} line {starts[number]}: sentence {number + 1} has {len(sentence)} tags for {wanted} tokens."
                )
        if len(sentences) != len(lengths):
            at = starts[len(lengths)] if len(sentences) > len(lengths) else start
            raise StiltsError(f"{path} line {at}: {len(sentences)} sentences in the file for {len(lengths)} sentences.")
    return sentences


def _json(path: Path) -> Any:
    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # json keeps the last of equal keys without a word; a score of such a file would be wrong in silence.
        keys = dict(pairs)
        if len(keys) != len(pairs):
            names = [key for key, _ in pairs]
            first = next(name for name in names if names.count(name) > 1)
            raise StiltsError(f"{path}: {len(pairs) - len(keys)} keys occur more than once, first {first!r}.")
        return keys

    try:
        return json.loads(_text(path), object_pairs_hook=table)
    except json.JSONDecodeError as error:
        raise StiltsError(f"{path} line {error.lineno}: not JSON ({error.msg}).") from error


def write_answers(path: Path, answers: Mapping[str, str]) -> Path:
    """Writes answers as ``{id: text}``.

    Raises:
        StiltsError: Ids or answers that are not text.
    """
    bad = [key for key, text in answers.items() if not isinstance(key, str) or not isinstance(text, str)]
    if bad:
        raise StiltsError(f"{path}: {len(bad)} answers or ids are not text, first id {bad[0]!r}.")
    _publish(path, json.dumps(dict(answers), ensure_ascii=False, indent=0) + "\n")
    return path


def read_answers(path: Path, ids: Iterable[str] | None = None) -> dict[str, str]:
    """Reads answers by id.

    Args:
        path: The file.
        ids: The questions; an answer to none of them is refused, a question without an answer is logged.

    Raises:
        StiltsError: No such file, no JSON, an id twice, an answer that is not text, or unknown ids.
    """
    answers = _json(path)
    if not isinstance(answers, dict):
        raise StiltsError(f"{path}: a {type(answers).__name__} at the top; an object of id and text is needed.")
    bad = [key for key, text in answers.items() if not isinstance(text, str)]
    if bad:
        raise StiltsError(f"{path}: {len(bad)} answers are not text, first id {bad[0]!r}.")
    if ids is not None:
        known = set(ids)
        extra = [key for key in answers if key not in known]
        if extra:
            raise StiltsError(f"{path}: {len(extra)} of {len(answers)} ids belong to no question, first {extra[0]!r}.")
        if len(answers) < len(known):
            log.warning("%s: %d of %d questions have no answer.", path, len(known) - len(answers), len(known))
    return answers


def write_squad(path: Path, columns: Columns) -> Path:
    """Writes gold rows of the format ``qa`` in SQuAD's form; neighbours with the same context share a paragraph.

    Raises:
        StiltsError: A missing column, columns of other lengths, ids twice, or texts and starts that do not pair up.
    """
    lacking = [name for name in FORMATS["qa"] if name not in columns]
    if lacking:
        raise StiltsError(f"{path}: {len(lacking)} columns are missing: {', '.join(lacking)}.")
    sizes = {name: len(columns[name]) for name in FORMATS["qa"]}
    if len(set(sizes.values())) > 1:
        raise StiltsError(f"{path}: columns of other lengths: {sizes}.")
    ids = columns["id"]
    if len(set(ids)) != len(ids):
        raise StiltsError(f"{path}: {len(ids) - len(set(ids))} ids occur more than once.")
    rows = list(zip(*(columns[name] for name in FORMATS["qa"]), strict=True))
    uneven = [key for key, _, _, texts, starts in rows if len(texts) != len(starts)]
    if uneven:
        raise StiltsError(
            f"{path}: {len(uneven)} questions have unequal answer_texts and answer_starts, first {uneven[0]!r}."
        )
    paragraphs = []
    for context, group in groupby(rows, key=lambda row: row[1]):
        qas = []
        for key, _, question, texts, starts in group:
            answers = [{"text": t, "answer_start": int(s)} for t, s in zip(texts, starts, strict=True)]
            qas.append({"id": key, "question": question, "answers": answers})
        paragraphs.append({"context": context, "qas": qas})
    _publish(path, json.dumps({"data": [{"paragraphs": paragraphs}]}, ensure_ascii=False, indent=0) + "\n")
    return path


def read_squad(path: Path) -> Columns:
    """Reads gold rows of the format ``qa`` from SQuAD's form, in the order of the file.

    Raises:
        StiltsError: No such file, no JSON, not SQuAD's form, or ids that occur twice.
    """
    columns: Columns = {name: [] for name in FORMATS["qa"]}
    try:
        for article in _json(path)["data"]:
            for paragraph in article["paragraphs"]:
                for qa in paragraph["qas"]:
                    values = (
                        qa["id"],
                        paragraph["context"],
                        qa["question"],
                        [answer["text"] for answer in qa["answers"]],
                        [answer["answer_start"] for answer in qa["answers"]],
                    )
                    for name, value in zip(columns, values, strict=True):
                        columns[name].append(value)
    except (KeyError, TypeError) as error:
        raise StiltsError(f"{path}: not in SQuAD's form at question {len(columns['id']) + 1} ({error}).") from error
    twice = len(columns["id"]) - len(set(columns["id"]))
    if twice:
        raise StiltsError(f"{path}: {twice} ids occur more than once.")
    return columns


def write(folder: str | Path, task: str, language: str, format: str, predictions: Any, split: str = "test") -> Path:
    """Writes the predictions of one task in one language.

    Args:
        folder: Folder of all tasks.
        task: Name of the task.
        language: ISO 639-1 code.
        format: A key of :data:`EXTENSIONS`.
        predictions: Labels (classification, choice), positions (retrieval), tags by sentence (tagging) or
            ``{id: text}`` (qa), in the order of the rows.
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
    return write_indices(path, predictions) if format == "retrieval" else write_labels(path, predictions)


def read(folder: str | Path, task: str, language: str, format: str, like: Any = None, split: str = "test") -> Any:
    """Reads the predictions of one task in one language.

    Args:
        folder: Folder of all tasks.
        task: Name of the task.
        language: ISO 639-1 code.
        format: A key of :data:`EXTENSIONS`.
        like: The gold of the same rows, as :func:`read_gold` returns it; the file must have its shape. None takes what
            is there.
        split: First part of the file's name.

    Returns:
        Label texts (classification, choice), positions (retrieval), tags by sentence (tagging) or ``{id: text}`` (qa).

    Raises:
        StiltsError: No such file, or content that does not fit the format or the gold; names file and line.
    """
    path = path_of(folder, task, language, format, split)
    if format == "qa":
        return read_answers(path, like)
    if format == "tagging":
        return read_tags(path, None if like is None else [len(sentence) for sentence in like])
    rows = None if like is None else len(like)
    return read_indices(path, rows) if format == "retrieval" else read_labels(path, rows)


def write_gold(folder: str | Path, task: str, language: str, format: str, gold: Any, split: str = "test") -> Path:
    """Writes the gold of one task in one language: for ``qa`` the canonical columns, else as :func:`write`."""
    if format == "qa":
        return write_squad(path_of(folder, task, language, format, split), gold)
    return write(folder, task, language, format, gold, split)


def read_gold(folder: str | Path, task: str, language: str, format: str, split: str = "test") -> Any:
    """Reads the gold of one task in one language in the form that the metrics take.

    Returns:
        For ``qa`` ``{id: accepted answers}`` (:func:`read_squad` gives all columns), else as :func:`read`.
    """
    if format == "qa":
        columns = read_squad(path_of(folder, task, language, format, split))
        return dict(zip(columns["id"], columns["answer_texts"], strict=True))
    return read(folder, task, language, format, split=split)

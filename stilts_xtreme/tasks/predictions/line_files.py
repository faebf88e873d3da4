"""Files of lines: one label, position or tag on each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import text_of, write_atomic


def _lines(path: Path) -> list[str]:
    # Only "\n" ends a line: splitlines() would also cut at U+2028 and others that a tag may hold.
    lines = text_of(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.strip() for line in lines]  # as the benchmark's own script reads them


def _cell(path: Path, where: str, label: object) -> str:
    """A label as it stands in a line; lines are stripped when read, so white space at the ends is refused too."""
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
    write_atomic(path, "".join(cell + "\n" for cell in cells))
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
        raise StiltsError(
            f"{path}: {len(labels)} lines for {rows} rows; {where}: bring one line for each row, in the order of the "
            "labels, and no header."
        )
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
    write_atomic(path, "".join(line + "\n" for line in lines))
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
                    f"{path} line {starts[number]}: sentence {number + 1} has {len(sentence)} tags for {wanted} "
                    "tokens; bring one line for each token and an empty line after each sentence."
                )
        if len(sentences) != len(lengths):
            at = starts[len(lengths)] if len(sentences) > len(lengths) else start
            raise StiltsError(
                f"{path} line {at}: {len(sentences)} sentences in the file for {len(lengths)} sentences; bring one "
                "block of lines for each, with an empty line after it."
            )
    return sentences


def write_pairs(path: Path, pairs: Iterable[tuple[str, str]]) -> Path:
    """Writes one pair of ids per line, a tab between them.

    Raises:
        StiltsError: An id that is empty or holds a tab, a line end or white space at an end; names file and line.
    """
    lines = ["\t".join(_cell(path, f"line {n}", side) for side in pair) for n, pair in enumerate(pairs, 1)]
    write_atomic(path, "".join(line + "\n" for line in lines))
    return path


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Reads one pair of ids per line; an empty file has none.

    Raises:
        StiltsError: No such file, or a line that is not two ids with a tab between them; names file and line.
    """
    pairs = []
    for n, line in enumerate(_lines(path), 1):
        sides = line.split("\t")
        if len(sides) != 2 or not all(sides):
            raise StiltsError(f"{path} line {n}: {line!r} is not two ids with a tab between them.")
        pairs.append((sides[0], sides[1]))
    return pairs

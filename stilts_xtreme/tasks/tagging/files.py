"""Files of tagging: one tag per line, and an empty line after every sentence, which may have no tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.tasks.files import line_of, lines_of


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
            lines.append(line_of(path, f"line {len(lines) + 1}", tag))
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
    for n, line in enumerate([*lines_of(path), None], 1):
        if line:
            current.append(line_of(path, f"line {n}", line))
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

"""Question answering in the JSON form of SQuAD."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import text_of
from stilts_xtreme.core.json_text import lines_of, read_json
from stilts_xtreme.core.schema import Columns

COLUMNS = ("id", "context", "question", "answer_texts", "answer_starts")
"""The canonical columns of question answering."""


def read_squad(path: Path) -> Columns:
    """Reads gold rows of the format ``qa`` from SQuAD's form, in the order of the file.

    Raises:
        StiltsError: No such file, no JSON, not SQuAD's form, or ids that occur twice.
    """
    columns: Columns = {name: [] for name in COLUMNS}
    try:
        for article in read_json(path)["data"]:
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
    ids = columns["id"]
    twice = len(ids) - len(set(ids))
    if twice:
        counts = Counter(ids)
        first = next(key for key in ids if counts[key] > 1)
        raise StiltsError(
            f"{place_of_question(path, first, 1)}: {twice} ids occur more than once, first {first!r}; keep one "
            "question of each."
        )
    return columns


def place_of_question(path: Path, key: str, which: int = 0) -> str:
    """Where a file in SQuAD's form has a question, in words; ``which`` counts those with the same id."""
    lines = lines_of(text_of(path), key, before=r'"id"\s*:\s*', after="")
    return f"{path} line {lines[which]}" if which < len(lines) else f"{path}"

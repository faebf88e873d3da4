"""Question answering in the JSON form of SQuAD."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import text_of
from stilts_xtreme.core.json_text import lines_of, parse_json
from stilts_xtreme.core.schema import Columns

COLUMNS = ("id", "context", "question", "answer_texts", "answer_starts")
"""The canonical columns of question answering."""

_BOM = "\ufeff"


def read_squad(path: Path) -> Columns:
    """Reads gold rows of the format ``qa`` from SQuAD's form, in the order of the file.

    Raises:
        StiltsError: No such file, or as :func:`rows_of_squad`.
    """
    return rows_of_squad(path, text_of(path).removeprefix(_BOM))


def rows_of_squad(path: Path, text: str) -> Columns:
    """The rows of the format ``qa`` in a text in SQuAD's form, in its order.

    A question without ``answers``, as in files whose answers are withheld, has none; neither has one that
    ``is_impossible``, whatever its ``plausible_answers``.

    Args:
        path: The file that the text is of, for errors.
        text: JSON.

    Raises:
        StiltsError: No JSON, not SQuAD's form, ids that are no text or occur twice.
    """
    columns: Columns = {name: [] for name in COLUMNS}
    try:
        for article in parse_json(str(path), text)["data"]:
            for paragraph in article["paragraphs"]:
                for qa in paragraph["qas"]:
                    answers = [] if qa.get("is_impossible") else qa.get("answers") or []
                    texts, starts = ([answer[name] for answer in answers] for name in ("text", "answer_start"))
                    values = (_id(qa["id"]), paragraph["context"], qa["question"], texts, starts)
                    for name, value in zip(columns, values, strict=True):
                        columns[name].append(value)
    except (KeyError, TypeError, AttributeError) as error:
        raise StiltsError(f"{path}: not in SQuAD's form at question {len(columns['id']) + 1} ({error}).") from error
    ids = columns["id"]
    twice = len(ids) - len(set(ids))
    if twice:
        counts = Counter(ids)
        first = next(key for key in ids if counts[key] > 1)
        lines = _lines_of_question(text, first)
        place = f"{path} line {lines[1]}" if len(lines) > 1 else str(path)
        raise StiltsError(f"{place}: {twice} ids occur more than once, first {first!r}; keep one question of each.")
    return columns


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"the id {value!r} is no text")
    return str(value)


def _lines_of_question(text: str, key: str) -> list[int]:
    return lines_of(text, key, before=r'"id"\s*:\s*', after="")


def place_of_question(path: Path, text: str, key: str) -> str:
    """Where a file in SQuAD's form has a question, in words."""
    lines = _lines_of_question(text, key)
    return f"{path} line {lines[0]}" if lines else f"{path}"

"""Files of question answering: answers as ``{id: text}``, and gold in SQuAD's form."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.question_answering.squad import COLUMNS

log = logging.getLogger(__name__)


def write_answers(path: Path, answers: Mapping[str, str]) -> Path:
    """Writes answers as ``{id: text}``.

    Raises:
        StiltsError: Ids or answers that are not text.
    """
    bad = [key for key, text in answers.items() if not isinstance(key, str) or not isinstance(text, str)]
    if bad:
        raise StiltsError(f"{path}: {len(bad)} answers or ids are not text, first id {bad[0]!r}.")
    write_atomic(path, json.dumps(dict(answers), ensure_ascii=False, indent=0) + "\n")
    return path


def read_answers(path: Path, ids: Iterable[str] | None = None) -> dict[str, str]:
    """Reads answers by id.

    Args:
        path: The file.
        ids: The questions; an answer to none of them is refused, a question without an answer is logged.

    Raises:
        StiltsError: No such file, no JSON, an id twice, an answer that is not text, or unknown ids.
    """
    answers = read_json(path)
    if not isinstance(answers, dict):
        raise StiltsError(f"{path}: a {type(answers).__name__} at the top; an object of id and text is needed.")
    bad = [key for key, text in answers.items() if not isinstance(text, str)]
    if bad:
        raise StiltsError(f"{path}: {len(bad)} answers are not text, first id {bad[0]!r}.")
    if ids is not None:
        known = set(ids)
        extra = [key for key in answers if key not in known]
        if extra:
            raise StiltsError(
                f"{path}: {len(extra)} of {len(answers)} ids belong to no question, first {extra[0]!r}; leave them out."
            )
        if len(answers) < len(known):
            log.warning("%s: %d of %d questions have no answer.", path, len(known) - len(answers), len(known))
    return answers


def write_squad(path: Path, columns: Columns) -> Path:
    """Writes gold rows of the format ``qa`` in SQuAD's form; neighbours with the same context share a paragraph.

    Raises:
        StiltsError: A missing column, columns of other lengths, ids twice, or texts and starts that do not pair up.
    """
    lacking = [name for name in COLUMNS if name not in columns]
    if lacking:
        raise StiltsError(f"{path}: {len(lacking)} columns are missing: {', '.join(lacking)}.")
    sizes = {name: len(columns[name]) for name in COLUMNS}
    if len(set(sizes.values())) > 1:
        raise StiltsError(f"{path}: columns of other lengths: {sizes}.")
    ids = columns["id"]
    if len(set(ids)) != len(ids):
        raise StiltsError(f"{path}: {len(ids) - len(set(ids))} ids occur more than once.")
    rows = list(zip(*(columns[name] for name in COLUMNS), strict=True))
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
    write_atomic(path, json.dumps({"data": [{"paragraphs": paragraphs}]}, ensure_ascii=False, indent=0) + "\n")
    return path

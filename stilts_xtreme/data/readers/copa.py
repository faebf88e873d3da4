"""COPA and XCOPA: what the question is stands in one word, which becomes XTREME-R's sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import Raw, lacks, told

QUESTIONS = {"cause": "What was the cause?", "effect": "What happened as a result?"}


class Copa(Reader):
    """``cause`` and ``effect`` become questions."""

    def columns(self, raw: Raw, spec: DatasetSpec, labels: Sequence[str] | None) -> Columns:
        """The columns by ``spec.columns``, with questions of whole sentences."""
        out = super().columns(raw, spec, labels)
        for at, value in enumerate(out["question"]):
            if not value:
                raw.wrong.setdefault(at, f"{spec.columns['question']} is empty")
        out["question"] = [_question(value, raw.where) if value else "" for value in out["question"]]
        return told(out, raw)


def _question(value: str, where: str) -> str:
    if value not in QUESTIONS:
        raise lacks(f"{where}, column 'question': COPA", "question", value, list(QUESTIONS))
    return QUESTIONS[value]


READERS: Mapping[str, Reader] = {"copa": Copa()}

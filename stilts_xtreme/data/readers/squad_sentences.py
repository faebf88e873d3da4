"""SQuAD for ranking: a question asks for the sentence that holds its answer, as in XTREME-R's code for LAReQA."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import WORDS, Raw, column, names_of_rows, told
from stilts_xtreme.tasks.ranking.rows import ROWS

_STOP = re.compile(r"([.?!])[)\]'\"\u2019\u201d]*(?:\[[\w ?]+\])*\s+(?=[(\['\"\u2018\u201c]*[A-Z0-9])")
_SHORT = re.compile(
    r"mrs?|ms|dr|prof|fr|rev|msgr|st|lt|gen|col|maj|adm|capt|sgt|rep|gov|sen|pres|hon|jr|sr|inc|ltd|co|corp|bros|"
    r"jan|feb|mar|apr|jun|jul|aug|sept|oct|nov|dec|mt|ft|no|vol|ch|sec|art|fig|pp|vs|cf|ca|approx|al|e\.g|i\.e|a\.k\.a",
    re.IGNORECASE,
)
"""What a full stop does not end a sentence after; an initial is another case."""


def breaks(text: str) -> list[tuple[int, int]]:
    """Where the sentences of an English text begin and end.

    A sentence ends at a full stop, question or exclamation mark with its closing quotes, before white space and a
    capital or a digit; not after an initial or a common abbreviation. XTREME-R's code has a longer list of exceptions
    for SQuAD (``sb_sed.py``), from which this differs in the long tail.
    """
    cuts = [0]
    for match in _STOP.finditer(text):
        before = text[: match.start(1)].rpartition(" ")[2].lstrip("(['\"\u2018\u201c")
        initial = re.fullmatch(r"(?:[A-Z]\.)*[A-Z]", before) and len(before) < 6
        if match[1] != "." or not (initial or _SHORT.fullmatch(before)):
            cuts.append(match.end())
    found = []
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        piece = text[start:end]
        if piece.strip():
            found.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return found


def holding(spans: Sequence[Sequence[int]], start: int) -> int | None:
    """The span that a character is in."""
    return next((at for at, (begin, end) in enumerate(spans) if begin <= start < end), None)


def of_questions(
    ids: Sequence[str],
    questions: Sequence[str],
    contexts: Sequence[str],
    texts: Sequence[Sequence[str]],
    starts: Sequence[Sequence[int]],
) -> Columns:
    """Questions about passages with the sentence that holds the (first) answer, and its passage.

    Returns:
        Rows of the format ``ranking``; without a right candidate where the answer is not where it should be.
    """
    columns = ROWS.empty_columns()
    passages: dict[str, int] = {}
    for key, question, context, answers, places in zip(ids, questions, contexts, texts, starts, strict=True):
        number = passages.setdefault(context, len(passages) + 1)
        spans = _breaks(context)
        place = places[0] if places else -1
        right = bool(answers) and place >= 0 and context.startswith(answers[0], place)
        if answers and not right:
            place = context.find(answers[0])
        at = holding(spans, place)
        sentence = "" if at is None else context[slice(*spans[at])]
        gold = [] if at is None else [f"{number}_{at}"]
        for name, value in zip(columns, (key, question, sentence, context if sentence else "", gold), strict=True):
            columns[name].append(value)
    return columns


_breaks = lru_cache(maxsize=64)(breaks)


class SquadSentences(Reader):
    """The sentence of the answer is found in the passage."""

    def columns(self, raw: Raw, spec: DatasetSpec, labels: Sequence[str] | None) -> Columns:
        """Rows of :func:`of_questions`."""
        texts, starts = (name.strip() for name in spec.columns["text"].split(","))
        keys = column(raw, spec.columns["id"], ("string", "integer"))
        questions, contexts = (
            [text or "" for text in column(raw, spec.columns[name], ("string",))] for name in ("query", "context")
        )
        answers, places = column(raw, texts, (WORDS,)), column(raw, starts, ("list of integer",))
        return told(of_questions(names_of_rows(keys, raw), questions, contexts, answers, places), raw)


READERS: Mapping[str, Reader] = {"squad_sentences": SquadSentences()}

"""The rows of question answering: a context, a question, and the answers in the context with their places.

``answer_starts`` count characters in ``context``. A question without an answer has empty lists.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.question_answering.squad import COLUMNS
from stilts_xtreme.tasks.rows import NO_LABEL, Finding, RowFormat

MOVED = "answer moved"
"""The one problem that is mended without loss."""


class QuestionRows(RowFormat):
    """Questions about contexts."""

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Answers that are not where they should be: moved where that is possible, given the start -1 where not.

        An answer without a character is none: the row's answers are withheld.
        """
        texts = columns["answer_texts"]
        blank = [at for at, answers in enumerate(texts) if answers and not any(text.strip() for text in answers)]
        columns, moved, lost = move_answers(columns, train)
        none = set(blank)
        return columns, [
            Finding(NO_LABEL, blank, drop=True),
            Finding(MOVED, moved, mended=True),
            Finding("answer not found", lost["some"]),
            Finding("no answer found", [at for at in lost["all"] if at not in none], drop=train),
        ]

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No question has an answer, or none has one that is in its context."""
        texts = columns["answer_texts"]
        if not any(text.strip() for answers in texts for text in answers):
            if unanswerable and not any(texts):
                return None
            return f"none of its {len(texts)} questions has an answer"
        if not any(start >= 0 for starts in columns["answer_starts"] for start in starts):
            return f"none of its {len(texts)} questions has an answer that is in the context"
        return None

    def kept_in_translation(self, columns: Columns, at: int, labels: Sequence[str]) -> str:
        """Whether there is an answer."""
        return "an answer" if columns["answer_texts"][at] else "no answer"

    def refuse_translation(self, columns: Columns, where: Callable[[int], str]) -> None:
        """Refuses an answer that is nowhere in its context; one that is elsewhere in it is moved later.

        Raises:
            StiltsError: For such an answer.
        """
        for at, (context, texts) in enumerate(zip(columns["context"], columns["answer_texts"], strict=True)):
            for text in texts:
                if not text or text not in context:
                    raise StiltsError(
                        f"{where(at)}: the answer '{text[:60]}' is not in its context; mend it, or leave the row out."
                    )


ROWS = QuestionRows(
    name="qa",
    columns=COLUMNS,
    texts=("context", "question"),
    required=("context", "question"),
    lists=("answer_texts", "answer_starts"),
    unique_ids=True,
    translatable=True,
)


def move_answers(columns: Columns, train: bool) -> tuple[Columns, list[int], dict[str, list[int]]]:
    """Moves answers to where they are in the context.

    A source that strips a context without moving its answers is off by the same number of characters in all answers of
    that passage, so the shift that explains most of a passage's misplaced answers is tried before the nearest place.

    Returns:
        The columns, the rows with a moved answer, and the rows where ``some`` or ``all`` answers are nowhere.
    """
    contexts = columns["context"]
    votes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    pairs = []
    for context, texts, starts in zip(contexts, columns["answer_texts"], columns["answer_starts"], strict=True):
        if len(starts) != len(texts):
            starts = [-1] * len(texts)  # no start can be trusted: the first occurrence is taken
        pairs.append((list(texts), list(starts)))
        for text, start in zip(texts, starts, strict=True):
            if text and start >= 0 and not _at(context, text, start):
                votes[context].update(start - place for place in _places(context, text))
    shifts = {
        context: max(counter, key=lambda shift: (counter[shift], -abs(shift), shift))
        for context, counter in votes.items()
        if counter
    }
    moved: list[int] = []
    lost: dict[str, list[int]] = {"some": [], "all": []}
    all_texts, all_starts = [], []
    for i, (context, (texts, starts)) in enumerate(zip(contexts, pairs, strict=True)):
        places = [
            _place(context, text, start, shifts.get(context, 0)) for text, start in zip(texts, starts, strict=True)
        ]
        if any(place not in (-1, start) for place, start in zip(places, starts, strict=True)):
            moved.append(i)
        if -1 in places:
            lost["all" if set(places) == {-1} else "some"].append(i)
            if train:  # a start that is not in the context cannot be learned from
                texts = [text for text, place in zip(texts, places, strict=True) if place != -1]
                places = [place for place in places if place != -1]
        all_texts.append(texts)
        all_starts.append(places)
    return {**columns, "answer_texts": all_texts, "answer_starts": all_starts}, moved, lost


def _at(context: str, text: str, start: int) -> bool:
    return start >= 0 and context.startswith(text, start)


def _places(context: str, text: str) -> list[int]:
    places, place = [], context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return places


def _place(context: str, text: str, start: int, shift: int) -> int:
    if not text:
        return -1
    if _at(context, text, start):
        return start
    if start >= 0 and _at(context, text, start - shift):
        return start - shift
    return min(_places(context, text), key=lambda place: abs(place - start), default=-1)

"""Looks at canonical rows before they are trained or scored on: drops, repairs, counts and names the bad ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import FORMATS, Columns, DatasetSpec

POLICIES = ("skip", "refuse")
_SHOWN = 3  # ids named per problem: enough to look one up, short enough for one line
MOVED = "answer moved"  # the one problem that is mended without loss, so that 'refuse' lets it pass
_COMMON = (MOVED, "no label", "empty text")  # known of good copies: not looked up in their files

Places = Callable[[Sequence[str], bool], list[str]]
"""Ids of rows -> where they are, in words; with the flag the last of those that have the same id."""


@dataclass(frozen=True)
class Report:
    """What :func:`check` found in the rows of one split and language.

    Attributes:
        dataset: Name of the data set.
        split: Canonical split.
        language: Language of the rows, or "".
        n_read: Rows that came in.
        n_kept: Rows that are left.
        problems: Name of a problem -> how many rows have it, and the ids of the first of them.
        places: Name of a problem -> file and line of the first row that has it, where that is known.
    """

    dataset: str
    split: str
    language: str
    n_read: int
    n_kept: int
    problems: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        where = "/".join(part for part in (self.dataset, self.split, self.language) if part)
        found = "; ".join(
            f"{name}: {count} ({', '.join(ids)}{', ...' if count > len(ids) else ''}"
            f"{f'; the first: {self.places[name]}' if name in self.places else ''})"
            for name, (count, ids) in sorted(self.problems.items())
        )
        return f"{where}: {self.n_kept} of {self.n_read} rows kept" + (f"; {found}" if found else "")


def check(
    columns: Columns, spec: DatasetSpec, split: str, policy: str, *, language: str = "", places: Places | None = None
) -> tuple[Columns, Report]:
    """Drops, repairs and counts the rows that cannot be used as they are.

    Dropped everywhere: rows without a label, with a label outside of its range, with a tag too many or too few, with
    another number of choices than labels, queries without a right candidate. Dropped from train, kept in evaluation
    (where the number of rows must stay the benchmark's): rows with an empty text, questions whose answers are not in
    the context. An answer that is elsewhere in the context than ``answer_starts`` says is moved; one that is nowhere in
    it gets the start -1 where its row is kept.

    Args:
        columns: Canonical rows; not changed.
        spec: The data set; ``labels`` in the order that the positions mean.
        split: ``train``, ``validation`` or ``test``.
        policy: ``skip`` or ``refuse``.
        language: Named in the report.
        places: Tells where rows are.

    Returns:
        The rows that are left, and what was found.

    Raises:
        StiltsError: If the split is blind, if no row of an evaluation split has a label, if ids repeat by which
            predictions are filed (QA, queries, candidates), or if the policy is ``refuse`` and a row cannot be used as
            it is.
    """
    if policy not in POLICIES:
        raise unknown("data.bad_rows", policy, POLICIES)
    refuse_blind(spec, split)
    where = "/".join(part for part in (spec.name, split, language) if part)
    columns = {name: columns[name] for name in FORMATS[spec.format] if name in columns}
    n = len(next(iter(columns.values()), []))
    ids = [str(i) for i in columns.get("id", range(n))]
    found: defaultdict[str, list[int]] = defaultdict(list)
    dropped: set[int] = set()

    def note(problem: str, rows: list[int], drop: bool) -> None:
        if rows:
            found[problem].extend(rows)
            if drop:
                dropped.update(rows)

    train = split == "train"
    note("empty text", [i for i in range(n) if _empty(columns, spec, i)], train)
    if spec.format in ("classification", "choice", "tagging"):
        for problem, rows in _labels(columns, spec, n).items():
            if problem == "no label" and rows and len(rows) == n and not train:
                raise StiltsError(f"{where} is blind, never scored: none of its {n} rows has a label.")
            note(problem, rows, True)
    if spec.format == "qa":
        columns, moved, lost = _answers(columns, train)
        note(MOVED, moved, False)
        note("answer not found", lost["some"], False)
        note("no answer found", lost["all"], train)
    if spec.format == "ranking":
        note("no right candidate", [i for i in range(n) if not columns["gold"][i]], True)
    repeated = {i for i, count in Counter(ids).items() if count > 1}
    note("duplicate id", [i for i in range(n) if ids[i] in repeated], False)
    problems = {p: (len(rows), tuple(ids[i] for i in rows[:_SHOWN])) for p, rows in found.items()}
    if repeated and spec.format in ("qa", "ranking", "candidates") and not train:
        first = next(ids[i] for i in range(n) if ids[i] in repeated)
        at = "".join(f" (again: {place})" for place in (places([first], True) if places else ()))
        raise StiltsError(
            f"{where} has {len(repeated)} ids that occur more than once, such as '{first}'{at}; keep one row of each."
        )
    known: dict[str, str] = {}
    for problem, (_, some) in problems.items():
        if places and (policy == "refuse" or problem not in _COMMON):
            known.update((problem, place) for place in places(some[:1], problem == "duplicate id"))
    report = Report(spec.name, split, language, n, n - len(dropped), problems, known)
    if policy == "refuse" and set(problems) - {MOVED}:
        raise StiltsError(f"data.bad_rows=refuse: {report}; mend them, or leave them out with data.bad_rows=skip.")
    if n and len(dropped) == n:
        raise StiltsError(f"No row can be used: {report}.")
    if dropped:
        kept = [i for i in range(n) if i not in dropped]
        columns = {name: [values[i] for i in kept] for name, values in columns.items()}
    return columns, report


def refuse_blind(spec: DatasetSpec, split: str) -> None:
    """Raises StiltsError if the labels of the split are withheld."""
    if split in spec.blind:
        raise StiltsError(f"The split '{split}' of {spec.name} is blind, never scored: its labels are withheld.")


def _empty(columns: Columns, spec: DatasetSpec, i: int) -> bool:
    if spec.format == "tagging":
        return not any(token.strip() for token in columns["tokens"][i])
    if spec.format == "choice":  # either of context and question may be empty by design, not both
        stem = columns["context"][i].strip() or columns["question"][i].strip()
        return not stem or not all(choice.strip() for choice in columns["choices"][i])
    sides: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(("classification", "retrieval"), ("text_a", "text_b")),
        "qa": ("context", "question"),
        "ranking": ("query",),
    }
    required = sides.get(spec.format, ("text",))
    if spec.format == "classification" and "text_b" not in spec.columns:
        required = ("text_a",)  # single sentences: text_b is "" in every row
    return not all(columns[name][i].strip() for name in required)


def _labels(columns: Columns, spec: DatasetSpec, n: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"no label": [], "label out of range": []}
    size = len(spec.labels)
    if spec.format == "tagging":
        found["tokens and tags of different length"] = []
        for i, (tokens, tags) in enumerate(zip(columns["tokens"], columns["tags"], strict=True)):
            if tokens and all(tag is None or tag == -1 for tag in tags):
                found["no label"].append(i)
            elif len(tokens) != len(tags):
                found["tokens and tags of different length"].append(i)
            elif any(tag is None or not 0 <= tag < size for tag in tags):
                found["label out of range"].append(i)
        return found
    for i, label in enumerate(columns["label"]):
        if label is None or label == -1:
            found["no label"].append(i)
        elif not 0 <= label < size:
            found["label out of range"].append(i)
    if spec.format == "choice":
        found["wrong number of choices"] = [i for i in range(n) if len(columns["choices"][i]) != size]
    return found


def _answers(columns: Columns, train: bool) -> tuple[Columns, list[int], dict[str, list[int]]]:
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

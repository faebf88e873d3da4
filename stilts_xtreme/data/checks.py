"""Looks at canonical rows before they are trained or scored on: drops, repairs, counts and names the bad ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.tasks import row_format_of
from stilts_xtreme.tasks.rows import NO_LABEL, WRONG

POLICIES = ("skip", "refuse")
_SHOWN = 3  # ids named per problem: enough to look one up, short enough for one line
_EMPTY = "empty text"
_COMMON = (NO_LABEL, _EMPTY)  # known of good copies, as is what was mended: not looked up in their files

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

    Dropped everywhere: rows with a value of a wrong type, such as null among tokens, rows without a label, with a label
    outside of its range, with a tag too many or too few, with another number of choices than labels,
    queries without a right candidate. Dropped from train, kept in evaluation
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
    format = row_format_of(spec.format)
    wrong = columns.get(WRONG)
    columns = {name: columns[name] for name in format.columns if name in columns}
    n_read = len(next(iter(columns.values()), []))
    ids = [str(i) for i in columns.get("id", range(n_read))]
    problems: dict[str, tuple[int, tuple[str, ...]]] = {}
    if wrong is not None:  # nothing else can be told of these rows
        for problem in sorted({problem for problem in wrong if problem}):
            own = [ids[i] for i in range(n_read) if wrong[i] == problem]
            problems[problem] = (len(own), tuple(own[:_SHOWN]))
        whole = [i for i in range(n_read) if not wrong[i]]
        columns = {name: [values[i] for i in whole] for name, values in columns.items()}
        ids = [ids[i] for i in whole]
    n = len(ids)
    found: defaultdict[str, list[int]] = defaultdict(list)
    dropped: set[int] = set()

    def note(problem: str, rows: Sequence[int], drop: bool) -> None:
        if rows:
            found[problem].extend(rows)
            if drop:
                dropped.update(rows)

    train = split == "train"
    note(_EMPTY, [i for i in range(n) if format.lacks_text(columns, i, spec.columns)], train)
    columns, findings = format.review(columns, len(spec.labels), train)
    mended = {finding.problem for finding in findings if finding.mended}
    reason = format.unscorable(columns, spec.labels, spec.unanswerable) if n else None
    if reason and not train:
        raise StiltsError(f"{where} is blind, never scored: {reason}; {_remedy(spec, split, language)}.")
    for finding in findings:
        note(finding.problem, finding.rows, finding.drop)
    repeated = {i for i, count in Counter(ids).items() if count > 1}
    note("duplicate id", [i for i in range(n) if ids[i] in repeated], False)
    problems |= {p: (len(rows), tuple(ids[i] for i in rows[:_SHOWN])) for p, rows in found.items()}
    if repeated and format.unique_ids and not train:
        first = next(ids[i] for i in range(n) if ids[i] in repeated)
        at = "".join(f" (again: {place})" for place in (places([first], True) if places else ()))
        raise StiltsError(
            f"{where} has {len(repeated)} ids that occur more than once, such as '{first}'{at}; keep one row of each."
        )
    known: dict[str, str] = {}
    for problem, (_, some) in problems.items():
        if places and (policy == "refuse" or problem not in {*_COMMON, *mended}):
            known.update((problem, place) for place in places(some[:1], problem == "duplicate id"))
    report = Report(spec.name, split, language, n_read, n - len(dropped), problems, known)
    if policy == "refuse" and set(problems) - mended:
        raise StiltsError(f"data.bad_rows=refuse: {report}; mend them, or leave them out with data.bad_rows=skip.")
    if n_read and len(dropped) == n:
        raise StiltsError(f"No row can be used: {report}.")
    if reason:
        raise StiltsError(f"{where} cannot be trained on: {reason}; bring the rows with what is right.")
    if dropped:
        kept = [i for i in range(n) if i not in dropped]
        columns = {name: [values[i] for i in kept] for name, values in columns.items()}
    return columns, report


def _remedy(spec: DatasetSpec, split: str, language: str = "") -> str:
    """What can be done about a split whose labels are withheld."""
    named = f"dataset.{spec.name}.files.{split}=FILE" if spec.files else f"dataset.{spec.name}.splits.{split}=SPLIT"
    without = f", or leave '{language}' out with languages=[...]" if language else ""
    return f"bring the rows with what is right, score others with {named}{without}"


def refuse_blind(spec: DatasetSpec, split: str) -> None:
    """Raises StiltsError if the labels of the split are withheld."""
    if split in spec.blind:
        raise StiltsError(
            f"The split '{split}' of {spec.name} is blind, never scored: its labels are withheld; "
            f"{_remedy(spec, split)} and dataset.{spec.name}.blind=[]."
        )

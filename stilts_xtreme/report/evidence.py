"""What each entry of the matrix shows: intervals, tests corrected over the matrix, languages helped, smallest gains.

Means over languages are without the source language, unless they say otherwise. A run that collapsed is in no arm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.answers import Answers, Target, target_of
from stilts_xtreme.report.labels import Result, compared, control, evaluation, labels, meaningless
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Arm, Gain, gain_of_scores, paired_gains
from stilts_xtreme.report.statistics.languages import adjusted, languages_helped, named
from stilts_xtreme.report.statistics.power import ALPHA, smallest_visible
from stilts_xtreme.tasks.metrics.items import Items

ZERO_SHOT = "mean, zero-shot"
EVERY = "mean, all"
REGION = 1.0
"""The region of practical equivalence: effects of fewer points are called none."""


@dataclass(frozen=True)
class Evidence:
    """What one entry of the matrix shows.

    Attributes:
        row: Its row.
        column: Its column.
        gains: Language, and :data:`ZERO_SHOT` and :data:`EVERY`, -> gain.
        languages: The languages of the zero-shot mean.
        by_items: Whether the answers were there. Without them the noise of items is not in the intervals.
        collapsed: Seeds that are left out, because a training of an arm collapsed.
        arms: The two arms, seed -> language -> items; empty where the answers were not there.
        parallel: Whether an item is the same in all languages.
        control: Whether the row is a control, which is no finding.
    """

    row: str
    column: str
    gains: Mapping[str, Gain]
    languages: tuple[str, ...]
    by_items: bool
    collapsed: tuple[int, ...] = ()
    arms: tuple[Arm, Arm] | None = None
    parallel: bool = False
    control: bool = False

    @property
    def mean(self) -> Gain:
        """The gain of the zero-shot mean, or of the only language."""
        return self.gains[ZERO_SHOT]

    @cached_property
    def p_values(self) -> dict[str, float]:
        """Language -> two-sided p of a gain; 1 where the language lost."""
        return {key: min(1.0, 2 * self.gains[key].p_helps) for key in self.languages}

    @property
    def helped(self) -> int:
        """In at least how many languages it helps."""
        return languages_helped(self.p_values, ALPHA)

    @property
    def named(self) -> tuple[str, ...]:
        """The languages that it is shown to help in."""
        return named(self.p_values, ALPHA)

    @cached_property
    def smallest(self) -> float | None:
        """The smallest gain of the mean that would have been seen in four of five such experiments."""
        return smallest_visible(self.mean.spread) if self.known else None

    @property
    def known(self) -> bool:
        """Whether there is an interval: answers, or several seeds."""
        return self.mean.spread.error > 0 or len(self.mean.seeds) > 1


@dataclass(frozen=True)
class Findings:
    """The evidence of a whole matrix.

    Attributes:
        entries: (row, column) -> evidence, in the order of the results.
        holm: (row, column) -> p of the mean, corrected over the entries by Holm.
        bh: The same by Benjamini and Hochberg.
        notes: What a reader has to know.
    """

    entries: Mapping[tuple[str, str], Evidence]
    holm: Mapping[tuple[str, str], float]
    bh: Mapping[tuple[str, str], float]
    notes: tuple[str, ...] = ()

    def verdict(self, place: tuple[str, str]) -> str:
        """What an entry shows, in fixed words, after Holm's correction over the matrix."""
        found = self.entries[place]
        if not found.known:
            return "not known"
        if self.holm.get(place, 1.0) <= ALPHA:
            said = "helps" if found.mean.value > 0 else "harms"
        elif found.mean.p_beyond(REGION) <= ALPHA:
            said = "shown to be nothing"
        else:
            said = "not shown"
        return said if len(found.mean.seeds) > 1 else f"{said}, one seed"


@dataclass
class _Place:
    """What is gathered for one entry."""

    control: bool
    source: str | None
    target: Target | None = None
    own: dict[int, Mapping[str, float]] = field(default_factory=dict)
    base: dict[int, Mapping[str, float]] = field(default_factory=dict)
    keys: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
    collapsed: set[int] = field(default_factory=set)


def findings(cells: Sequence[FinishedCell]) -> Findings:
    """The evidence of the entries that have a baseline.

    Raises:
        StiltsError: Arms answered other items, or files of answers are damaged.
    """
    cells = [cell for cell in cells if cell.result["target"]]
    answers = Answers.of(cells)
    entries: dict[tuple[str, str], Evidence] = {}
    notes: list[str] = []
    for (row, column), place in _gathered(cells).items():
        found = _evidence(row, column, place, answers)
        if found is not None:
            entries[row, column] = found
    ps = {at: e.mean.p for at, e in entries.items() if e.known and not e.control}
    blind = sorted({column for (_, column), e in entries.items() if not e.by_items})
    if blind:
        notes.append(f"No answers item by item of {', '.join(blind)}: these intervals are over seeds alone.")
    alone = sorted({column for (_, column), e in entries.items() if len(e.mean.seeds) == 1})
    if alone:
        notes.append(f"One seed alone of {', '.join(alone)}: these intervals leave out the noise of seeds.")
    for (row, column), e in entries.items():
        if e.collapsed:
            seeds = ", ".join(map(str, e.collapsed))
            notes.append(f"{row} > {column}: seed {seeds} collapsed, and is left out.")
    return Findings(entries, adjusted(ps, "holm"), adjusted(ps, "bh"), tuple(notes))


def _gathered(cells: Sequence[FinishedCell]) -> dict[tuple[str, str], _Place]:
    results = [cell.result for cell in cells]
    by_key = {key: result for result in results if (key := evaluation(result)) is not None}
    places: dict[tuple[str, str], _Place] = {}
    targets: dict[str, Target | None] = {}
    for cell, label in zip(cells, labels(results), strict=True):
        result = cell.result
        place = places.setdefault((label.row, label.column), _Place(control(result), result.get("source_language")))
        seed = result["seed"]
        if targets.get(label.column) is None:
            targets[label.column] = target_of(cell)
        place.target = targets[label.column]
        known, key = compared(result)
        base: Result | None = by_key.get(key) if key else None
        if not known and label.row != label.baseline:
            base = _by_name(results, label.baseline, label.column, seed)
            key = evaluation(base) if base is not None else None
        scores = _scores(base, "value") if base is not None else _scores(result, "baseline")
        if not scores:
            continue
        if meaningless(result) or (base is not None and meaningless(base)):
            place.collapsed.add(seed)
            continue
        place.own[seed], place.base[seed] = _scores(result, "value"), scores
        place.keys[seed] = evaluation(result), key
    return places


def _by_name(results: Sequence[Result], row: str, column: str, seed: int) -> Result | None:
    for result, label in zip(results, labels(results), strict=True):
        if (label.row, label.column, result["seed"]) == (row, column, seed):
            return result
    return None


def _scores(result: Result, part: str) -> dict[str, float]:
    return {line["language"]: line[part] for line in result["comparison"] if line.get(part) is not None}


def _evidence(row: str, column: str, place: _Place, answers: Answers) -> Evidence | None:
    if not place.own:
        return None
    every = [key for key in next(iter(place.own.values())) if all(key in scores for scores in place.base.values())]
    zero_shot = [key for key in every if key != place.source] or every
    means = {ZERO_SHOT: zero_shot, EVERY: every}
    arms = _arms(place, answers, every)
    common = (tuple(zero_shot), arms is not None, tuple(sorted(place.collapsed)), arms)
    if arms is None:
        scores = {seed: (place.own[seed], place.base[seed]) for seed in place.own}
        return Evidence(row, column, gain_of_scores(scores, every, means), *common, control=place.control)
    parallel = place.target is not None and place.target.parallel and _aligned(arms[0])
    return Evidence(row, column, paired_gains(*arms, parallel, means), *common, parallel, place.control)


def _arms(place: _Place, answers: Answers, languages: Sequence[str]) -> tuple[Arm, Arm] | None:
    if place.target is None:
        return None
    arms: tuple[dict[int, Mapping[str, Items]], dict[int, Mapping[str, Items]]] = ({}, {})
    for seed, keys in place.keys.items():
        for arm, key in zip(arms, keys, strict=True):
            found = answers.items(key, place.target, languages)
            if found is None:
                return None
            arm[seed] = found
    return arms


def _aligned(arm: Arm) -> bool:
    """Whether ids name the same items in all languages: those of rows do only if no language lacks a row."""
    first = next(iter(arm.values()))
    counts = {len(items.ids) for items in first.values()}
    numbered = all(list(items.ids) == [str(n) for n in range(len(items.ids))] for items in first.values())
    return len(counts) == 1 or not numbered


def rows(found: Findings) -> list[dict[str, Any]]:
    """The evidence as tidy rows: a line for each entry and language, and for its means."""
    table = []
    for place, entry in found.entries.items():
        for name, gain in entry.gains.items():
            low, high = gain.interval()
            mean = name == ZERO_SHOT
            table.append(
                {
                    "row": entry.row,
                    "column": entry.column,
                    "language": name,
                    "gain": gain.value,
                    "low": low if entry.known else None,
                    "high": high if entry.known else None,
                    "p": gain.p if entry.known else None,
                    "p_within_region": gain.p_beyond(REGION) if entry.known else None,
                    "error_items": gain.spread.items if entry.by_items else None,
                    "error_seeds": gain.spread.seeds if len(gain.seeds) > 1 else None,
                    "seeds": " ".join(map(str, gain.seeds)),
                    "p_holm": found.holm.get(place) if mean else None,
                    "p_bh": found.bh.get(place) if mean else None,
                    "verdict": found.verdict(place) if mean else None,
                    "smallest_visible": entry.smallest if mean else None,
                    "languages": len(entry.languages) if mean else None,
                    "languages_helped": entry.helped if mean and entry.known else None,
                    "languages_named": " ".join(entry.named) if mean and entry.known else None,
                }
            )
    return table


def merged(parts: Iterable[Iterable[FinishedCell]]) -> list[FinishedCell]:
    """The cells of several folders, one that stands in several of them once.

    Raises:
        StiltsError: A cell has other scores in another folder.
    """
    found: dict[str, FinishedCell] = {}
    for cell in (cell for part in parts for cell in part):
        other = found.setdefault(str(cell.result["cell"]), cell)
        if _scores(other.result, "value") != _scores(cell.result, "value"):
            raise StiltsError(
                f"The cell {cell.result['cell']} has other scores in {cell.folder} than in {other.folder}; "
                "leave one of the two folders out."
            )
    return list(found.values())

"""What each entry of the matrix shows: intervals, tests corrected over the matrix, languages helped, smallest gains.

Means over languages are without the source language, unless they say otherwise. A run that collapsed is in no arm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.answers import Answers
from stilts_xtreme.report.arms import Pair, gathered, scores
from stilts_xtreme.report.labels import BASELINE
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
        over: What it is a gain over: ``none``, the baseline, or a control such as ``placebo``.
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
    over: str = BASELINE

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
        over: (row, column, control) -> the evidence of what the row gains over its control.
        holm_over: The same -> p of the mean, corrected by Holm over the entries that have this control.
    """

    entries: Mapping[tuple[str, str], Evidence]
    holm: Mapping[tuple[str, str], float]
    bh: Mapping[tuple[str, str], float]
    notes: tuple[str, ...] = ()
    over: Mapping[tuple[str, str, str], Evidence] = field(default_factory=dict)
    holm_over: Mapping[tuple[str, str, str], float] = field(default_factory=dict)

    def verdict(self, place: tuple[str, str]) -> str:
        """What an entry shows, in fixed words, after Holm's correction over the matrix."""
        found = self.entries[place]
        if found.control:
            return "a control"
        return _verdict(found, self.holm.get(place, 1.0), "helps", "harms", "shown to be nothing")

    def verdict_over(self, place: tuple[str, str, str]) -> str:
        """What an entry shows over its control, in fixed words, after Holm's correction over those of this control."""
        holm = self.holm_over.get(place, 1.0)
        return _verdict(self.over[place], holm, "better than it", "worse than it", "shown to be no different")


def _verdict(found: Evidence, holm: float, more: str, less: str, same: str) -> str:
    if not found.known:
        return "not known"
    if holm <= ALPHA:
        said = more if found.mean.value > 0 else less
    elif found.mean.p_beyond(REGION) <= ALPHA:
        said = same
    else:
        said = "not shown"
    return said if len(found.mean.seeds) > 1 else f"{said}, one seed"


def findings(cells: Sequence[FinishedCell]) -> Findings:
    """The evidence of the entries that have a baseline, and of those that have a control.

    Raises:
        StiltsError: Arms answered other items, or files of answers are damaged.
    """
    cells = [cell for cell in cells if cell.result["target"]]
    answers = Answers.of(cells)
    entries: dict[tuple[str, str], Evidence] = {}
    over: dict[tuple[str, str, str], Evidence] = {}
    pairs, notes = gathered(cells)
    for pair in pairs:
        name = f"{pair.row} > {pair.column}" + f", over its {pair.over}" * (pair.over != BASELINE)
        if pair.collapsed:
            seeds = ", ".join(map(str, sorted(pair.collapsed)))
            notes.append(f"{name}: seed {seeds} collapsed, and is left out.")
        if pair.left_out:
            more = " Nothing but the source language is left, so it has no gain." if pair.source_alone else ""
            notes.append(f"{name}: {', '.join(pair.left_out)} left out, which not both arms have with all seeds.{more}")
        if (found := _evidence(pair, answers)) is None:
            continue
        if pair.over == BASELINE:
            entries[pair.row, pair.column] = found
        else:
            over[pair.row, pair.column, pair.over] = found
    ps = {at: e.mean.p for at, e in entries.items() if e.known and not e.control}
    blind = sorted({column for (_, column), e in entries.items() if not e.by_items})
    if blind:
        notes.append(f"No answers item by item of {', '.join(blind)}: these intervals are over seeds alone.")
    alone = sorted({column for (_, column), e in entries.items() if len(e.mean.seeds) == 1})
    if alone:
        notes.append(f"One seed alone of {', '.join(alone)}: these intervals leave out the noise of seeds.")
    corrected = {
        name: adjusted({at: e.mean.p for at, e in over.items() if at[2] == name and e.known}, "holm")
        for name in dict.fromkeys(at[2] for at in over)
    }
    holm_over = {at: p for found in corrected.values() for at, p in found.items()}
    return Findings(entries, adjusted(ps, "holm"), adjusted(ps, "bh"), tuple(notes), over, holm_over)


def _evidence(pair: Pair, answers: Answers) -> Evidence | None:
    every = pair.languages
    if not every or pair.source_alone:
        return None
    zero_shot = [key for key in every if key != pair.source] or every
    means = {ZERO_SHOT: zero_shot, EVERY: every}
    arms = _arms(pair, answers, every)
    common = (tuple(zero_shot), arms is not None, tuple(sorted(pair.collapsed)), arms)
    if arms is None:
        scores = {seed: (pair.own[seed], pair.base[seed]) for seed in pair.own}
        return Evidence(
            pair.row, pair.column, gain_of_scores(scores, every, means), *common, control=pair.control, over=pair.over
        )
    parallel = pair.target is not None and pair.target.parallel and _aligned(arms[0])
    return Evidence(
        pair.row, pair.column, paired_gains(*arms, parallel, means), *common, parallel, pair.control, pair.over
    )


def _arms(pair: Pair, answers: Answers, languages: Sequence[str]) -> tuple[Arm, Arm] | None:
    if pair.target is None:
        return None
    arms: tuple[dict[int, Mapping[str, Items]], dict[int, Mapping[str, Items]]] = ({}, {})
    for seed, keys in pair.keys.items():
        for arm, key in zip(arms, keys, strict=True):
            found = answers.items(key, pair.target, languages)
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
    """The evidence as tidy rows: a line for each entry, what it is a gain over, and each language and mean."""
    table = []
    entries = [(e, found.holm.get(at), found.bh.get(at), found.verdict(at)) for at, e in found.entries.items()]
    entries += [(e, found.holm_over.get(at), None, found.verdict_over(at)) for at, e in found.over.items()]
    for entry, holm, bh, verdict in entries:
        for name, gain in entry.gains.items():
            low, high = gain.interval()
            mean = name == ZERO_SHOT
            table.append(
                {
                    "row": entry.row,
                    "column": entry.column,
                    "over": entry.over,
                    "language": name,
                    "gain": gain.value,
                    "low": low if entry.known else None,
                    "high": high if entry.known else None,
                    "p": gain.p if entry.known else None,
                    "p_within_region": gain.p_beyond(REGION) if entry.known else None,
                    "error_items": gain.spread.items if entry.by_items else None,
                    "error_seeds": gain.spread.seeds if len(gain.seeds) > 1 else None,
                    "seeds": " ".join(map(str, gain.seeds)),
                    "p_holm": holm if mean else None,
                    "p_bh": bh if mean else None,
                    "verdict": verdict if mean else None,
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
        if scores(other.result, "value") != scores(cell.result, "value"):
            raise StiltsError(
                f"The cell {cell.result['cell']} has other scores in {cell.folder} than in {other.folder}; "
                "leave one of the two folders out."
            )
    return list(found.values())

"""Which results are compared with which: the two arms of every comparison, seed by seed.

A cell is compared with its baseline, the same without an intermediate task, and with its controls, such as a placebo.
What is left out is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stilts_xtreme.report.answers import Target, benchmark_of, target_of
from stilts_xtreme.report.labels import (
    BASELINE,
    Label,
    Result,
    compared,
    control,
    evaluation,
    identity,
    labels,
    meaningless,
)
from stilts_xtreme.report.results import FinishedCell


@dataclass
class Pair:
    """A row of the matrix and what it is compared with, in one target.

    Attributes:
        row: The row.
        column: The target.
        over: What it is compared with: ``none``, the baseline, or a control such as ``placebo``.
        control: Whether the row is a control itself.
        source: The language that is trained on.
        target: What scores the target; None where that is not known.
        own: Seed -> language -> score.
        base: The same of what it is compared with.
        keys: Seed -> the keys of both evaluations.
        collapsed: Seeds that are left out, because a training of an arm collapsed.
    """

    row: str
    column: str
    over: str
    control: bool
    source: str | None
    target: Target | None = None
    own: dict[int, Mapping[str, float]] = field(default_factory=dict)
    base: dict[int, Mapping[str, float]] = field(default_factory=dict)
    keys: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
    collapsed: set[int] = field(default_factory=set)

    def add(self, own: Result, base: Result | None, key: str | None) -> None:
        """Adds a seed; it is left out where a training of an arm collapsed.

        Args:
            own: The result.
            base: What it is compared with; None where only its scores are known, which stand beside the result's own.
            key: The key of the evaluation of the latter.
        """
        seed = own["seed"]
        lost = meaningless(base) if base is not None else bool(own.get("baseline_collapsed"))
        if meaningless(own) or lost:
            self.collapsed.add(seed)
            return
        self.own[seed] = scores(own, "value")
        self.base[seed] = scores(own, "baseline") if base is None else scores(base, "value")
        self.keys[seed] = evaluation(own), key

    @property
    def languages(self) -> list[str]:
        """The languages that both arms have with every seed."""
        every = [found for arm in (self.own, self.base) for found in arm.values()]
        return [code for code in every[0] if all(code in found for found in every)] if every else []

    @property
    def source_alone(self) -> bool:
        """Whether both arms have the source language alone in common, and others were evaluated."""
        return self.languages == [self.source] and bool(self.left_out)

    @property
    def left_out(self) -> list[str]:
        """Languages that an arm has with some seed, and not both with all."""
        kept = self.languages
        every = [code for arm in (self.own, self.base) for found in arm.values() for code in found]
        return sorted({code for code in every if code not in kept})


def scores(result: Result, part: str) -> dict[str, float]:
    """Language -> ``value`` or ``baseline`` of a result, as far as there are any."""
    return {line["language"]: line[part] for line in result["comparison"] if line.get(part) is not None}


def gathered(cells: Sequence[FinishedCell]) -> tuple[list[Pair], list[str]]:
    """The comparisons between cells with a target, in the order of the cells; and what cannot be compared, in words.

    Args:
        cells: The cells.
    """
    results = [cell.result for cell in cells]
    named = labels(results)
    by_key = {key: at for at, result in enumerate(results) if (key := evaluation(result)) is not None}
    targets: dict[str, Target | None] = {}
    for cell, label in zip(cells, named, strict=True):
        if targets.get(label.column) is None:
            targets[label.column] = target_of(cell)
    pairs: dict[tuple[str, str, str], Pair] = {}
    alone: dict[str, list[tuple[str, int]]] = {}

    def place(label: Label, result: Result, over: str) -> Pair:
        new = Pair(label.row, label.column, over, control(result), result.get("source_language"), targets[label.column])
        return pairs.setdefault((label.row, label.column, over), new)

    for result, label in zip(results, named, strict=True):
        seed = result["seed"]
        known, key = compared(result)
        at = by_key.get(key) if key else None
        if not known and label.row != label.baseline:
            at = _by_name(results, named, label.baseline, label.column, seed)
            key = evaluation(results[at]) if at is not None else None
        if at is not None:
            place(label, result, BASELINE).add(result, results[at], key)
        elif scores(result, "baseline"):
            place(label, result, BASELINE).add(result, None, key)
        elif key is not None or (not known and label.row != label.baseline):
            alone.setdefault("no gain, as the baseline is not there", []).append(
                (f"{label.row} > {label.column}", seed)
            )
    for result, label in zip(results, named, strict=True):
        if (of := identity(result, "controlled")) is None:
            continue
        if (at := by_key.get(of)) is None:
            what = "nothing to control, as the same without it is not there"
            alone.setdefault(what, []).append((f"{label.row} > {label.column}", result["seed"]))
            continue
        place(named[at], results[at], str(result["control"])).add(results[at], result, evaluation(result))
    notes = [f"{name}, seed {seeds}: {why}." for why, found in alone.items() for name, seeds in _by_seed(found)]
    return list(pairs.values()), [*notes, *_twice(results, named), *_benchmarks(cells, named)]


def _twice(results: Sequence[Result], named: Sequence[Label]) -> list[str]:
    """Cells that stand at the place of another one, so that the end of their own name follows that of their row."""
    return [
        f"{label.row} > {label.column}, seed {result['seed']}: another cell has the same place, and nothing in the "
        "results tells why their scores may differ, so this one has a row of its own."
        for result, label in zip(results, named, strict=True)
        if label.row.endswith(f" ({str(result.get('cell'))[-8:]})")
    ]


def _benchmarks(cells: Sequence[FinishedCell], named: Sequence[Label]) -> list[str]:
    """Targets that are evaluated in other languages for one benchmark than for another."""
    found: dict[str, dict[str, int]] = {}
    for cell, label in zip(cells, named, strict=True):
        if (name := benchmark_of(cell)) is not None:
            found.setdefault(label.column, {})[name] = len(cell.result["comparison"])
    return [
        f"{column}: evaluated in {' and '.join(f'{count} languages for {name}' for name, count in counts.items())}; "
        "only cells of one benchmark are compared."
        for column, counts in found.items()
        if len(set(counts.values())) > 1
    ]


def _by_seed(found: Iterable[tuple[str, int]]) -> list[tuple[str, str]]:
    seeds: dict[str, list[int]] = {}
    for name, seed in found:
        seeds.setdefault(name, []).append(seed)
    return [(name, ", ".join(map(str, sorted(own)))) for name, own in seeds.items()]


def _by_name(results: Sequence[Result], named: Sequence[Label], row: str, column: str, seed: int) -> int | None:
    for at, (result, label) in enumerate(zip(results, named, strict=True)):
        if (label.row, label.column, result["seed"]) == (row, column, seed):
            return at
    return None

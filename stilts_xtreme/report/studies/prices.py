"""What encoders cost, gathered from measured cells, and which of two costs less."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stilts_xtreme.report.costs import Cost
from stilts_xtreme.report.labels import identity, row_name
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies.compared import Arm

LESS, MORE, SAME, UNKNOWN = "less", "more", "the same", "not decidable"
"""How one thing stands to another."""
ROUNDS = 5
"""So many rounds at the least: that all of five agree by chance has a probability of 1/32 in each direction."""


@dataclass(frozen=True)
class Price:
    """One measure of one encoder.

    Attributes:
        rounds: (Run, round) -> value; of what is counted a single one.
        counted: Whether it is counted and not measured, so that it has no noise.
    """

    rounds: Mapping[tuple[str, int], float]
    counted: bool

    @property
    def value(self) -> float:
        """The median over the rounds."""
        return float(np.median(list(self.rounds.values())))

    def quartiles(self) -> tuple[float, float]:
        """Between them lies the middle half of the rounds."""
        low, high = np.percentile(list(self.rounds.values()), (25, 75))
        return float(low), float(high)

    def against(self, other: Price) -> str:
        """Whether this is :data:`LESS` or :data:`MORE` than another, or :data:`SAME`, or :data:`UNKNOWN`.

        Measured values differ if all rounds agree on it, there are :data:`ROUNDS` of them, and the medians are further
        apart than the quartiles of either.
        """
        if self.counted and other.counted:
            return SAME if self.value == other.value else LESS if self.value < other.value else MORE
        both = sorted(set(self.rounds) & set(other.rounds))
        differences = [self.rounds[key] - other.rounds[key] for key in both]
        spread = max(high - low for low, high in (self.quartiles(), other.quartiles()))
        apart = abs(self.value - other.value) > spread
        if len(both) < ROUNDS or not apart or len({d > 0 for d in differences}) > 1 or 0 in differences:
            return UNKNOWN
        return LESS if differences[0] < 0 else MORE


class Prices:
    """The costs of encoders by target.

    Args:
        cells: Finished cells.
        costs: What is measured of them.
    """

    def __init__(self, cells: Sequence[FinishedCell], costs: Sequence[Cost]):
        self._costs = costs
        self._of = {str(cell.result["cell"]): cell for cell in cells}
        self._by_model: dict[tuple[str, str], list[Cost]] = {}
        for cost in costs:
            self._by_model.setdefault(_model(self._of[cost.cell].result), []).append(cost)

    def cell_costs(self, arm: Arm) -> list[Cost]:
        """The costs of the encoder and target of an arm, whatever came before and whatever the seed."""
        return self._by_model.get(_model(arm.first), [])

    def of(self, arm: Arm, measure: str, languages: Sequence[str]) -> Price | None:
        """A measure of an arm's encoder, as the mean over languages.

        Args:
            arm: The arm.
            measure: One of :data:`stilts_xtreme.report.costs.UNITS`.
            languages: The languages; none for what is not about languages.

        Returns:
            None where it is not known of all of the languages.
        """
        wanted = languages or [""]
        found: dict[tuple[str, int], dict[str, float]] = {}
        counted = True
        for cost in self.cell_costs(arm):
            if cost.measure == measure and cost.language in wanted:
                counted = counted and cost.round is None
                found.setdefault((cost.run, cost.round or 0), {})[cost.language] = cost.value
        whole = {key: sum(by.values()) / len(by) for key, by in found.items() if len(by) == len(wanted)}
        return Price(whole, counted) if whole else None

    def languages(self, arm: Arm) -> list[str]:
        """The languages that an arm's encoder was measured in."""
        return list(dict.fromkeys(cost.language for cost in self.cell_costs(arm) if cost.language))

    def training(self, arm: Arm, measure: str) -> float | None:
        """What the trainings of the arm's own cells cost, the mean over its seeds."""
        found = [
            cost.value
            for cost in self.cell_costs(arm)
            if cost.measure == measure and _trained(self._of[cost.cell].result) == _trained(arm.first)
        ]
        return sum(found) / len(found) if found else None

    def devices(self) -> list[str]:
        """What was measured on."""
        return sorted({cost.device for cost in self._costs if cost.device})

    def runs(self) -> int:
        """How many runs of the command the measured values come from."""
        return len({cost.run for cost in self._costs if cost.run})


def _model(result: Mapping[str, Any]) -> tuple[str, str]:
    """What encoder and target a cell has."""
    return str(identity(result, "encoder") or result["model"]), str(result["target"])


def _trained(result: Mapping[str, Any]) -> tuple[str, str]:
    """What came before the target, and the language of its training rows."""
    return row_name(result), str(result.get("source_language"))


DOMINATED, FRONT = "dominated", "on the front"


def standing(
    name: str, names: Sequence[str], cost: Mapping[tuple[str, str], str], score: Mapping[tuple[str, str], str]
) -> str:
    """Whether something is dominated: another one costs less and is not worse, or costs the same and is better.

    Args:
        name: It.
        names: All that are compared.
        cost: (One, another) -> how the cost of the first stands to that of the second.
        score: Likewise the score; :data:`SAME` where the two are shown to be equivalent.

    Returns:
        :data:`DOMINATED`; :data:`FRONT` where it is shown of every other one that it does not dominate this one;
        otherwise :data:`UNKNOWN`.
    """
    shown = True
    for other in names:
        if other == name:
            continue
        dearer, better = cost[other, name], score[other, name]
        if (dearer == LESS and better in (MORE, SAME)) or (dearer == SAME and better == MORE):
            return DOMINATED
        shown = shown and (dearer == MORE or better == LESS or (dearer == SAME and better == SAME))
    return FRONT if shown else UNKNOWN


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the points (cost, score) that no other point dominates, the cheapest first.

    A point dominates another if it costs no more, scores no less, and is not the same.
    """
    order = sorted(range(len(points)), key=lambda n: (points[n][0], -points[n][1]))
    found: list[int] = []
    for _, group in itertools.groupby(order, key=lambda n: points[n][0]):
        members = list(group)
        best = points[members[0]][1]
        if not found or best > points[found[-1]][1]:
            found += [n for n in members if points[n][1] == best]
    return found

"""The study of efficiency on simulated scores and costs of which the truth is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import costs
from stilts_xtreme.report.costs import Cost
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.spread import Spread
from stilts_xtreme.report.studies import Planned, analyse, check
from stilts_xtreme.report.studies.conclusion import UNDECIDED
from stilts_xtreme.report.studies.efficiency import NO, SOME
from stilts_xtreme.report.studies.efficiency_tables import FLOPS, LATENCY, point_cost
from stilts_xtreme.report.studies.prices import DOMINATED, FRONT, LESS, MORE, SAME, UNKNOWN, Price, front, standing

Encoders = dict[str, tuple[float, float]]
"""Name -> score and milliseconds; operations are in proportion to these."""


def measured(
    folder: Path, encoders: Encoders, noise: float = 0.1, jitter: float = 0.01, seeds: int = 3, rounds: int = 5
) -> list[FinishedCell]:
    """Cells with costs beside them; a slow round is slow for all encoders."""
    rng = np.random.default_rng(0)
    cells, found = [], []
    load = rng.uniform(1, 1.5, rounds)
    for name, (score, ms) in encoders.items():
        for seed in range(seeds):
            value = score + rng.normal(0, noise)
            scale = {"parameters": 1000, "body": 100}
            cells.append(
                finished(
                    name, "none", {"en": value + 10, "de": value}, seed, folder / "cells" / f"{name}{seed}", scale=scale
                )
            )
        cell = str(cells[-seeds].result["cell"])
        for language in ("en", "de"):
            for n in range(rounds):
                slow = ms * load[n] * (1 + rng.normal(0, jitter))
                for measure in ("latency_p50", "latency_p95", "latency_p99", "items_per_second_equal"):
                    found.append(Cost(cell, name, "xnli", language, measure, "ms", n + 1, slow, "made up", "r"))
            found.append(Cost(cell, name, "xnli", language, FLOPS, "FLOPs", None, ms * 1e6, "made up", "r"))
        for measure in ("parameters", "parameters_without_embedding", "best_batch", "peak_memory"):
            found.append(Cost(cell, name, "xnli", "", measure, "", None, 64.0, "made up", "r"))
        found.append(Cost(cell, name, "xnli", "", "training_seconds", "s", None, 120.0, "", ""))
    costs.write(found, folder)
    return cells


@pytest.mark.parametrize(
    ("encoders", "verdict", "dominated"),
    [
        ({"s": (50, 1), "m": (60, 2), "l": (65, 4)}, NO, ""),
        ({"s": (50, 1), "m": (60, 2), "l": (55, 4)}, SOME, "dominated: l"),
        ({"s": (50, 1), "m": (60, 2), "l": (60, 4)}, SOME, "dominated: l"),  # as good and dearer
        ({"s": (50, 4), "m": (60, 2), "l": (65, 2.5)}, SOME, "dominated: s"),
    ],
)
def test_what_is_planted_is_found(tmp_path: Path, encoders: Encoders, verdict: str, dominated: str) -> None:
    found = analyse("efficiency", measured(tmp_path, encoders, jitter=0.0))
    assert [own.verdict for own in found.verdicts if own.about == "xnli, by MFLOPs per item"] == [verdict]
    assert all(dominated in own.why for own in found.verdicts)


def test_noise_is_not_taken_for_dominance(tmp_path: Path) -> None:
    encoders = {"s": (50.0, 1.0), "m": (51.0, 1.02)}
    found = analyse("efficiency", measured(tmp_path, encoders, noise=3.0, jitter=0.3))
    assert {own.verdict for own in found.verdicts if "latency" in own.about} == {UNDECIDED}


def test_one_seed_and_few_rounds_decide_nothing_and_that_is_said(tmp_path: Path) -> None:
    found = analyse("efficiency", measured(tmp_path, {"s": (50, 1), "m": (90, 2)}, seeds=1, rounds=2))
    latency = next(own for own in found.verdicts if "latency" in own.about)
    assert latency.verdict == UNDECIDED
    assert any("2 rounds; no difference of latency is decided" in said for said in found.confounds)
    assert any("one seed alone" in said for said in found.confounds)


def test_a_point_costs_what_is_planted(tmp_path: Path) -> None:
    found = analyse("efficiency", measured(tmp_path, {"s": (50, 1), "m": (60, 2)}, noise=0.05, jitter=0.0))
    (row,) = [row for row in found.rows if row["measure"] == f"{FLOPS} per point"]
    assert row["value"] == pytest.approx(1e6 / 10, rel=0.03)
    assert row["low"] < row["value"] < row["high"]
    assert "made up" in found.confounds[0]
    assert found.draw is not None
    assert len(found.draw().axes) == 2


def gain(value: float, error: float) -> Gain:
    return Gain(value, Spread(0.0, error, 2), (0, 1, 2), (value,) * 3)


def counted(value: float) -> Price:
    return Price({("r", 0): value}, True)


def test_a_point_has_a_price_only_where_both_differences_are_shown() -> None:
    assert point_cost(counted(1), counted(5), gain(2.0, 0.1), MORE) == pytest.approx(
        (2.0, 4 / 2.43, 4 / 1.57), rel=0.01
    )
    assert point_cost(counted(1), counted(5), gain(2.0, 5.0), UNKNOWN) is None
    assert point_cost(counted(5), counted(5), gain(2.0, 0.1), MORE) is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3, 4, 5], [11, 12, 13, 14, 15], LESS),
        ([11, 12, 13, 14, 15], [1, 2, 3, 4, 5], MORE),
        ([1, 2, 3, 4, 5], [1.1, 2.1, 3.1, 4.1, 5.1], UNKNOWN),  # all rounds agree, and it is less than the spread
        ([1, 1, 1, 1, 9], [2, 2, 2, 2, 2], UNKNOWN),  # one round does not agree
        ([1, 1, 1, 1], [2, 2, 2, 2], UNKNOWN),  # too few
    ],
)
def test_differences_smaller_than_the_spread_are_not_decided(
    one: list[float], other: list[float], expected: str
) -> None:
    prices = [Price({("r", n): value for n, value in enumerate(values)}, False) for values in (one, other)]
    assert prices[0].against(prices[1]) == expected


def test_rounds_of_other_runs_are_not_paired() -> None:
    one, other = (Price({(run, n): value for n in range(5)}, False) for run, value in (("a", 1.0), ("b", 9.0)))
    assert one.against(other) == UNKNOWN


Points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(Points)
def test_the_front_is_that_of_brute_force(points: Sequence[tuple[float, float]]) -> None:
    expected = {n for n, point in enumerate(points) if not any(dominates(other, point) for other in points)}
    found = front(points)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert [points[n] for n in found] == sorted(points[n] for n in found)


@given(Points)
def test_without_noise_the_standings_are_those_of_brute_force(points: Sequence[tuple[float, float]]) -> None:
    names = [str(n) for n in range(len(points))]

    def order(axis: int) -> dict[tuple[str, str], str]:
        return {
            (a, b): SAME
            if points[int(a)][axis] == points[int(b)][axis]
            else LESS
            if points[int(a)][axis] < points[int(b)][axis]
            else MORE
            for a in names
            for b in names
        }

    for n, name in enumerate(names):
        beaten = any(dominates(other, points[n]) for other in points)
        assert standing(name, names, order(0), order(1)) == (DOMINATED if beaten else FRONT)


def test_costs_that_are_not_measured_are_asked_for(tmp_path: Path) -> None:
    cells = measured(tmp_path, {"s": (50, 1), "m": (60, 2)})
    (tmp_path / "costs.csv").unlink()
    with pytest.raises(StiltsError, match=r"python -m stilts_xtreme\.cost .* measures the cells"):
        analyse("efficiency", cells)


def test_an_encoder_without_costs_is_left_out_and_said(tmp_path: Path) -> None:
    cells = measured(tmp_path, {"s": (50, 1), "m": (60, 2)})
    cells += [
        finished("l", "none", {"en": 70.0, "de": 60.0}, seed, tmp_path / "cells" / f"l{seed}") for seed in range(3)
    ]
    found = analyse("efficiency", cells)
    assert "l > xnli is left out: its costs are not measured." in found.confounds
    assert {row["encoder"] for row in found.rows if row["measure"] == LATENCY} == {"s", "m"}


def test_what_is_missing_is_said_before_anything_is_trained() -> None:
    with pytest.raises(StiltsError, match=r"xnli has 1 encoders .* add to model="):
        check("efficiency", [Planned("mini", "none", "xnli", 0)])


def test_an_encoder_that_no_run_measured_in_all_languages_is_left_out(tmp_path: Path) -> None:
    encoders = {"a": (50.0, 1.0), "b": (60.0, 2.0), "c": (70.0, 3.0)}
    cells = measured(tmp_path, encoders)
    for cell in cells:  # a third language, of which the runs measured one each
        cell.result["comparison"].append({"language": "sw", "value": 40.0})
    first = costs.read(cells)
    more = [dataclasses.replace(cost, language="sw") for cost in first if cost.language == "de"]
    other = [dataclasses.replace(cost, run="s") if cost.model == "c" else cost for cost in more]
    costs.write([*first, *other], tmp_path)
    found = analyse("efficiency", cells)
    assert "c > xnli is left out: no run measured it in all of de, sw." in found.confounds
    assert not any("c" in verdict.why.replace("dominated", "").split(": ") for verdict in found.verdicts)

"""The study of few-shot transfer on simulated scores of which the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.finished import finished

from stilts_xtreme.commands import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.spread import Spread
from stilts_xtreme.report.statistics.two_way import crossing, two_way
from stilts_xtreme.report.studies import Planned, analyse, check
from stilts_xtreme.report.studies.conclusion import UNDECIDED
from stilts_xtreme.report.studies.few_shot import LARGER, SAME, SMALLER
from stilts_xtreme.report.studies.few_shot import analyse as few_shot

KS = (0, 1, 10, 100)


def cells(
    gains: Mapping[int, float],
    noise: float = 0.1,
    seeds: int = 3,
    draws: int = 5,
    seed: int = 0,
    curve: Callable[[int], float] = lambda k: 5 * np.log2(k + 1),
    arm: str = "after",
    **more: Any,
) -> list[FinishedCell]:
    """Cells whose score is a curve over shots, the gain, and effects of seed, draw and both."""
    rng = np.random.default_rng(seed)
    found = []
    of_draws = {(k, d): rng.normal(0, 20 * noise) for k in gains for d in range(draws)}
    for before in ("none", "mnli"):
        of_seeds = rng.normal(0, noise, seeds)
        for k, gain in gains.items():
            for d in range(draws if k else 1):
                own = of_draws[k, d] * (k > 0) + rng.normal(0, noise)  # a draw is the same for both, but for a little
                for s in range(seeds):
                    score = 40 + curve(k) + gain * (before == "mnli") + of_seeds[s] + own + rng.normal(0, noise)
                    shots = {"k": k, "draw": d, "arm": arm} if k else None
                    settings = {"shots.epochs": 10} if k else {}
                    cell = finished("mini", before, {"en": 80, "de": score}, s, shots=shots, settings=settings, **more)
                    cell.result["cell"] += f"-{k}-{d}"
                    found.append(cell)
    return found


# --- statistics -------------------------------------------------------------------------------------------------------


def test_the_parts_of_the_noise_are_found_again() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, (60, 1)) + rng.normal(0, 1.5, (1, 80)) + rng.normal(0, 0.5, (60, 80))
    _, _, noise = two_way(values)
    assert noise.seeds == pytest.approx(3, rel=0.3)
    assert noise.draws == pytest.approx(1.5, rel=0.3)
    assert noise.rest == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("of_seeds", "of_draws", "rest"), [(1, 1, 1), (2, 0, 1), (0, 2, 1), (0, 0, 1), (1, 3, 0.2)])
def test_the_interval_over_seeds_and_draws_covers_the_truth(of_seeds: float, of_draws: float, rest: float) -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        values = 7 + rng.normal(0, of_seeds, (3, 1)) + rng.normal(0, of_draws, (1, 5)) + rng.normal(0, rest, (3, 5))
        error, df, _ = two_way(values)
        half = Spread(0.0, error, df).quantile(0.975)
        covered += abs(values.mean() - 7) <= half
    assert covered / 400 >= 0.93, "three deviations of a binomial below 95 % are 91.7 %"


def line(values: Mapping[float, float], error: float) -> dict[float, Gain]:
    return {place: Gain(value, Spread(0.0, error, 8), (0, 1), (value, value)) for place, value in values.items()}


def test_where_a_difference_comes_to_zero() -> None:
    places = [0.0, 1.0, 2.0, 3.0]
    found, low, high = crossing(places, line({0: -3, 1: -1, 2: 1, 3: 3}, 0.1))
    half = line({0: 0}, 0.1)[0].interval()[1]
    assert (found, low, high) == (1.5, pytest.approx(1.5 - half / 2), pytest.approx(1.5 + half / 2))
    assert crossing(places, line({0: -3, 1: -1, 2: 1, 3: 3}, 2.0)) == (1.5, 0.0, None)
    assert crossing(places, line({0: -9, 1: -8, 2: -7, 3: -6}, 0.1)) == (None, 3.0, None)
    found, low, high = crossing(places, line({0: -9, 1: -8, 2: -7, 3: -0.1}, 0.1))
    assert (found, high) == (None, None)
    assert 2.9 < (low or 0) < 3
    assert crossing(places, line({0: 2, 1: 3, 2: 4, 3: 5}, 0.1)) == (0.0, 0.0, 0.0)


# --- the study --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        (dict(zip(KS, (2, 3, 5, 8), strict=True)), LARGER),
        (dict(zip(KS, (8, 7, 4, 2), strict=True)), SMALLER),
        (dict.fromkeys(KS, 4), SAME),
    ],
)
def test_what_is_planted_is_found(gains: dict[int, float], verdict: str) -> None:
    conclusion = analyse("few_shot", cells(gains))
    assert [found.verdict for found in conclusion.verdicts] == [verdict]
    wanted = ("change", 100, "mean, zero-shot")
    (row,) = (row for row in conclusion.rows if (row["contrast"], row["shots"], row["language"]) == wanted)
    assert row["value"] == pytest.approx(gains[100] - gains[0], abs=0.5)
    assert row["sd_draws"] < 1, "a draw is the same for both arms"


def test_noise_is_not_taken_for_sameness_and_what_would_help_is_said() -> None:
    (found,) = few_shot(cells(dict.fromkeys(KS, 4), noise=1.5)).verdicts
    assert found.verdict == UNDECIDED
    assert "would show it sooner" in found.why
    alone = few_shot(cells(dict(zip(KS, (2, 3, 5, 8), strict=True)), seeds=1))
    assert "xnli: one seed alone; its intervals leave out the noise of seeds and of draws." in alone.confounds
    (one,) = alone.verdicts
    assert one.verdict == UNDECIDED
    assert "one seed" in one.why


def test_a_gain_is_worth_as_many_shots_as_come_to_it() -> None:
    gains = dict.fromkeys(KS, 15.0)  # the baseline rises by 5 with each doubling, so that 7 shots come to 15
    conclusion = few_shot(cells(gains, noise=0.05))
    (row,) = (row for row in conclusion.rows if row["contrast"] == "worth")
    assert row["value"] == pytest.approx(7, abs=1.5)
    assert row["low"] < 7 < row["high"]
    assert "[" in conclusion.tables[2].lines[0][2]
    beyond = few_shot(cells(dict.fromkeys(KS, 60.0)))
    assert beyond.tables[2].lines[0][2] == "more than 100 [100, more than 100]"
    (row,) = (row for row in beyond.rows if row["contrast"] == "worth")
    assert (row["value"], row["high"]) == (None, None)
    nothing = few_shot(cells(dict.fromkeys(KS, -5.0)))
    assert nothing.tables[2].lines[0][2] == "0 [0, 0]"


def test_the_interval_of_the_worth_covers_the_truth() -> None:
    covered = []
    for seed in range(20):
        found = few_shot(cells(dict.fromkeys(KS, 15.0), noise=0.3, seed=seed))
        (row,) = (row for row in found.rows if row["contrast"] == "worth")
        covered.append(row["low"] <= 7 <= (row["high"] or np.inf))
    assert np.mean(covered) >= 0.8  # three deviations of a binomial below 95 %


def test_ways_of_meeting_shots_are_told_apart_and_share_zero_shot_cells() -> None:
    gains = dict(zip(KS, (2, 3, 5, 8), strict=True))
    found = cells(gains) + [cell for cell in cells(gains, arm="joint") if cell.result["shots"]]
    verdicts = few_shot(found).verdicts
    assert [verdict.about for verdict in verdicts] == [
        "mnli > xnli, all other languages",
        "mnli > xnli (joint), all other languages",
    ]


def test_confounds_are_named() -> None:
    gains = dict.fromkeys(KS, 1.0)
    found = cells(gains, draws=2)
    for cell in found:
        if (cell.result["shots"] or {}).get("k") == 100:
            cell.result["settings"]["shots.epochs"] = 50
    said = few_shot(found).confounds
    assert "xnli: cells with shots differ in shots.epochs (10, 50) beside their number." in said
    assert any("fewer than 5 draws" in one for one in said)
    assert "More shots are more steps too, since the number of passes over them is the same." in said
    high = few_shot(cells(gains, curve=lambda k: 58))
    assert sum("little room" in one for one in high.confounds) == len(KS), "once for each number of shots"


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda shots, before: bool(shots), r"numbers of shots 1, 10, 100; it needs 0 and another one"),
        (lambda shots, before: not shots, "numbers of shots 0; it needs 0 and another one"),
        (lambda shots, before: before != "none", r"no cell without .* add none to \+intermediate="),
        (lambda shots, before: not shots or not shots["draw"], "has one draw of 1 shot,"),
    ],
)
def test_what_is_missing_is_said(keep: Callable[[Any, str], bool], message: str) -> None:
    found = cells(dict.fromkeys(KS, 1.0))
    kept = [cell for cell in found if keep(cell.result["shots"], "+".join(cell.result["intermediate"]) or "none")]
    with pytest.raises(StiltsError, match=message):
        few_shot(kept)


@pytest.mark.parametrize(
    ("ks", "draws", "before", "message"),
    [
        ((0, 5), 2, ("none", "mnli"), None),
        ((5,), 2, ("none", "mnli"), "needs 0 and another one"),
        ((0,), 2, ("none", "mnli"), "needs 0 and another one"),
        ((0, 5), 1, ("none", "mnli"), "one draw of 5 shots"),
        ((0, 5), 2, ("mnli",), "add none"),
        ((0, 5), 2, ("none",), "no intermediate task"),
    ],
)
def test_what_would_be_missing_is_said_before_anything_is_trained(
    ks: tuple[int, ...], draws: int, before: tuple[str, ...], message: str | None
) -> None:
    planned = [
        Planned("mini", name, "xnli", 0, None, k, draw if k else 0)
        for name in before
        for k in ks
        for draw in range(draws)
    ]
    if message is None:
        check("few_shot", planned)
    else:
        with pytest.raises(StiltsError, match=message):
            check("few_shot", planned)


def test_a_target_without_rows_is_refused_in_its_own_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = [
        "-m",
        "+study=few_shot",
        "+target=tatoeba",
        "shots.k=0,5",
        "shots.draw=0,1",
        "seed=0",
        f"output={tmp_path}",
    ]
    assert plan.main(asked) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: shots.k=5 is refused: no head of tatoeba is trained that could learn from shots")

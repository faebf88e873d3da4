"""How many seeds a gain needs: by finished cells, or by what was published."""

from __future__ import annotations

from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from stilts_xtreme.report import seeds
from stilts_xtreme.report.seeds import Noise, advice, noise_of
from stilts_xtreme.report.statistics.power import seeds_needed


def result(seed: int, value: float, row: str = "mnli", **more: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "target": "xnli",
        "intermediate": [row],
        "seed": seed,
        "collapsed": [],
        "marks": [],
        "averages": {"zero_shot_value": value},
        "identity": {"encoder": "e", "before": row, "rest": "r"},
        **more,
    }


@pytest.mark.parametrize("noise", [0.2, 0.34, 0.69, 1.0, 2.4])
def test_seeds_are_those_of_statsmodels(noise: float) -> None:
    wanted = TTestIndPower().solve_power(effect_size=1 / noise, power=0.8, alpha=0.05)
    assert seeds_needed(noise) == max(2, int(np.ceil(wanted)))


def test_three_seeds_of_a_cell_tell_its_noise() -> None:
    values = (50.0, 51.0, 53.0)
    own = [result(seed, value) for seed, value in enumerate(values)]
    assert noise_of(own[:2]) is None
    found = noise_of(own)
    assert found is not None
    assert (found.value, found.seeds) == (pytest.approx(stdev(values)), 3)


def test_cells_with_means_of_their_own_are_put_together() -> None:
    rng = np.random.default_rng(0)
    many = [result(seed, 10.0 * at + rng.normal(0, 0.7), f"row{at}") for at in range(200) for seed in range(3)]
    found = noise_of(many)
    assert found is not None
    assert found.value == pytest.approx(0.7, abs=0.05)


def test_what_collapsed_tells_nothing() -> None:
    own = [result(seed, 50.0 + seed) for seed in range(3)]
    assert noise_of([*own[:2], result(2, 1.0, collapsed=["mnli"])]) is None


def test_the_advice_says_what_it_knows_and_what_not() -> None:
    text = advice({"xnli": Noise(0.34, 0), "panx": Noise(0.7, 6), "udpos": None}, {"xnli": [0], "panx": [0, 1]})
    assert "xnli needs about 4 (noise of 0.34 points, published for XLM-R large, not checked here; planned: 1)" in text
    assert "panx needs about 9 (noise of 0.70 points, 6 finished cells; planned: 2)" in text
    assert text.endswith("The noise between seeds of udpos is not known: 3 seeds of one cell tell it.")


def test_a_damaged_cell_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "cells" / "m-none-xnli-seed0-x"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{")
    found, refused = seeds.finished(tmp_path, "m", "xnli")
    assert not found
    assert len(refused) == 1
    assert "m-none-xnli-seed0-x" in refused[0]

"""The report with each arm at its own best learning rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.evidence import findings
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.tuned import CHOSEN, OPTION, tuned, where_swept


def cell(before: str, rate: float, dev: float, value: float, seed: int = 0, collapsed: bool = False) -> FinishedCell:
    name = f"{before}-{rate:g}-{seed}"
    more: dict[str, Any] = {
        "cell": name,
        "collapsed": collapsed,
        "averages": {"zero_shot_value": value, "zero_shot_gain": 99.0},
        "rows": [{"intermediate": before, "trained": f"t-{name}", "language": "de"}],
        "comparison": [{"language": "de", "value": value, "baseline": 1.0, "gain": 99.0}],
        "settings": {OPTION: rate, "languages": "available"},
        "stages": [{"key": f"t-{name}", "kind": "train", "info": {"dev": {"xnli": dev}}}],
        "identity": {
            "encoder": "e",
            "before": before,
            "task": "x",
            "rest": f"{rate}",
            "evaluation": f"e-{name}",
            "baseline": None if before == "none" else f"e-none-{rate:g}-{seed}",
        },
    }
    return finished("mini", before, {"de": value}, seed, Path(name), **more)


CELLS = [
    cell("none", 1e-5, dev=60, value=50),
    cell("none", 5e-5, dev=70, value=58),
    cell("mnli", 1e-5, dev=75, value=60),
    cell("mnli", 5e-5, dev=72, value=66),
]


def test_each_arm_has_the_rate_with_its_own_best_dev_score() -> None:
    found, said = tuned(CELLS)
    assert [each.result["cell"] for each in found] == ["none-5e-05-0", "mnli-1e-05-0"]
    assert {each.result["settings"][OPTION] for each in found} == {CHOSEN}
    assert "mini, mnli > xnli: seed 0 1e-05" in said[1]


def test_cells_that_differ_in_anything_else_are_not_chosen_between() -> None:
    """A volume, a number of shots and the weight of MLM are in no option of the recipe."""
    for more in ({"volume": 0.1}, {"shots": {"k": 5, "draw": 0, "arm": "after"}}, {"mlm": 1.0}):
        others = [FinishedCell({**cell.result, **more, "cell": f"other-{n}"}, None) for n, cell in enumerate(CELLS[2:])]
        found, said = tuned([*CELLS, *others])
        assert len(found) == 3, more
        assert len({sentence.partition(":")[0] for sentence in said}) == 3, "each arm is named by what it is"


def test_an_arm_that_lacks_a_rate_is_left_out_and_said() -> None:
    """The best of two rates is better than one rate, so its gain would be too small."""
    second = [cell(before, rate, 60, 50, seed=1) for before in ("none", "mnli") for rate in (1e-5, 5e-5)]
    found, said = tuned([*CELLS, *second[:3]])
    assert [each.result["cell"] for each in found] == ["none-5e-05-0", "mnli-1e-05-0", "none-1e-05-1"]
    assert said[-1].startswith("mini, mnli > xnli, seed 1, is left out: it has no cell with the learning rate 5e-05")
    found, said = tuned([*CELLS, *second[1:]])
    assert [each.result["seed"] for each in found] == [0, 0], "without its baseline there is no gain"
    assert "mini, none > xnli, seed 1, is left out" in said[-2]
    assert "mini, mnli > xnli, seed 1, is left out: its baseline is not among these cells" in said[-1]


def test_a_choice_at_the_end_of_what_was_tried_is_named() -> None:
    inside = [cell("none", 1e-6, 50, 40), cell("mnli", 1e-6, 50, 40)]
    assert len(tuned([*CELLS, *inside])[1]) == 2, "one arm has the largest of three rates, one another"
    larger = [*CELLS[:3], cell("mnli", 5e-5, dev=78, value=66)]
    assert len(tuned(larger)[1]) == 2, "of two rates each is at an end"
    *_, last = tuned([*larger, *inside])[1]
    assert last.startswith("The largest learning rate that was tried is the best one in 2 of 2 choices, so larger ")
    shots = {"shots": {"k": 5, "draw": 0, "arm": "after"}}
    again = [
        FinishedCell({**each.result, **shots, "cell": f"{each.result['cell']}-5"}, None) for each in larger + inside
    ]
    assert tuned([*larger, *inside, *again])[1][-1] == last, "cells that go on from one training are one choice"
    alike = [cell(before, rate, 60, 50) for before in ("none", "mnli") for rate in (1e-6, 1e-5, 5e-5)]
    assert len(tuned(alike)[1]) == 2, "of equal scores none is better"


def test_where_no_rate_is_swept_nothing_is_chosen() -> None:
    assert where_swept(CELLS) == tuned(CELLS)
    assert where_swept([CELLS[0], CELLS[2]]) == ([CELLS[0], CELLS[2]], [])


def test_the_gain_is_between_the_chosen_cells() -> None:
    found, _ = tuned(CELLS)
    (evidence,) = findings(found).entries.values()
    assert evidence.mean.value == pytest.approx(60 - 58), (
        "not 60 - 50 of the same rate, nor 66 - 58 of the best test score"
    )
    (line,) = found[1].result["comparison"]
    assert (line["baseline"], line["gain"]) == (58, 2)


def test_each_seed_chooses_for_itself() -> None:
    second = [
        cell("none", 1e-5, 70, 51, seed=1),
        cell("none", 5e-5, 60, 57, seed=1),
        cell("mnli", 1e-5, 75, 60, seed=1),
        cell("mnli", 5e-5, 80, 61, seed=1),
    ]
    found, _ = tuned([*CELLS, *second])
    (evidence,) = findings(found).entries.values()
    assert evidence.mean.by_seed == pytest.approx((60 - 58, 61 - 51))


def test_a_collapsed_rate_is_not_chosen() -> None:
    bad = [CELLS[0], cell("none", 5e-5, dev=90, value=33, collapsed=True), *CELLS[2:]]
    found, _ = tuned(bad)
    assert found[0].result["cell"] == "none-1e-05-0"


def test_what_cannot_be_chosen_is_said() -> None:
    with pytest.raises(StiltsError, match=r"as in recipe\.target\.learning_rate=2e-5,5e-5"):
        tuned([CELLS[0], CELLS[2]])
    with pytest.raises(
        StiltsError, match=r"mini, none > xnli, seed 0, is left out: .* learning rate 1e-05, as others do"
    ):
        tuned([CELLS[1], CELLS[2], cell("mnli", 5e-5, 72, 66)])
    with pytest.raises(StiltsError, match=r"mini, mnli > xnli, seed 0, is left out: its baseline .*intermediate=none"):
        tuned(CELLS[2:])
    for each in (CELLS[0], CELLS[1]):
        each.result["stages"][0]["info"] = {}
    with pytest.raises(StiltsError, match="no score on dev rows"):
        tuned(CELLS)

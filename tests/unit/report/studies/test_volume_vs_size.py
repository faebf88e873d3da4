"""The study of volume against size on simulated scores of which the truth is known."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.language_table import languages
from stilts_xtreme.report.labels import unlearnt
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies import Planned, check
from stilts_xtreme.report.studies.compared import Arm
from stilts_xtreme.report.studies.conclusion import UNDECIDED
from stilts_xtreme.report.studies.iso_cost import budgets
from stilts_xtreme.report.studies.volume_vs_size import DATA, SAME, SIZE, analyse

SIZES = {"s": 1_000_000, "m": 2_000_000, "l": 4_000_000}
VOLUMES = (100, 200, 400)


def cell(encoder: str, volume: int, seed: int, value: float, steps: int) -> FinishedCell:
    scale = {"body": SIZES[encoder], "intermediate": {"examples": volume, "steps": steps, "batches": 10}}
    more = {"cell": f"{encoder}-{volume}-{seed}", "volume": volume, "scale": scale}
    return finished(encoder, "mnli", {"en": value + 10, "de": value}, seed, **more)


def cells(data: float, size: float, noise: float = 0.1, both: float = 0.0, seeds: int = 3) -> list[FinishedCell]:
    """A grid in which doubling the data gives ``data`` points, and doubling the encoder ``size``."""
    rng = np.random.default_rng(0)
    found = []
    for n, encoder in enumerate(SIZES):
        for m, volume in enumerate(VOLUMES):
            for seed in range(seeds):
                value = 40 + size * n + data * m + both * (n - 1) * (m - 1) + rng.normal(0, noise)
                found.append(cell(encoder, volume, seed, value, steps=10))
    return found


def collapsed(cell: FinishedCell, task: str = "xnli") -> FinishedCell:
    label = task if task == "mnli" else f"mnli > {task}"
    mark = {"of": "cell", "kind": "train", "task": task, "label": label, "verdict": "collapsed", "why": "it guesses"}
    return FinishedCell(cell.result | {"collapsed": [task], "marks": [mark]}, None)


def value(found: Any, contrast: str) -> float:
    (row,) = (r for r in found.rows if r["contrast"] == contrast and r["language"] == "mean, zero-shot")
    return float(row["value"])


@pytest.mark.parametrize(
    ("data", "size", "noise", "verdict"),
    [(1, 4, 0.1, SIZE), (4, 1, 0.1, DATA), (2, 2, 0.1, SAME), (2, 2.2, 4.0, UNDECIDED)],
)
def test_what_is_planted_is_found(data: float, size: float, noise: float, verdict: str) -> None:
    (found,) = analyse(cells(data, size, noise)).verdicts
    assert found.verdict == verdict


def test_slopes_and_interaction_are_those_of_least_squares() -> None:
    made = cells(1.5, 2.5, noise=1.0, both=0.7)
    found = analyse(made)
    rows = [
        (1.0, np.log2(c.result["scale"]["body"]), np.log2(c.result["volume"]), c.result["averages"]["zero_shot_value"])
        for c in made
    ]
    x = np.array([row[1] for row in rows])
    y = np.array([row[2] for row in rows])
    design = np.stack([np.ones(len(rows)), x - x.mean(), y - y.mean(), (x - x.mean()) * (y - y.mean())], 1)
    fitted = np.linalg.lstsq(design, np.array([row[3] for row in rows]), rcond=None)[0]
    assert value(found, "doubling the encoder") == pytest.approx(fitted[1])
    assert value(found, "doubling the data") == pytest.approx(fitted[2])
    assert value(found, "interaction") == pytest.approx(fitted[3])
    assert value(found, "difference") == pytest.approx(fitted[1] - fitted[2])


def test_robustness_has_what_doubling_does_to_the_gap_and_the_worst_language() -> None:
    found = analyse(cells(1.5, 2.5))  # English is always ten points above German, the only other language
    lines = {line[2]: line[3:] for line in found.tables[1].lines}
    assert set(lines) == {"worst language", "gap to the source"}
    assert float(lines["gap to the source"][0].split()[0]) == pytest.approx(-10)
    assert float(lines["gap to the source"][2].split()[0]) == pytest.approx(0, abs=0.05)
    assert float(lines["worst language"][1].split()[0]) == pytest.approx(1.5, abs=0.1)
    assert float(lines["worst language"][2].split()[0]) == pytest.approx(2.5, abs=0.1)
    rows = [row for row in found.rows if row["language"] == "worst language"]
    assert {row["contrast"] for row in rows} >= {"mean of the grid", "doubling the data", "doubling the encoder"}


def many_languages(seeds: int = 3) -> list[FinishedCell]:
    """Doubling the encoder gives 3 points where pretraining saw 1 GiB of text, and one less with ten times as much."""
    rng = np.random.default_rng(2)
    found = []
    for made in cells(1.0, 0.0, noise=0.0, seeds=seeds):
        step = list(SIZES).index(made.result["model"])
        scores = {"en": 80.0}
        for language in ("de", "fr", "sw", "ta", "ur", "yo"):
            text = languages()[language].cc100_gib
            gain = (3 - np.log10(text)) * step if text else 50.0 * step
            scores[language] = made.result["averages"]["zero_shot_value"] + gain + rng.normal(0, 0.01)
        kept = {key: made.result[key] for key in ("cell", "volume", "scale")}
        found.append(finished(made.result["model"], "mnli", scores, made.result["seed"], **kept))
    return found


def test_a_mixed_model_says_how_what_doubling_gives_changes_with_the_text_of_a_language() -> None:
    (table,) = (table for table in analyse(many_languages()).tables if table.caption.startswith("A mixed model"))
    lines = {line[2]: line[3:] for line in table.lines}
    assert float(lines["doubling the encoder"][1].split()[0]) == pytest.approx(-1.0, abs=0.06)
    texts = [languages()[language].cc100_gib for language in ("de", "fr", "sw", "ta", "ur")]
    assert float(lines["doubling the encoder"][0].split()[0]) == pytest.approx(3 - np.mean(np.log10(texts)), abs=0.06)
    assert float(lines["doubling the data"][0].split()[0]) == pytest.approx(1.0, abs=0.06)
    assert float(lines["doubling the data"][1].split()[0]) == pytest.approx(0.0, abs=0.06)
    assert not any("mixed model" in table.caption for table in analyse(many_languages(seeds=2)).tables)
    assert not any("mixed model" in table.caption for table in analyse(cells(1, 3)).tables), "two languages"


def test_text_that_an_encoder_did_not_read_is_nothing_of_it() -> None:
    made = many_languages()
    found = analyse(made)
    assert any("little text" in verdict.about for verdict in found.verdicts)
    made[0].result["settings"] = {"model.languages": ["en"]}
    found = analyse(made)
    assert not any("text" in verdict.about for verdict in found.verdicts)
    assert not any("mixed model" in table.caption for table in found.tables)
    assert not any(row["language"] == "tenfold text" for row in found.rows)


def with_passes(made: list[FinishedCell]) -> list[FinishedCell]:
    """Each volume is seen as often, so that the cost is in proportion to size and volume."""
    for each in made:
        each.result["scale"]["intermediate"] |= {"steps": each.result["volume"], "batches": each.result["volume"]}
    return made


def test_encoders_are_compared_at_one_budget() -> None:
    """At one cost doubling the encoder halves the rows: it gives 3 points and takes 1."""
    found = analyse(with_passes(cells(1, 3, noise=0.01)))
    lines = found.tables[-1].lines
    # 1M and 2M have the costs 200M to 400M in common, 2M and 4M twice as much
    assert [line[2] for line in lines] == ["2e+08", "2.83e+08", "4e+08", "4e+08", "5.66e+08", "8e+08"]
    assert lines[0][3:5] == ["s, 200 rows", "m, 100 rows"]
    assert lines[1][3:5] == ["s, 283 rows", "m, 141 rows"]
    assert lines[5][3:5] == ["m, 400 rows", "l, 200 rows"]
    for line in lines:
        assert float(line[5].split()[0]) == pytest.approx(2.0, abs=0.15)
    assert {row["contrast"] for row in found.rows} >= {"m less s, budget 2.83e+08"}
    more = analyse(with_passes(cells(3, 1, noise=0.01))).tables[-1].lines
    assert all(float(line[5].split()[0]) == pytest.approx(-2.0, abs=0.15) for line in more)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4, unique=True),
    volumes=st.lists(st.integers(1, 1000), min_size=2, max_size=4, unique=True),
    slopes=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
def test_a_budget_weighs_arms_as_the_line_between_them_does(
    sizes: list[int], volumes: list[int], slopes: tuple[float, float]
) -> None:
    """Where scores are linear in both logarithms, the difference at one cost is that of the formula."""
    arms = {
        (size, volume): (
            (f"{size}", f"{volume}"),
            Arm("", "", "", {"scale": {"body": size, "intermediate": {"examples": volume, "steps": 3}}}),
        )
        for size in sizes
        for volume in volumes
    }
    score = {key: slopes[0] * np.log(size) + slopes[1] * np.log(volume) for (size, volume), (key, _) in arms.items()}
    for budget in budgets(arms):
        small, big = (int(name) for name in budget.encoders)
        assert small < big
        found = sum(weight * score[key] for key, weight in budget.weights.items())
        # where ends agree but for rounding, each score is read off at its own end
        assert found == pytest.approx(
            (slopes[0] - slopes[1]) * np.log(big / small), abs=0.06 * max(map(abs, slopes)) + 1e-6
        )
        assert budget.rows[0] * small == pytest.approx(budget.rows[1] * big, rel=0.06)
        assert sum(budget.weights.values()) == pytest.approx(0, abs=1e-9)
    costs = {size: [size * volume for volume in volumes] for size in sorted(sizes)}
    pairs = list(itertools.pairwise(costs.values()))
    overlap = sum(max(map(min, pair)) <= min(map(max, pair)) for pair in pairs)
    assert len({budget.encoders for budget in budgets(arms)}) >= overlap
    assert len({budget.name for budget in budgets(arms)}) == len(budgets(arms)), "each is a contrast of its own"


def test_ends_that_agree_but_for_rounding_are_one_budget() -> None:
    """300 rows of the smaller encoder and 100 of one three times as big cost the same, give or take a row."""
    for volumes, count in (((1000, 3001), 1), ((1000, 2999), 1), ((1000, 2500), 0), ((1000, 4000), 3)):
        arms = {
            (size, volume): (
                (f"{size}", f"{volume}"),
                Arm("", "", "", {"scale": {"body": size, "intermediate": {"examples": volume, "steps": 3}}}),
            )
            for size in (100, 300)
            for volume in volumes
        }
        assert len(budgets(arms)) == count, volumes


def test_the_picture_has_a_curve_for_each_encoder() -> None:
    made = with_passes(cells(1, 3))
    bare = [
        finished(name, "none", {"en": 50, "de": 40}, seed, cell=f"{name}-{seed}") for name in SIZES for seed in range(3)
    ]
    for cell in bare:
        cell.result["scale"] = {"body": SIZES[cell.result["model"]]}
    found = analyse([*made[::-1], *bare])
    assert found.draw is not None
    (axes,) = found.draw().axes
    curves = [line.get_xdata() for line in axes.get_lines() if line.get_marker() == "o"]
    assert [list(curve) for curve in curves] == [[size * volume for volume in VOLUMES] for size in SIZES.values()]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["s", "m", "l"]
    dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert [line.get_ydata()[0] for line in dotted] == [40, 40, 40]


def test_steps_that_shrink_with_the_volume_are_named_as_a_confound() -> None:
    made = cells(1, 3)
    assert any("come again more often" in said for said in analyse(made).confounds)
    for each in made:
        each.result["scale"]["intermediate"]["steps"] = each.result["volume"]
    assert any("data and length of training change together" in said for said in analyse(made).confounds)


@pytest.mark.parametrize(
    ("steps", "why", "confound"),
    [
        ({100: 5, 200: 5, 400: 5}, "volume_steps=own lets the cost fall", "come again more often"),
        ({100: 3, 200: 9, 400: 9}, "ends the largest volumes alike", "Some volumes have as many steps"),
        ({100: 30, 200: 33, 400: 36}, "in the proportion of the encoders' sizes", "change together"),
    ],
)
def test_why_nothing_costs_the_same_is_said(steps: dict[int, int], why: str, confound: str) -> None:
    made = cells(1, 3)
    for each in made:
        volume, scale = each.result["volume"], each.result["scale"]["intermediate"]
        scale |= {"steps": steps[volume], "batches": volume / 7}  # unlike the sizes, which double
    found = analyse(made)
    assert not found.tables[2].lines
    assert why in found.tables[2].caption
    assert any(confound in said for said in found.confounds)


def test_it_is_said_where_the_better_choice_only_harms_less() -> None:
    found = analyse(cells(-1.0, -3.0))
    assert found.verdicts[0].verdict == DATA
    assert any("neither gives a gain; doubling the data only harms less" in said for said in found.confounds)
    assert not any("harms less" in said for said in analyse(cells(1.0, 3.0)).confounds)


def test_that_few_rows_teach_nothing_is_part_of_the_answer() -> None:
    made = cells(1.5, 2.5)
    some = [collapsed(c, "mnli") if c.result["cell"].startswith("s-100") else c for c in made]
    found, whole = analyse(some), analyse(made)
    assert found.rows == whole.rows
    assert sum("counts, though it learnt nothing before" in said for said in found.confounds) == 3


def test_a_target_that_is_trained_on_the_same_task_is_no_intermediate_training() -> None:
    mark = {"of": "cell", "kind": "train", "task": "mnli", "label": "mnli > mnli", "verdict": "collapsed", "why": ""}
    result = cells(1, 1)[0].result | {"collapsed": ["mnli"], "marks": [mark]}
    assert not unlearnt(result)
    assert unlearnt(result | {"marks": [{**mark, "label": "mnli"}]})
    assert not unlearnt(result | {"marks": [{**mark, "label": "mnli"}, mark]})
    assert not unlearnt(result | {"marks": [{**mark, "label": "mnli"}], "intermediate": []})


def test_what_is_missing_is_said() -> None:
    made = cells(1, 3)
    with pytest.raises(StiltsError, match="no cell of 2M parameters and 200 examples; run the whole grid"):
        analyse([c for c in made if not c.result["cell"].startswith("m-200")])
    lost = [c if not c.result["cell"].startswith("m-200") else collapsed(c) for c in made]
    with pytest.raises(StiltsError, match=r"and 200 examples; .* m / mnli .* seed 0, is left out"):
        analyse(lost)
    with pytest.raises(StiltsError, match="has 1 sizes and 3 volumes"):
        analyse([c for c in made if c.result["model"] == "s"])
    planned = [Planned(encoder, "mnli", "xnli", 0, 0.1) for encoder in SIZES]
    with pytest.raises(StiltsError, match="has 3 sizes and 1 volumes"):
        check("volume_vs_size", planned)
    check("volume_vs_size", [*planned, *(Planned(encoder, "mnli", "xnli", 0, 1.0) for encoder in SIZES)])

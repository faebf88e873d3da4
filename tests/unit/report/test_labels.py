"""Cells are told apart by what they are, whatever they are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme import load_results
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import families, ladder, matrix, points
from stilts_xtreme.report.entries import build
from stilts_xtreme.report.labels import labels


def cell(
    encoder: str,
    tasks: list[str],
    value: float,
    seed: int = 0,
    target: str = "xnli",
    before: str = "",
    task: str = "t",
    rest: str = "r",
    **more: Any,
) -> dict[str, Any]:
    """A cell's result; encoders are folders that are all called ``c``."""
    own, base = (f"{encoder}{name}{target}{task}{rest}{seed}" for name in ("".join(tasks) + before, ""))
    name = f"c-{own}"
    return {
        "cell": name,
        "model": "c",
        "intermediate": tasks,
        "target": target,
        "seed": seed,
        "synthetic": False,
        "collapsed": [],
        "source_language": "en",
        "averages": {"zero_shot_value": value},
        "comparison": [{"language": "en", "value": value + 1}, {"language": "de", "value": value}],
        "rows": [{"cell": name, "model": "c", "intermediate": "+".join(tasks) or "none", "target": target,
                  "language": "de", "value": value, "stage": own}],
        "identity": {
            "encoder": encoder, "encoder_from": f"/runs/{encoder}/c", "before": before or "".join(tasks) or None,
            "task": task, "task_from": f"/{task}/test.csv", "rest": rest, "catalogued": False,
            "evaluation": own, "baseline": base if tasks else None,
        },
        **more,
    }  # fmt: skip


TWO = [cell("A", [], 10), cell("B", [], 90), cell("A", ["mnli"], 13), cell("B", ["mnli"], 91)]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 1, 0, 3], [1, 3, 0, 2]])
def test_two_encoders_of_one_name_have_their_own_baselines(order: list[int]) -> None:
    built = build([TWO[at] for at in order])
    assert sorted(built.rows) == ["c (A/c) / mnli", "c (A/c) / none", "c (B/c) / mnli", "c (B/c) / none"]
    assert built.gain("c (A/c) / mnli", "xnli") == {0: 3.0}
    assert built.gain("c (B/c) / mnli", "xnli") == {0: 1.0}
    assert built.gain("c (B/c) / mnli", "xnli", "source") == {0: 1.0}
    assert built.note == ""


def test_seeds_and_columns_of_two_encoders_are_not_joined() -> None:
    built = build([cell("A", [], 10, 0), cell("B", [], 90, 1), cell("B", [], 50, 1, "panx"), cell("A", ["m"], 9, 1)])
    assert built.entries["c (A/c) / none", "xnli"].zero_shot == {0: 10}
    assert built.entries["c (B/c) / none", "xnli"].zero_shot == {1: 90}
    assert ("c (A/c) / none", "panx") not in built.entries
    assert built.gain("c (A/c) / m", "xnli") == {}, "the baseline with seed 1 is another encoder's"


def test_a_name_with_one_meaning_stays_as_it_is() -> None:
    built = build([cell("A", [], 10), cell("A", ["mnli"], 13), cell("A", ["mnli"], 14, 1)])
    assert built.rows == ["none", "mnli"]
    assert built.entries["mnli", "xnli"].zero_shot == {0: 13, 1: 14}


def test_revisions_of_an_encoder_are_two_encoders() -> None:
    cells = [cell(key, tasks, 1.0) for key in ("A", "B") for tasks in ([], ["m"])]
    for result in cells:
        result["identity"]["encoder_from"] = f"org/c@{ {'A': 'main', 'B': 'v2'}[result['identity']['encoder']] }"
    assert build(cells).rows == ["c (c@main) / none", "c (c@main) / m", "c (c@v2) / none", "c (c@v2) / m"]


def test_own_tasks_of_one_name_are_two_rows_or_two_columns() -> None:
    intermediate = [
        cell("A", [], 1),
        cell("A", ["own"], 2, before="11111111x"),
        cell("A", ["own"], 3, 1, before="2222"),
    ]
    assert build(intermediate).rows == ["none", "own (11111111)", "own (2222)"]
    targets = [cell("A", tasks, 5.0, target="own", task=task) for task in ("x", "y") for tasks in ([], ["m"])]
    built = build(targets)
    assert built.columns == ["own (x/test.csv)", "own (y/test.csv)"]
    assert built.rows == ["none", "m"]


def test_what_no_option_tells_is_told_by_digits_and_compared_with_its_own() -> None:
    """As with other languages, or rows that have changed: the digest of the setting differs, and no option does."""
    cells = [cell("A", [], 10, rest="r1"), cell("A", [], 50, rest="r2", seed=1)]
    cells += [cell("A", ["m"], 11, rest="r1"), cell("A", ["m"], 55, rest="r2", seed=1)]
    built = build(cells)
    assert built.rows == ["none (r1)", "none (r2)", "m (r1)", "m (r2)"]
    assert [built.gain(row, "xnli") for row in built.rows] == [{}, {}, {0: 1.0}, {1: 5.0}]


def test_recipes_are_told_apart_with_different_seeds_too() -> None:
    rate = "recipe.target.learning_rate"
    cells = [cell("A", [], 1, settings={rate: 1e-5}), cell("A", [], 2, 1, rest="r2", settings={rate: 3e-5})]
    assert build(cells).rows == [f"none, {rate}=1e-05", f"none, {rate}=3e-05"]
    rate = "recipe.intermediate.learning_rate"
    cells = [
        cell("A", ["m"], 1, before="x", settings={rate: 1e-5}),
        cell("A", ["m"], 2, target="panx", before="y", settings={rate: 3e-5}),
    ]
    assert build(cells).rows == [f"m, {rate}=1e-05", f"m, {rate}=3e-05"]


def test_an_option_of_one_target_names_no_cell_of_another_target() -> None:
    epochs = "recipe.target.epochs"
    cells = [
        cell("A", [], 1, settings={epochs: 3}),
        cell("A", ["mnli"], 2, settings={epochs: 3}),
        cell("A", [], 3, target="masakhaner2", rest="3", settings={epochs: 3}),
        cell("A", [], 4, target="masakhaner2", rest="10", settings={epochs: 10}),
        cell("A", ["mnli"], 6, target="masakhaner2", rest="10", settings={epochs: 10}),
    ]
    built = build(cells)
    assert set(built.rows) == {"none", "mnli", f"none, {epochs}=3", f"none, {epochs}=10", f"mnli, {epochs}=10"}
    assert built.gain("mnli", "xnli") == {0: 1}
    assert built.gain(f"mnli, {epochs}=10", "masakhaner2") == {0: 2}


def test_an_option_that_is_of_no_recipe_names_the_cells_of_all_targets() -> None:
    cells = [
        cell("A", [], 1, rest="all", settings={"languages": "all"}),
        cell("A", [], 2, rest="some", settings={"languages": ["de"]}),
        cell("A", [], 3, target="panx", settings={"languages": "all"}),
    ]
    assert build(cells).rows == ["none, languages=all", "none, languages=[de]"]


def test_floors_on_and_off_are_one_entry() -> None:
    """Cells of other folders with the same evaluation are the same."""
    twice = [cell("A", [], 10, averages={"zero_shot_value": 10, "zero_shot_floor": 7}), cell("A", [], 10, cell="other")]
    built = build(twice)
    assert built.rows == ["none"]
    assert built.entries["none", "xnli"].floor == 7


def test_translate_test_is_a_row_of_its_own_and_its_gain_is_over_its_like() -> None:
    plain = [cell("A", [], 10, rest="r"), cell("A", ["mnli"], 13, rest="r")]
    people = [cell("A", tasks, value, rest="p", translate_test="people") for tasks, value in (([], 50), (["mnli"], 54))]
    other = cell("A", [], 40, rest="m", translate_test="machine")
    found = build([*plain, *people, other])
    row = "none, translate-test (people)"
    assert found.rows == ["none", "mnli", row, "mnli, translate-test (people)", "none, translate-test (machine)"]
    assert found.gain("mnli, translate-test (people)", "xnli") == {0: 4}
    assert found.baselines["mnli, translate-test (people)"] == row
    assert "the model read translations" in found.note
    assert "translate-test" not in build(plain).note
    for result, floor in ((plain[0], 20.0), (people[0], 54.9)):
        result["averages"]["zero_shot_floor"] = floor
    told = matrix.markdown(build([*plain, *people]))
    assert "| *best floor* | *20.0* |" in told
    assert "| *best floor, translate-test (people)* | *54.9* |" in told
    again = cell("A", [], 60, rest="q", translate_test="people")
    assert [label.row for label in labels([people[0], again])] == [f"{row} (p)", f"{row} (q)"], "other translations"


def test_results_of_an_earlier_version_are_compared_by_keys_of_stages_else_by_names() -> None:
    def old(result: dict[str, Any], baseline: str | None) -> dict[str, Any]:
        stages = [{"kind": "evaluate", "label": "none > xnli", "key": baseline}] if baseline else []
        return {**{name: value for name, value in result.items() if name != "identity"}, "stages": stages}

    keys = [result["identity"]["baseline"] for result in TWO]
    built = build([old(result, key) for result, key in zip(TWO, keys, strict=True)])
    gains = {round(gain, 6) for row in built.rows for gain in built.gain(row, "xnli").values()}
    assert gains == {3.0, 1.0}
    assert "4 cells are of an earlier version" in built.note
    assert "told apart by their names" in matrix.markdown(built)
    lone = build([old(TWO[0], None), old(TWO[2], None)])
    assert lone.gain("mnli", "xnli") == {0: 3.0}
    mixed = build([TWO[0], old(TWO[2], keys[2])])
    assert mixed.rows == ["none", "mnli"]
    assert mixed.gain("mnli", "xnli") == {0: 3.0}
    assert "1 cell is of an earlier version" in mixed.note


def test_files_of_rows_have_distinct_names(tmp_path: Path) -> None:
    for result in TWO:
        (tmp_path / result["cell"]).mkdir()
        (tmp_path / result["cell"] / "result.json").write_text(json.dumps(result))
    rows = load_results(tmp_path)
    assert {(row["model"], row["encoder"], row["setting"]) for row in rows} == {
        ("c (A/c)", "A", "r"),
        ("c (B/c)", "B", "r"),
    }
    assert "c (B/c)" in matrix.tidy(TWO)
    assert {row["model"] for row in load_results(tmp_path / TWO[0]["cell"])} == {"c"}


def test_curves_of_two_encoders_of_one_name_and_size() -> None:
    scale = {"parameters": 100, "intermediate": {"examples": 5, "steps": 5, "batches": 1}}
    found = points.points([{**result, "scale": scale} for result in TWO], "size")
    assert {point.model for point in found} == {"c (A/c)", "c (B/c)"}
    one = [points.points([{**result, "scale": scale} for result in TWO[at::2]], "size") for at in (0, 1)]
    assert {point.model for part in one for point in part} == {"c"}
    assert {point.model for point in points.together(one)} == {"c (A)", "c (B)"}
    assert points.points([], "size") == []


def test_curves_refuse_other_settings_at_another_point() -> None:
    scale = {"parameters": 100, "intermediate": {"examples": 5, "steps": 5, "batches": 1}}
    cells = [cell("A", [], 1, scale=scale), cell("A", ["m"], 2, seed=1, rest="r2", scale=scale)]
    with pytest.raises(StiltsError, match="stand on the same curve, but their settings differ"):
        families.families(points.points(cells, "volume"))


def test_points_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    found = points.points(TWO, "size")
    lines = points.table(found).splitlines()
    (tmp_path / "scaling.csv").write_text("\n".join(line.rsplit(",", 2)[0] for line in lines) + "\n")
    assert [(point.cell, point.encoder_key) for point in points.read(tmp_path / "scaling.csv")] == [
        (point.cell, "") for point in found
    ]


def test_the_ladder_has_a_line_for_each_encoder() -> None:
    lines = [{"language": "qaa", "value": 9.0, "floor": 1.0}]
    cells = [{**result, "synthetic": True, "source_language": "qaa", "comparison": lines} for result in TWO]
    text = ladder.markdown(cells)
    assert "| c (A/c) / none > xnli |" in text
    assert "| c (B/c) / none > xnli |" in text
    cells[1]["settings"] = {"model.languages": ["qaa"]}
    assert "(B/c)" not in ladder.markdown(cells), "the shares of text are not those of an encoder of one language"


@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from(["", "m"]), st.integers(0, 1), st.sampled_from("xy"),
                  st.sampled_from(["r1", "r2"])),
        min_size=1, max_size=12, unique=True,
    )
)  # fmt: skip
def test_one_place_has_one_cell_of_a_seed(drawn: list[tuple[str, str, int, str, str]]) -> None:
    cells = [cell(a, [b] if b else [], 1.0, seed, task=task, rest=rest) for a, b, seed, task, rest in drawn]
    found = labels(cells)
    assert len({(label.row, label.column, result["seed"]) for label, result in zip(found, cells, strict=True)}) == len(
        cells
    )
    meanings: dict[tuple[str, str], set[tuple[Any, ...]]] = {}
    for label, result in zip(found, cells, strict=True):
        what = tuple(result["identity"][part] for part in ("encoder", "before", "task", "rest"))
        meanings.setdefault((label.row, label.column), set()).add(what)
    assert all(len(what) == 1 for what in meanings.values())

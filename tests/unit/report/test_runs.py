"""What trackers are told: keys that they take, ids that stay, scores and axes from a result."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.report import matrix_run, runs
from stilts_xtreme.report.runs import Keys

KEY = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


@given(st.lists(st.text(min_size=0, max_size=300) | st.text("a-_@.1", max_size=4), unique=True))
def test_no_two_names_of_a_run_have_one_key(names: list[str]) -> None:
    keys, again = Keys(), Keys()
    found = [keys(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(KEY.fullmatch(key) and len(key) <= runs.LONGEST_KEY for key in found)
    assert [again(name) for name in names] == found == [keys(name) for name in names]


def test_keys_are_read_by_people() -> None:
    keys = Keys()
    assert [keys(name) for name in ("loss", "map@20", "eng-simple", "eng_simple", "20", "<script>")] == [
        "loss",
        "map_at_20",
        "eng_simple",
        f"eng_simple_{keys('eng_simple')[-6:]}",
        "_20",
        "_script_",
    ]


def result_of(**changes: Any) -> dict[str, Any]:
    common: dict[str, Any] = {
        "cell": "mini-mnli-tatoeba-seed1-0123abcd",
        "model": "mini",
        "intermediate": "mnli",
        "target": "tatoeba",
    }
    common |= {"seed": 1, "volume": 0.5, "n": 10}
    return {
        "cell": common["cell"],
        "model": "mini",
        "intermediate": ["mnli"],
        "target": "tatoeba",
        "seed": 1,
        "volume": 0.5,
        "volume_steps": "own",
        "mlm": 0.0,
        "control": None,
        "translation": None,
        "settings": {"recipe.target.selection": "last", "trainer.precision": "32-true"},
        "identity": {"evaluation": "e" * 20},
        "weights": "pretrained",
        "recipe": "mini",
        "data": "synthetic",
        "synthetic": True,
        "source_language": "eng",
        "collapsed": False,
        "averages": {"zero_shot_value": 40.0, "zero_shot_gain": 2.5},
        "comparison": [
            {"language": "eng-simple", "n": 10, "metric": "map@20", "value": 40.0, "baseline": 37.5, "gain": 2.5}
            | {"floor": 3.0, "floor_name": "majority"},
            {"language": "sw", "n": 10, "metric": "map@20", "value": 20.0, "baseline": None, "gain": None}
            | {"floor": None, "floor_name": None},
        ],
        "rows": [
            {**common, "language": "eng-simple", "metric": "map@20", "value": 40.0},
            {**common, "language": "eng-simple", "metric": "recall@5", "value": 50.0},
            {**common, "language": "sw", "metric": "map@20", "value": 20.0},
        ],
        "stages": [
            {"key": "t" * 20, "kind": "train", "seconds": 3.0},
            {"key": "e" * 20, "kind": "evaluate", "seconds": 1.5},
        ],
        "rules": [{"rule": "best", "averages": {"zero_shot_value": 41.0}}],
        **changes,
    }


def test_a_cell() -> None:
    run = runs.of_cell(result_of())
    assert (run.id, run.name, run.job_type) == (
        runs.cell_id("mini-mnli-tatoeba-seed1-0123abcd"),
        "mini-mnli-tatoeba-seed1-0123abcd",
        "cell",
    )
    assert set(runs.AXES) <= run.config.keys()
    assert (run.config["intermediate"], run.config["rule"], run.config["volume"]) == ("mnli", "last", 0.5)
    assert run.summary == {
        "zero_shot_value": 40.0,
        "zero_shot_gain": 2.5,
        "collapsed": 0.0,
        "seconds": 4.5,
        "value_eng_simple": 40.0,
        "gain_eng_simple": 2.5,
        "value_sw": 20.0,
        "recall_at_5_eng_simple": 50.0,
        "zero_shot_value_by_best": 41.0,
    }
    assert run.uses == ("t" * 20,)
    assert run.tags == ("mini", "mnli", "synthetic", "tatoeba")
    assert all(KEY.fullmatch(key) for key in (*run.summary, *run.config))


def test_the_shots_of_a_cell_are_flat_keys() -> None:
    config = runs.of_cell(result_of(shots={"k": 16, "draw": 2, "arm": "after"})).config
    assert {name: config[name] for name in ("shots", "shots_draw", "shots_arm")} == {
        **{"shots": 16, "shots_draw": 2},
        "shots_arm": "after",
    }
    assert runs.of_cell(result_of(shots=None)).config["shots"] is None


@given(st.lists(st.text(min_size=1, max_size=8), unique=True, min_size=1, max_size=6), st.text(max_size=8))
def test_no_score_of_a_cell_is_lost(languages: list[str], metric: str) -> None:
    lines = [
        {"language": language, "metric": metric, "value": float(at), "gain": None}
        for at, language in enumerate(languages)
    ]
    found = runs.scores(result_of(comparison=lines, rows=[], averages={}, rules=[]))
    kept = {key: value for key, value in found.items() if key not in ("collapsed", "seconds")}
    assert sorted(kept.values()) == [float(at) for at in range(len(languages))]
    assert all(KEY.fullmatch(key) for key in found)


def test_the_table_of_a_cell() -> None:
    columns, rows = runs.table_of(result_of())
    assert len(rows) == 3
    assert dict(zip(columns, rows[0], strict=True)) == {
        **{"cell": "mini-mnli-tatoeba-seed1-0123abcd", "model": "mini", "intermediate": "mnli", "target": "tatoeba"},
        **{"seed": 1, "language": "eng-simple", "n": 10, "metric": "map@20", "value": 40.0, "baseline": 37.5},
        **{"gain": 2.5, "floor": 3.0, "floor_name": "majority"},
    }
    assert rows[1][-5:] == [50.0, None, None, None, None], "the baseline and the floor are of the target's metric"


def manifest_of(**info: Any) -> dict[str, Any]:
    return {
        "key": "0123456789abcdef0123",
        "label": "train mnli > xnli",
        "kind": "train",
        "identity": {"seed": 4},
        "parent": "p" * 20,
        "info": {"steps": 5, "loss": 0.5, "dev": {"xnli": 33.0}, "selected": {"step": 4, "dev": 34.0}, **info},
        "made": {"seconds": 2.0},
    }


def test_a_stage() -> None:
    axes = {"phase": "target", "model": "mini", "data": "synthetic", "tasks": ["xnli"], "seed": 4, "target": "xnli"}
    run = runs.of_stage(manifest_of(axes=axes, hardware={"cores": 2, "gpu name": "x"}))
    assert (run.id, run.job_type, run.name) == ("0123456789abcdef0123", "target", "mini mnli > xnli seed4 01234567")
    assert set(runs.AXES) <= run.config.keys()
    assert (run.config["hardware_cores"], run.config["hardware_gpu_name"]) == (2, "x")
    assert (run.gives, run.uses) == ("0123456789abcdef0123", ("p" * 20,))
    assert run.summary == {
        **{"steps": 5, "end_loss": 0.5, "seconds": 2.0, "end_dev_xnli": 33.0, "selected_step": 4, "selected_dev": 34.0}
    }


def test_a_pretraining_names_its_encoder_once() -> None:
    axes = {"phase": "pretraining", "model": "mini"}
    assert runs.stage_run("0123456789abcdef0123", "pretrain", "mini on synthetic", None, axes, {}).name == (
        "mini on synthetic 01234567"
    )


def test_a_stage_of_an_earlier_version() -> None:
    run = runs.of_stage(manifest_of(selected=None))
    assert (run.job_type, run.name, run.config["seed"]) == ("train", "mnli > xnli 01234567", 4)


def test_a_point() -> None:
    values = {"step": 3, "loss": 0.5, "learning_rate": 1e-3, "task": "a b", "loss_a b": 0.25, "dev_a b": float("nan")}
    assert runs.point(values, Keys()) == (3, {"loss": 0.5, "learning_rate": 1e-3, "loss_a_b": 0.25})


def test_the_run_of_a_matrix() -> None:
    results = [
        result_of(
            volume=None,
            seed=seed,
            cell=f"c{seed}{'+'.join(tasks)}",
            intermediate=tasks,
            averages={"zero_shot_value": value},
        )
        | {"identity": {**identity, "baseline": None if not tasks else f"none{seed}"}, "collapsed": [], "marks": []}
        for seed in (1, 2)
        for tasks, value in (([], 40.0 + seed), (["mnli"], 43.0 + 2 * seed))
        for identity in [{"evaluation": f"{'+'.join(tasks) or 'none'}{seed}"}]
    ]
    matrix = matrix_run.matrix_of(results)
    assert matrix is not None
    run = matrix_run.of_sweep("sweep-mini-01", results, matrix)
    assert (run.id, run.job_type, run.name) == (runs.report_id("sweep-mini-01"), "report", "matrix sweep-mini-01")
    assert {name: run.config[name] for name in ("model", "target", "seed", "intermediate")} == {
        **{"model": "mini", "target": "tatoeba"},
        **{"seed": None, "intermediate": None},
    }, "what cells differ in is none of the matrix"
    assert run.summary == {
        **{"cells": 4, "collapsed": 0, "value_none_tatoeba": 41.5, "value_mnli_tatoeba": 46.0},
        "gain_mnli_tatoeba": 4.5,
    }
    lines = [dict(zip(matrix_run.COLUMNS, line, strict=True)) for line in matrix_run.table(matrix)]
    assert [(line["row"], line["zero_shot_value"], line["zero_shot_gain"], line["seeds"]) for line in lines] == [
        ("none", 41.5, None, 2),
        ("mnli", 46.0, 4.5, 2),
    ]
    assert lines[1]["interval"] == pytest.approx(12.706 * 0.5)
    assert matrix_run.matrix_of(results[:1]) is None, "one cell is no matrix"


def test_groups() -> None:
    assert runs.group_of("mine", "matrix", "matrix-mini-01", "xnli") == "mine"
    assert runs.group_of(None, "matrix", "matrix-mini-01", "xnli") == "matrix"
    assert runs.group_of(None, None, "sweep-mini-01", "xnli") == "sweep-mini-01"
    assert runs.group_of(None, None, None, "xnli") == "xnli"
    assert runs.group_of(None, None, None, None) == "intermediate"

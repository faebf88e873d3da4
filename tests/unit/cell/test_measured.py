"""Estimates learn from stages of the store that a plan does not name."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from support.cells import cell_of

from stilts_xtreme.cell.estimate import estimate
from stilts_xtreme.cell.measured import with_seed
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Stage, Training

CELL = ("+intermediate=mnli", "+target=xnli", "model=mini", "trainer=cpu")


def stages(*options: str) -> tuple[Cell, list[Stage]]:
    cell = cell_of(*CELL, *options)
    return cell, plan(cell).stages()


def keep(store: Store, stage: Stage, seconds: float, **info: Any) -> None:
    """Puts a manifest into a store, as if a stage of another sweep had been made."""
    folder = store.path(stage.key)
    folder.mkdir(parents=True)
    manifest = {
        "schema": 1,
        "key": stage.key,
        "label": stage.label,
        "kind": stage.kind,
        "identity": stage.identity,
        "parent": stage.parent.key if stage.parent else None,
        "info": info,
        "made": {"seconds": seconds, "finished": "2026-01-01T00:00:00Z", "host": "h", "versions": {}},
        "files": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def times(cell: Cell, planned: list[Stage], store: Store) -> dict[str, float]:
    found = estimate([(cell, stage) for stage in planned], store)
    assert {source for source, _ in found} == {"estimated"}
    return {stage.label: seconds for stage, (_, seconds) in zip(planned, found, strict=True)}


def test_a_stage_takes_as_long_as_the_same_one_with_another_seed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _, made = stages("seed=0")
    for number, stage in enumerate(made):
        keep(store, stage, 1000.0 + number, axes={"seed": 0})
    cell, planned = stages("seed=1")
    seeded = [stage for stage in planned if stage.key not in {each.key for each in made}]
    assert [stage.kind for stage in seeded].count("train") >= 2, "the chain below a seed has another seed too"
    assert any(isinstance(stage, Evaluation) for stage in seeded)
    same = {stage.label: 1000.0 + number for number, stage in enumerate(made)}
    assert times(cell, seeded, store) == {stage.label: same[stage.label] for stage in seeded}
    elsewhere = Store(tmp_path / "gpu")
    for stage in made:
        keep(elsewhere, stage, 1000.0, axes={"seed": 0}, hardware={"gpu": "one"})
    assert 1000.0 not in times(cell, seeded, elsewhere).values(), "on another kind of device it takes another time"


@pytest.mark.parametrize(
    "options",
    [
        ("+target=panx", "evaluation.rules=[best,last]", "recipe.target.patience=null"),
        ("+target=panx", "shots.k=5"),
        ("+target=panx", "+intermediate=mnli", "control=steps"),
        ("+target=panx", "+intermediate=mnli", "control=placebo"),
        ("+target=tatoeba", "+intermediate=[mnli,qqp]", "merge=ties"),
        ("+target=tatoeba", "+intermediate=[mnli,qqp]", "mlm.weight=1"),
    ],
)
def test_a_stage_with_another_seed_is_as_a_plan_makes_it(options: tuple[str, ...]) -> None:
    planned = [plan(cell_of("model=mini", "trainer=cpu", *options, f"seed={seed}")).stages() for seed in (3, 4)]
    assert [with_seed(stage, 4).key for stage in planned[0]] == [stage.key for stage in planned[1]]
    assert [stage.key for stage in planned[0]] != [stage.key for stage in planned[1]]


@pytest.mark.parametrize("phase", ["intermediate", "target"])
def test_what_differs_in_more_than_the_seed_is_not_the_same(phase: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    for stage in stages("seed=0")[1]:
        keep(store, stage, 123456.0, axes={"seed": 0})
    cell, planned = stages("seed=1", f"recipe.{phase}.learning_rate=3e-4")
    known = times(cell, [stage for stage in planned if stage.kind != "floors" and stage.phase != "pretraining"], store)
    same = {label for label, seconds in known.items() if seconds == 123456.0}
    baseline = {f"{start} > {task}" for start in ("none", "random") for task in ("mnli", "xnli")}
    assert same == ({"mnli"} if phase == "target" else baseline), "the chains that the option has no part in"


def test_the_rate_is_that_of_the_encoders_other_trainings(tmp_path: Path) -> None:
    cell, planned = stages("seed=0")
    training = next(stage for stage in planned if isinstance(stage, Training) and stage.phase == "target")
    axes = {"model": cell.model.label, "precision": cell.trainer.precision}
    task = training.tasks[0].name
    for other in ("model", "precision", "hardware"):
        store = Store(tmp_path / other)
        before = times(cell, [training], store)
        longer = stages("seed=3", "recipe.target.max_steps=1000")[1]
        another = next(stage for stage in longer if isinstance(stage, Training) and stage.phase == "target")
        told = {"axes": {**axes, other: "other"}, "hardware": {"gpu": "one"} if other == "hardware" else {}}
        keep(store, another, 9000.0, rows=dict(another.rows), tasks=[task], **told)
        assert times(cell, [training], store) == before, "of another encoder, precision or machine"
    store = Store(tmp_path / "right")
    keep(store, another, 9000.0, rows=dict(another.rows), tasks=[task], axes=axes)
    share = int(training.tasks[0].recipe.max_steps or 0) / 1000
    assert 0.1 < share < 1
    assert times(cell, [training], store)[training.label] == pytest.approx(9000 * share, rel=0.01)


def test_a_store_with_odd_manifests_is_no_obstacle(tmp_path: Path) -> None:
    cell, planned = stages("seed=0")
    before = times(cell, planned, Store(tmp_path))
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"schema": 99}')):
        (tmp_path / "stages" / name).mkdir(parents=True)
        (tmp_path / "stages" / name / "manifest.json").write_text(text)
    (tmp_path / "stages" / "d").mkdir()
    stranger = dataclasses.replace(next(stage for stage in planned if isinstance(stage, Training)), seed=5)
    keep(Store(tmp_path), stranger, 0.0, axes=None, hardware=None)
    assert times(cell, planned[-1:], Store(tmp_path)) == {planned[-1].label: before[planned[-1].label]}

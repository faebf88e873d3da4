"""Trainings on a target lose their weights when nothing needs them, stay finished, and are made again when needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cells import TINY, cell_of

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.thinning import LARGE, is_on_target, make_way, release, spent, thin, unfinished
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.manifest import REMOVED, removed
from stilts_xtreme.core.stage import Stage

CELL = (*TINY, "+intermediate=mnli", "+target=xquad")


def fill(store: Store, stage: Stage) -> None:
    def make(scratch: Path) -> dict[str, Any]:
        (scratch / "models" / "task").mkdir(parents=True)
        (scratch / "models" / "task" / "model.safetensors").write_bytes(stage.key.encode() * LARGE)
        (scratch / "models" / "task" / "config.json").write_text("{}")
        (scratch / "scores.json").write_text("{}")
        return {"axes": {"phase": stage.phase}}

    parents = [parent.key for parent in stage.parents]
    store.ensure(
        stage.key, stage.label, {"kind": stage.kind, "identity": {}, "parent": parents[0] if parents else None}, make
    )


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return plan(cell_of(*CELL)).stages()


@pytest.fixture
def store(tmp_path: Path, stages: list[Stage]) -> Store:
    """All stages of a cell, as if they had been made."""
    store = Store(tmp_path)
    for stage in stages:
        fill(store, stage)
    return store


def labels(stages: list[Stage], keys: Any) -> set[str]:
    return {f"{stage.kind} {stage.label}" for stage in stages if stage.key in keys}


def test_what_was_evaluated_goes_and_what_others_start_from_stays(store: Store, stages: list[Stage]) -> None:
    every = {stage.key for stage in stages}
    assert release(stages, store, every) == 2 * 20 * LARGE
    gone = labels(stages, {key for key in every if removed(store.path(key))})
    assert gone == {"train none > squad_v1", "train mnli > squad_v1"}
    assert release(stages, store, every) == 0
    assert unfinished(stages, store) == set(), "nothing is to be made again"
    for stage in stages:
        assert store.damage(stage.key) is None
        assert store.done(stage.key)
        assert (store.path(stage.key) / "scores.json").exists()
        assert (store.path(stage.key) / "models" / "task" / "config.json").exists()


def test_a_training_keeps_its_weights_while_something_waits_for_them(store: Store, stages: list[Stage]) -> None:
    waits = next(stage for stage in stages if stage.label == "mnli > xquad")
    release(stages, store, {stage.key for stage in stages} - {waits.key})
    gone = labels(stages, {stage.key for stage in stages if removed(store.path(stage.key))})
    assert gone == {"train none > squad_v1"}


def test_the_store_as_a_whole_is_asked_like_a_command(store: Store, stages: list[Stage]) -> None:
    manifests = {stage.key: store.manifest(stage.key) or {} for stage in stages}
    assert set(spent(manifests, ())) == {stage.key for stage in stages if is_on_target(stage)}
    first = next(stage for stage in stages if is_on_target(stage))
    assert first.key not in spent(manifests, {first.key})
    without = {key: manifest for key, manifest in manifests.items() if manifest["kind"] != "evaluate"}
    assert spent(without, ()) == [], "a training that was not evaluated is kept"


def test_thinned_stages_are_made_again_where_something_starts_from_them(store: Store, stages: list[Stage]) -> None:
    release(stages, store, {stage.key for stage in stages})
    other = plan(cell_of(*TINY, "+intermediate=mnli", "+target=mlqa")).stages()
    todo = unfinished(other, store)
    assert labels(other, todo) == {
        *("train none > squad_v1", "train mnli > squad_v1"),
        *("evaluate none > mlqa", "evaluate mnli > mlqa", "floors mlqa"),
    }
    make_way(todo, store)
    for stage in other:
        assert store.path(stage.key).exists() == (stage.key not in todo)
    assert unfinished(other, store) == todo


def test_weights_that_were_removed_are_asked_for_in_vain(store: Store, stages: list[Stage]) -> None:
    training = next(stage for stage in stages if is_on_target(stage))
    thin(store, training.key)
    with pytest.raises(StiltsError, match=r"The weights in .* were removed; to have them"):
        store.open(training.key)
    assert store.open(training.key, thin=True) == store.path(training.key)


def test_the_note_excuses_no_other_file(store: Store, stages: list[Stage]) -> None:
    training = next(stage for stage in stages if is_on_target(stage))
    thin(store, training.key)
    note = store.path(training.key) / REMOVED
    note.write_text(json.dumps([*json.loads(note.read_text()), "scores.json"]))
    (store.path(training.key) / "scores.json").write_text("[]")
    assert store.damage(training.key) == "the content of scores.json has changed"


JSON = st.recursive(st.none() | st.text(max_size=5), st.lists).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=30) | JSON)
def test_a_note_that_is_none_excuses_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("stage")
    (folder / REMOVED).write_bytes(content)
    assert all(name.startswith(("models/", "points/")) for name in removed(folder))

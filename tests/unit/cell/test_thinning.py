"""Trainings on a target lose their weights when nothing needs them, stay finished, and are made again when needed."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from support.cells import TINY, cell_of

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.thinning import LARGE, is_brief, reading, release, spent, thin, unfinished, weights
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.manifest import REMOVED, removed
from stilts_xtreme.core.stage import Stage
from stilts_xtreme.models.flops import encoder_size

CELL = (*TINY, "+intermediate=mnli", "+target=xquad")


def fill(store: Store, stage: Stage, whole: bool = False) -> None:
    def make(scratch: Path) -> dict[str, Any]:
        (scratch / "models" / "task").mkdir(parents=True)
        (scratch / "models" / "task" / "model.safetensors").write_bytes(stage.key.encode() * LARGE)
        (scratch / "models" / "task" / "config.json").write_text("{}")
        (scratch / "scores.json").write_text("{}")
        return {"axes": {"phase": stage.phase}}

    parents = [parent.key for parent in stage.parents]
    described = {"kind": stage.kind, "identity": stage.identity, "parent": parents[0] if parents else None}
    store.ensure(stage.key, stage.label, described, make, whole=whole)


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


def gone(store: Store, stages: list[Stage]) -> set[str]:
    return labels(stages, {stage.key for stage in stages if removed(store.path(stage.key))})


def test_what_was_evaluated_goes_and_what_others_start_from_stays(store: Store, stages: list[Stage]) -> None:
    release(stages, store)
    assert gone(store, stages) == {"train none > squad_v1", "train mnli > squad_v1"}
    assert unfinished(stages, store) == set(), "nothing is to be made again"
    for stage in stages:
        assert store.damage(stage.key) is None
        assert store.done(stage.key)
        assert (store.path(stage.key) / "scores.json").exists()
        assert (store.path(stage.key) / "models" / "task" / "config.json").exists()
        assert (weights(store, stage.key) == 0) == (f"{stage.kind} {stage.label}" in gone(store, stages))


def test_a_training_that_others_begin_with_afresh_is_kept_whatever_it_is_called(tmp_path: Path) -> None:
    """With one recipe for both phases, the training on a target is the intermediate one of another cell."""
    same = (*TINY, "recipe=small", "recipe.intermediate.learning_rate=1e-3")
    stages = plan(cell_of(*same, "+intermediate=mnli", "+target=xnli")).stages()
    trained = [stage for stage in stages if stage.kind == "train"]
    assert [stage.label for stage in trained] == ["mnli", "mnli > mnli"], "the first one is also that of the baseline"
    first = replace(trained[0], phase="target")
    assert is_brief(first, [])
    assert not is_brief(first, [trained[1]])
    store = Store(tmp_path)
    for stage in (first, *[stage for stage in stages if stage is not trained[0]]):
        fill(store, stage)
    manifests = {stage.key: store.manifest(stage.key) or {} for stage in stages}
    assert spent(manifests, ()) == [trained[1].key]


def test_the_store_as_a_whole_is_asked_like_a_command(store: Store, stages: list[Stage]) -> None:
    manifests = {stage.key: store.manifest(stage.key) or {} for stage in stages}
    brief = {stage.key for stage in stages if is_brief(stage, [])}
    assert set(spent(manifests, ())) == brief
    first = next(iter(brief))
    assert first not in spent(manifests, {first})
    without = {key: manifest for key, manifest in manifests.items() if manifest["kind"] != "evaluate"}
    assert spent(without, ()) == [], "a training that was not evaluated is kept"


def test_stages_without_weights_are_made_again_where_something_reads_them(store: Store, stages: list[Stage]) -> None:
    release(stages, store)
    other = plan(cell_of(*TINY, "+intermediate=mnli", "+target=mlqa")).stages()
    todo = unfinished(other, store)
    assert labels(other, todo) == {
        *("train none > squad_v1", "train mnli > squad_v1"),
        *("evaluate none > mlqa", "evaluate mnli > mlqa", "floors mlqa"),
    }
    for stage in other:
        fill(store, stage, whole=stage.key in todo)
        assert not removed(store.path(stage.key))
        assert weights(store, stage.key) > 0
    assert unfinished(other, store) == set()
    assert not list(store.path(stages[0].key).parent.glob(".*")), "the old folder has gone"


@pytest.mark.parametrize(
    "asked", ["evaluation.rules=[last]", "recipe.target.selection=average", "shots.arm=joint shots.k=2"]
)
def test_a_training_that_is_built_anew_wants_what_it_began_with(asked: str, tmp_path: Path) -> None:
    """XCOPA is trained on one data set after the other."""
    more = ("+target=xcopa", *asked.split(), "languages=[qab]" if "shots" in asked else "languages=available")
    stages = plan(cell_of(*TINY, *more)).stages()
    last = [stage for stage in stages if len(stage.opens) > len(stage.parents)]
    assert last, "it has such a stage"
    store = Store(tmp_path)
    for stage in stages:
        if stage not in last:
            fill(store, stage)
    first = next(stage for stage in stages if stage.kind == "train" and stage.label == "none > siqa")
    thin(store, first.key)
    assert first.key in unfinished(stages, store)


def test_a_damaged_evaluation_that_is_refused_makes_nothing_again(store: Store, stages: list[Stage]) -> None:
    release(stages, store)
    evaluation = next(stage for stage in stages if stage.label == "mnli > xquad")
    (store.path(evaluation.key) / "scores.json").write_text("{} ")
    assert labels(stages, unfinished(stages, store)) == {"evaluate mnli > xquad"}
    store.on_damage = "retrain"
    assert labels(stages, unfinished(stages, store)) == {"evaluate mnli > xquad", "train mnli > squad_v1"}


def test_weights_that_somebody_reads_stay(store: Store, stages: list[Stage]) -> None:
    training = next(stage for stage in stages if is_brief(stage, []))
    with reading(store, [training]), reading(store, [training]):
        assert thin(store, training.key) == 0
        assert weights(store, training.key) > 0
    assert thin(store, training.key) == 20 * LARGE
    assert thin(store, training.key) == 0


def test_a_kill_in_the_middle_leaves_what_the_next_one_removes(store: Store, stages: list[Stage]) -> None:
    training = next(stage for stage in stages if is_brief(stage, []))
    content = (store.path(training.key) / "models" / "task" / "model.safetensors").read_bytes()
    thin(store, training.key)
    (store.path(training.key) / "models" / "task" / "model.safetensors").write_bytes(content)  # not removed yet
    assert thin(store, training.key) == len(content)


def test_a_full_disk_does_not_keep_weights(store: Store, stages: list[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    training = next(stage for stage in stages if is_brief(stage, []))
    file = store.path(training.key) / "models" / "task" / "model.safetensors"

    def write(path: Path, text: str) -> None:
        if file.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_text(text)

    monkeypatch.setattr("stilts_xtreme.cell.thinning.write_atomic", write)
    assert thin(store, training.key) == 20 * LARGE
    assert removed(store.path(training.key))
    assert store.damage(training.key) is None


def test_what_cannot_be_removed_is_said_and_ends_nothing(
    store: Store, stages: list[Stage], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("stilts_xtreme.cell.thinning.write_atomic", refuse)
    release(stages, store)
    assert caplog.text.count("Permission denied") == 2
    assert gone(store, stages) == set()


def test_the_size_of_the_encoder_is_known_without_its_weights(tmp_path: Path) -> None:
    store, key = Store(tmp_path), "0123456789abcdef0123"

    def make(scratch: Path) -> dict[str, Any]:
        (scratch / "models" / "task").mkdir(parents=True)
        tensors = {"embeddings.word_embeddings.weight": np.zeros((5, 3)), "layer.weight": np.zeros((3, 3))}
        save_file(tensors, scratch / "models" / "task" / "model-00001-of-00002.safetensors")
        return {}

    store.ensure(key, "x", {"kind": "train", "identity": {}, "parent": None}, make)
    known = encoder_size(store.path(key))
    assert known is not None
    assert known["parameters"] == 24
    thin(store, key)
    assert encoder_size(store.path(key)) == known


def test_weights_that_were_removed_are_asked_for_in_vain(store: Store, stages: list[Stage]) -> None:
    training = next(stage for stage in stages if is_brief(stage, []))
    thin(store, training.key)
    with pytest.raises(StiltsError, match=r"The weights in .* were removed: a run that"):
        store.open(training.key)
    assert store.open(training.key, thin=True) == store.path(training.key)


def test_the_note_excuses_no_other_file(store: Store, stages: list[Stage]) -> None:
    training = next(stage for stage in stages if is_brief(stage, []))
    thin(store, training.key)
    note = store.path(training.key) / REMOVED
    said = json.loads(note.read_text())
    note.write_text(json.dumps({**said, "files": [*said["files"], "scores.json"]}))
    (store.path(training.key) / "scores.json").write_text("[]")
    assert store.damage(training.key) == "the content of scores.json has changed"


LEAVES = st.none() | st.text(max_size=5) | st.integers()
NAMES = st.sampled_from(["files", "encoder"])
NOTES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)).map(json.dumps)


@given(st.binary(max_size=30) | NOTES.map(str.encode))
def test_a_note_that_is_none_excuses_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("stage")
    (folder / REMOVED).write_bytes(content)
    assert all(name.startswith(("models/", "points/")) for name in removed(folder))
    encoder_size(folder)

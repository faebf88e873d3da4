"""Stages: every field is keyed or named as not keyed, nobody reads the identity, and a cell is planned once."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT, TINY, cell_of, composed

from stilts_xtreme.cell import plan as planning_of_cells
from stilts_xtreme.cell.estimate import besides, estimate, flops
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.requirements import Needs
from stilts_xtreme.cell.run import run
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.floors import Floors
from stilts_xtreme.core.inputs import FewShot, MixedMlm, Origin, RowSet, StageTask, Translated
from stilts_xtreme.core.mixing import Merge, Mlm, Sampling, Translation
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.core.shots import Shots
from stilts_xtreme.core.specs import Cell, Recipe, Target
from stilts_xtreme.core.stage import Evaluation, Merged, Pretraining, Selected, Stage, Training
from stilts_xtreme.data.catalogue import load_spec
from stilts_xtreme.sweep import job, planning, record
from stilts_xtreme.sweep.executors import worker
from stilts_xtreme.sweep.graph import build
from stilts_xtreme.sweep.session import Session

# --- every field ------------------------------------------------------------------------------------------------------

RECIPE = Recipe(learning_rate=1e-5, epochs=1, batch_size=8, max_length=64, selection="best")
XNLI, MNLI = load_spec("xnli"), load_spec("mnli")


def rows(spec: Any, split: str, *languages: str, content: str = "") -> RowSet:
    return RowSet(spec, split, languages, DataSpec("synthetic"), {"content": content or f"{spec.name} {split}"})


def stages() -> dict[str, Any]:
    """A stage of each kind, and each of its parts, with all that it can have."""
    task = planned_task("mnli")
    target = Target("xnli", "classification", "accuracy", (task,), XNLI, ("en", "sw"), RECIPE)
    part = StageTask(task, (rows(MNLI, "train", "en"),), (rows(MNLI, "validation", "en"),), {"first_token": "any"})
    mixed = MixedMlm(Mlm(1.0), ("en", "sw"), None, {"en": "1"})
    translated = Translated(Translation("synthetic"), ((rows(MNLI, "train", "sw"),),))
    first = Pretraining(label="mini", architecture={"layers": 2}, settings={"steps": 2}, corpus=(rows(XNLI, "test"),))
    training = Training(
        phase="intermediate",
        label="mnli",
        parent=first,
        precision="32-true",
        learns=(part, part),
        seed=0,
        volume=0.5,
        translated=translated,
        mlm=mixed,
    )
    evaluation = Evaluation(
        label="xnli",
        origin=Origin("a/b"),
        precision="32-true",
        target=target,
        test=rows(XNLI, "test", "sw"),
        settings={},
    )
    selected = Selected(phase="intermediate", label="mnli [best]", parent=training, rule="best")
    merged = Merged(label="mean(a+b)", merged=(training, selected), how=Merge("ties", 1.0, 0.2))
    floors = Floors(label="xnli", target=target, train=(), test=rows(XNLI, "test", "sw"))
    made = (first, training, selected, merged, evaluation, floors)
    few = FewShot(Shots(5), part)
    found = (*made, part, few, mixed, translated, Origin("a/b", "1"), target, RECIPE, Mlm(1.0))
    return {
        type(one).__name__: one for one in (*found, Sampling("temperature"), Translation("synthetic"), part.train[0])
    }


def planned_task(name: str) -> Any:
    (task,) = cell_of(f"+intermediate={name}", "trainer=cpu").intermediate_tasks
    return dataclasses.replace(task, recipe=RECIPE)


STAGES = stages()
OTHER = rows(XNLI, "validation", "sw", content="other")
ANLI = planned_task("anli")
COMMON = {"phase": ("target", False), "label": ("other", False), "rows": ({"other": 1}, False)}
STARTS = {"origin": (Origin("c/d"), True), "fresh_weights": (True, True), "precision": ("bf16-mixed", True)}
FIELDS: dict[str, dict[str, tuple[Any, bool]]] = {
    # class -> field -> (another value, whether it makes another identity)
    "Pretraining": {
        **COMMON,
        "parent": (None, False),  # it has none
        "architecture": ({"layers": 3}, True),
        "settings": ({"steps": 3}, True),
        "corpus": ((OTHER,), True),
        "world": ({"seed": 1}, True),
    },
    "Training": {
        **COMMON,
        **STARTS,
        "parent": (dataclasses.replace(STAGES["Pretraining"], settings={"steps": 9}), True),
        "learns": ((STAGES["StageTask"],), True),
        "continues_head": (True, True),
        "seed": (1, True),
        "volume": (0.25, True),
        "volume_steps": ("whole", True),
        "sampling": (Sampling("uniform"), True),
        "translated": (None, True),
        "mlm": (None, True),
        "placebo": (True, True),
        "longer": (dataclasses.replace(STAGES["Training"], seed=9), True),
        "callbacks": ({"mine": {"_target_": "own.Callback"}}, True),
    },
    "Evaluation": {
        **COMMON,
        **STARTS,
        "parent": (STAGES["Training"], True),
        "target": (dataclasses.replace(STAGES["Target"], name="other"), True),
        "test": (OTHER, True),
        "settings": ({"max_length": 1}, True),
        "dev": (OTHER, True),
        "candidates": (OTHER, True),
        "oracle": (True, True),
        "shots": (FewShot(Shots(5), STAGES["StageTask"]), True),
        "seed": (1, False),  # of the trainings on shots alone; test_the_seed_of_trainings_on_shots_is_keyed
    },
    "Selected": {
        **COMMON,
        "parent": (dataclasses.replace(STAGES["Training"], seed=9), True),
        "rule": ("average", True),
    },
    "Merged": {
        **COMMON,
        "parent": (None, False),  # it has several
        "merged": ((STAGES["Training"], dataclasses.replace(STAGES["Training"], seed=9)), True),
        "how": (Merge("ties", 0.9, 0.2), True),
    },
    "Floors": {
        **COMMON,
        "parent": (None, False),  # it has none
        "target": (dataclasses.replace(STAGES["Target"], metric="pos_f1"), True),
        "train": ((OTHER,), True),
        "test": (OTHER, True),
        "candidates": (OTHER, True),
        "settings": ({"right_type": "F1"}, True),
    },
    "StageTask": {
        "task": (dataclasses.replace(STAGES["StageTask"].task, head="choice"), True),
        "train": ((OTHER,), True),
        "dev": ((OTHER,), True),
        "settings": ({"first_token": "content"}, True),
    },
    "Translated": {
        "options": (Translation("synthetic", mode="add"), True),
        "rows": (((OTHER,),), True),
    },
    "MixedMlm": {
        "options": (Mlm(2.0), True),
        "languages": (("en",), True),
        "rows": (OTHER, False),  # the content of its rows is
        "content": ({"en": "2"}, True),
    },
    "FewShot": {
        "options": (Shots(6), True),
        "task": (dataclasses.replace(STAGES["StageTask"], train=(OTHER,)), True),
        "english": ((OTHER,), True),
    },
    "Origin": {
        "id": ("c/d", True),
        "revision": ("2", True),
        "path": ("/elsewhere", False),
        "files": ({"config.json": "1"}, False),  # of an encoder without an id; test_a_folder_is_known_by_its_files
        "shipped": (True, False),
        "layers": (6, True),
    },
}


def identity_of(part: Any) -> Any:
    return part.identity if isinstance(part, Stage) else part.identity()


def test_the_order_of_what_is_merged_is_not_keyed() -> None:
    merged = STAGES["Merged"]
    assert dataclasses.replace(merged, merged=merged.merged[::-1]).key == merged.key
    assert [stage.kind for stage in merged.chain()] == ["pretrain", "train", "select", "merge"], "each once"


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_keyed_or_named_as_not_keyed(name: str) -> None:
    part = STAGES[name]
    assert {field.name for field in dataclasses.fields(part)} == set(FIELDS[name])
    for field, (value, keyed) in FIELDS[name].items():
        more = {"origin": None} if (name, field) == ("Evaluation", "parent") else {}
        more |= {"parent": None} if (name, field) == ("Training", "origin") else {}
        changed = dataclasses.replace(part, **{field: value}, **more)
        assert changed != part or field == "parent", field
        assert (identity_of(changed) != identity_of(part)) == keyed, field


def test_a_folder_is_known_by_its_files() -> None:
    one, other = (Origin(path="/a", files={"config.json": digest}) for digest in "12")
    assert one.identity() != other.identity()
    assert one.identity() == dataclasses.replace(one, path="/b").identity()


def test_settings_of_mlm_and_of_a_recipe_are_keyed() -> None:
    """Each of their fields; what a source stands for is told by the content of its rows."""
    assert set(Mlm(1.0).identity()) == {field.name for field in dataclasses.fields(Mlm)} - {"source", "languages"}
    recipe = dataclasses.replace(RECIPE, freeze=1, lora=4)
    assert set(recipe.identity()) == {field.name for field in dataclasses.fields(Recipe)}
    selects = {"eval_every", "patience", "dev_rows"}
    assert set(dataclasses.replace(RECIPE, selection="last").identity()) == set(recipe.identity()) - selects - {
        *("freeze", "lora")
    }


def test_the_seed_of_trainings_on_shots_is_keyed() -> None:
    few = dataclasses.replace(STAGES["Evaluation"], shots=STAGES["FewShot"], seed=0)
    assert dataclasses.replace(few, seed=1).key != few.key
    keyed = set(Shots(5).identity())
    assert keyed == {field.name for field in dataclasses.fields(Shots)} - {"epochs", "learning_rate"}, (
        "a recipe has those"
    )


def test_the_content_of_rows_is_what_is_keyed_of_them() -> None:
    part, (train,) = STAGES["StageTask"], STAGES["StageTask"].train
    others = {"split": "test", "languages": ("sw",), "data": DataSpec("hub", "/a"), "spec": XNLI}
    others["translations"] = {"sw": Path("/a/sw.jsonl")}
    assert {field.name for field in dataclasses.fields(train)} == {*others, "content"}
    for field, value in others.items():
        changed = dataclasses.replace(part, train=(dataclasses.replace(train, **{field: value}),))
        assert changed.identity() == part.identity(), field
    changed = dataclasses.replace(part, train=(dataclasses.replace(train, content={"content": "other"}),))
    assert changed.identity() != part.identity()


def test_a_stage_starts_from_one_encoder() -> None:
    training = STAGES["Training"]
    with pytest.raises(AssertionError, match="from a parent or from outside"):
        dataclasses.replace(training, origin=Origin("a/b"))
    with pytest.raises(AssertionError, match="not drawn anew"):
        dataclasses.replace(training, parent=training, fresh_weights=True)


# --- what stages read -------------------------------------------------------------------------------------------------


def sources(node: object) -> Iterator[Mapping[str, Any]]:
    """The contents of rows of the hub in an identity."""
    if isinstance(node, Mapping):
        if node.get("kind") == "hub" and "rows" in node:
            yield node
            return
        node = list(node.values())
    for child in node if isinstance(node, list | tuple) else ():
        yield from sources(child)


@pytest.mark.parametrize(
    "arguments",
    [
        ("+intermediate=[mnli,squad_v2]", "+target=xnli", "recipe.intermediate.selection=best"),
        ("+intermediate=mnli", "+target=xcopa", "mlm.weight=1"),
        ("+intermediate=mnli", "+target=xquad", "translation=facebook/xnli", "translation.languages=[de,sw]"),
        ("+target=mewsli_x",),
        ("+target=bucc2018", "bitext.threshold=test"),
        ("+target=tatoeba", "model=mini", "model.corpus=[mnli,xnli]"),
        ("+target=xnli", "shots.k=5"),
        ("+target=panx", "shots.k=5", "shots.arm=replay"),
    ],
)
def test_what_decides_a_key_is_what_a_stage_reads(arguments: tuple[str, ...]) -> None:
    planned = plan(
        cell_of("model=xlmr_base", "data=hub", "data.root=null", "recipe=phang2020", "trainer=cpu", *arguments)
    )
    for stage in planned.stages():
        keyed, read = list(sources(stage.identity)), stage.reads()
        contents = [own.content for own in read if own.content is not None]
        assert all(content in contents for content in keyed), stage.label
        assert all(content in keyed for content in contents), stage.label
        assert keyed, stage.label
        for own in read:
            if own.content is not None:
                assert own.content["dataset"] == own.spec.name
                assert (own.content["split"], tuple(own.content["languages"])) == (own.split, own.languages)


# --- nobody reads the identity ----------------------------------------------------------------------------------------

FULL = (
    "+intermediate=[mnli,squad_v1]",
    "+target=xcopa",
    "mlm.weight=0.5",
    "translation=synthetic",
    "volume=0.5",
    "volume_steps=whole",
    "sampling.kind=uniform",
    "recipe.target.selection=best",
    "evaluation.random_init=true",
)


OF_THE_CELL = {"trainer", "callbacks", "data", "on_damage", "recipe_name", "options", "evaluation", "model"}
"""What a stage is made with that it does not say itself: the machine, callbacks (those that may change a training it
does say), the data, the recipe's name, and the options that make features and answers, of which a format says in a
stage's ``settings`` what is keyed."""


class Looked(Exception):
    """Somebody has looked at the identity of a stage."""


def test_no_module_looks_into_an_identity() -> None:
    """But for the one that makes it, and the one that says of its parts whether they are those of another cell."""
    pattern = re.compile(r"\.identity(\(\))?(\[|\.get\b)|\bin [\w.]*\.identity\b")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "stilts_xtreme").rglob("*.py"))
        if path != ROOT / "stilts_xtreme" / "cell" / "identity.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line)
    ]
    assert found == []


MERGED = ("+intermediate=[mnli,squad_v1]", "+target=tatoeba", "merge=ties")


@pytest.mark.parametrize("arguments", [FULL, MERGED], ids=["joint", "merged"])
def test_stages_are_made_from_their_fields(
    arguments: tuple[str, ...], pretrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell is estimated and made with identities that nobody may look at; what is read is keyed or named."""
    from stilts_xtreme.training.train import make

    cell = cell_of(*TINY, f"output={pretrained}", *arguments)
    planned = plan(cell)
    store = Store(pretrained)
    made = {stage.key: store.path(stage.key) for stage in planned.stages() if store.done(stage.key)}
    assert len(made) == 1, "the pretraining"

    def look(_: Stage) -> Any:
        raise Looked

    read: dict[str, set[str]] = {}

    def record(stage: Any, name: str) -> Any:
        if name in {field.name for field in dataclasses.fields(type(stage))}:
            read.setdefault(type(stage).__name__, set()).add(name)
        return object.__getattribute__(stage, name)

    for kind in (Pretraining, Training, Selected, Merged, Evaluation, Floors):
        monkeypatch.setattr(kind, "identity", property(look))
        monkeypatch.setattr(kind, "__getattribute__", record)
    with pytest.raises(Looked):
        _ = planned.final.identity
    assert all(seconds > 0 for _, seconds in estimate([(cell, stage) for stage in planned.stages()], store))
    assert all(flops(cell, stage) + besides(stage) > 0 for stage in planned.stages())
    read.clear()
    others = {field.name for field in dataclasses.fields(Cell)} - OF_THE_CELL
    bare = dataclasses.replace(cell, **dict.fromkeys(others))
    for stage in planned.stages():
        if stage.key not in made:
            scratch = made[stage.key] = pretrained / "made" / stage.key
            scratch.mkdir(parents=True)
            make(bare, stage, made.__getitem__, scratch, lambda _: None)
            assert list(scratch.iterdir())
    for kind, names in read.items():
        free = {name for name, (_, keyed) in FIELDS[kind].items() if not keyed}
        assert names & free <= {"label", "phase", "parent"}, "a label to show, and the name of the option that is wrong"
    used = {"learns", "seed", "volume", "volume_steps", "sampling", "translated", "mlm", "continues_head", "precision"}
    assert read["Training"] >= (used if arguments is FULL else used - {"sampling"})
    assert arguments is FULL or read["Merged"] >= {"merged", "how"}


def test_what_to_fetch_is_told_by_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of("+intermediate=mnli", "+target=xnli", "model=xlmr_base", "data=hub", "data.root=null", "trainer=cpu")
    before = Needs()
    before.add(cell, tmp_path)
    for kind in (Training, Evaluation, Floors):
        monkeypatch.setattr(kind, "identity", property(lambda stage: {"label": stage.label}))
    after = Needs()
    after.add(cell, tmp_path)
    assert after == before
    assert {repo.id for repo in after.repos} == {"FacebookAI/xlm-roberta-base", "nyu-mll/glue", "facebook/xnli"}


# --- planned once -----------------------------------------------------------------------------------------------------


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A name of each cell that is planned, in order."""
    found: list[str] = []
    original = planning_of_cells.pretraining

    def counted(cell: Any) -> Any:
        found.append(f"{'+'.join(cell.intermediate)} > {cell.target.name}")
        return original(cell)

    monkeypatch.setattr(planning_of_cells, "pretraining", counted)
    return found


CELL = (*TINY, "+target=tatoeba")


def test_a_cell_is_planned_once(outputs: Path, plans: list[str]) -> None:
    config = composed(*CELL, f"output={outputs}")
    result = run(config)
    assert plans == [" > tatoeba"]
    session = Session()
    session.ran(config, result)
    session.find(config)  # as the sweeper does after a launcher of Hydra's own
    assert [found["cell"] for found in session.results] == [result["cell"]]
    assert len(plans) == 1


def test_a_sweep_hands_its_plans_on(outputs: Path, plans: list[str]) -> None:
    configs = [composed(*CELL, f"output={outputs}"), composed(*CELL, "+intermediate=mnli", f"output={outputs}")]
    planned = [planning.planned_cell(config) for config in configs]
    graph = build(planned, Store(outputs))
    for node in graph.nodes.values():
        sent = pickle.loads(pickle.dumps(node))  # as to a worker
        if node.planned is not None:
            assert [stage.key for stage in sent.planned.stages()] == list(node.parents)
        worker.make(sent, ())
    assert plans == [" > tatoeba", "mnli > tatoeba"]
    assert sum(node.kind == "cell" for node in graph.nodes.values()) == 2


def test_a_job_of_a_cluster_plans_a_configuration_once(outputs: Path, tmp_path: Path, plans: list[str]) -> None:
    config = composed(*CELL, f"output={outputs}")
    entry = planning.planned_cell(config)
    graph = build([entry], Store(outputs))
    (tmp_path / "graph.json").write_text(json.dumps(record.describe("sweep", graph, [entry], [])), encoding="utf-8")
    name = job.keep_config(tmp_path, config)
    plans.clear()
    rebuilt = [job.rebuild(tmp_path, id_, name, False) for id_ in graph.nodes]
    assert {node.sweep for node in rebuilt} == {tmp_path.name}, "by which loggers group"
    assert len(rebuilt) > 2
    assert plans == [" > tatoeba"]
    assert rebuilt[-1].planned is not None
    assert [stage.key for stage in rebuilt[-1].planned.stages()] == list(rebuilt[-1].parents)

"""Keys: which option makes which stage another one, and what cells share."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from support.cells import ROOT, cell_of, composed

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.config.phases import passed_over
from stilts_xtreme.cell.estimate import estimate, flops
from stilts_xtreme.cell.identity import identity_of
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.python import plan as planned
from stilts_xtreme.cell.result import about, name_of
from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands.plan import main
from stilts_xtreme.core import compose
from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.core.stage import Evaluation, Pretraining, Stage, Training
from stilts_xtreme.report.benchmark.averages import load as load_benchmark


@pytest.fixture(scope="module", autouse=True)
def _loaded_once() -> Iterator[None]:
    """Hydra reads each file of the configuration once for the whole module."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="stilts_xtreme"):
        yield


CELL = ("+intermediate=mnli", "+target=xnli", "trainer=cpu", "model.shipped=null")
ORDER = ("pretraining", "intermediate", "target", "evaluation")


@cache
def keys(*arguments: str) -> dict[str, str]:
    """Keys of a cell's own chain by phase; a target of several trainings gives its last one."""
    found = {}
    for stage in plan(cell_of(*arguments)).final.chain():
        found[stage.phase] = stage.key
    return found


def first_changed(base: tuple[str, ...], *change: str) -> str | None:
    """The first phase whose key a change makes another; every later one must change with it."""
    before, after = keys(*base), keys(*base, *change)
    changed = [phase for phase in ORDER if phase in before and before[phase] != after[phase]]
    present = [phase for phase in ORDER if phase in before]
    assert changed == (present[present.index(changed[0]) :] if changed else [])
    return changed[0] if changed else None


RECIPE: dict[str, tuple[str, bool]] = {
    "learning_rate": ("0.01", True),
    "epochs": ("9", True),
    "max_steps": ("7", True),
    "batch_size": ("5", True),
    "warmup_ratio": ("0.3", True),
    "warmup_steps": ("3", True),
    "weight_decay": ("0.2", True),
    "adam_epsilon": ("1e-5", True),
    "max_grad_norm": ("2.0", True),
    "max_length": ("77", True),
    "stride": ("17", True),
    "max_query_length": ("19", True),
    "dropout": ("0.33", True),
    "freeze": ("1", True),
    "lora": ("4", True),
    "selection": ("best", True),
    # without selection they change no weights
    "eval_every": ("3", False),
    "patience": ("3", False),
    "dev_rows": ("33", False),
}

MLM = {
    **{"languages": "[qab]", "batch_size": "5", "max_length": "55", "mask_probability": "0.3"},
    **{"exponent": "1", "max_texts": "9"},
}
TRANSLATION = {"languages": "[qab]", "mode": "add", "config": "'x.{lang}'", "revision": "abc"}
SHOTS = {"draw": "1", "arm": "replay", "epochs": "3", "learning_rate": "1e-4"}  # with some: test_shots_of_a_cell
VERDICTS: dict[str, tuple[tuple[str, ...], str | None]] = {
    # option -> (what changes it, the first phase whose key changes)
    "model.name": (("model.name=other",), None),
    "model.id": ((), None),  # test_encoder_from_outside
    "model.path": ((), None),  # test_encoder_from_outside
    "model.revision": ((), None),  # test_encoder_from_outside
    "model.corpus": ((), None),  # test_corpus
    "model.shipped": ((), None),  # test_shipped
    "model.licence": (("model.licence=mit",), None),
    "model.layers": ((), None),  # test_lowest_layers
    "model.languages": (
        ("model.languages=[qaa]",),
        "pretraining",
    ),  # of an encoder from outside: test_encoder_from_outside
    "model.root": (("model.root=.",), None),  # test_folder_of_encoders
    "model.weights": (("model.weights=random",), "intermediate"),
    "model.retrieval_layer": (("model.retrieval_layer=1",), None),  # also test_settings_of_one_format
    "data.kind": ((), None),  # test_dataset_fields, test_corpus
    "data.root": (("data.root=.",), None),  # test_rows_by_digest
    "data.bad_rows": (("data.bad_rows=refuse",), "intermediate"),
    "data.world.seed": (("++data.world.seed=9",), "pretraining"),
    "data.world.languages": (("++data.world.languages=5",), "pretraining"),
    "data.world.train": (("++data.world.train=99",), "intermediate"),
    "data.world.validation": (("++data.world.validation=99",), None),  # test_settings_of_selection
    "data.world.test": (("++data.world.test=99",), "evaluation"),
    "data.world.sentences": (("++data.world.sentences=999",), "pretraining"),
    "data.world.mixed": (("++data.world.mixed=7",), "pretraining"),
    "data.world.candidates": (("++data.world.candidates=7",), None),  # also test_settings_of_one_format
    "recipe.name": (("recipe.name=other",), None),
    "recipe.source": (("recipe.source=other",), None),
    "recipe.sources": (("+recipe.sources.other=own",), None),
    "recipe.shots_rate": (("recipe.shots_rate=1e-4",), None),  # test_shots_of_a_cell
    "recipe.intermediate.tasks": (("+recipe.intermediate.tasks.mnli.epochs=9",), "intermediate"),
    "recipe.target.tasks": (("+recipe.target.tasks.xnli.epochs=9",), "target"),
    **{
        f"recipe.{phase}.{name}": ((f"recipe.{phase}.{name}={value}",), phase if keyed else None)
        for phase in ("intermediate", "target")
        for name, (value, keyed) in RECIPE.items()
    },
    "trainer.accelerator": (("trainer.accelerator=auto",), None),
    "trainer.precision": (("trainer.precision=bf16-mixed",), "intermediate"),
    "trainer.devices": ((), None),  # only 1 is accepted
    "trainer.threads": (("trainer.threads=3",), None),
    "trainer.micro_batch_tokens": (("trainer.micro_batch_tokens=99",), None),
    "trainer.accumulation": (("trainer.accumulation=2",), None),
    "trainer.gradient_checkpointing": (("trainer.gradient_checkpointing=true",), None),
    "trainer.packing": (("trainer.packing=false",), None),
    "trainer.compact_embedding": (("trainer.compact_embedding=false",), None),
    "trainer.checkpoint_seconds": (("trainer.checkpoint_seconds=1",), None),
    "trainer.progress": (("trainer.progress=false",), None),
    "trainer.extra": (("++trainer.extra.profiler=simple",), None),
    "callbacks": (("++callbacks.mine._target_=own.Callback",), "intermediate"),
    "logger.kind": (("logger=none",), None),
    "seed": (("seed=1",), "intermediate"),
    "control": (("control=placebo",), "intermediate"),
    "volume": (("volume=0.5",), "intermediate"),
    "volume_steps": (("volume_steps=whole",), None),  # test_steps_of_a_volume
    "sampling.kind": (("sampling.kind=uniform",), None),  # test_sampling_of_a_joint_training
    "sampling.temperature": (("sampling.temperature=5",), None),
    "sampling.cap": (("sampling.cap=5",), None),
    "merge.method": (("merge=mean",), None),  # test_merged
    "merge.scale": (("merge=ties", "merge.scale=0.5"), None),
    "merge.density": (("merge=ties", "merge.density=0.5"), None),
    "mlm.weight": (("mlm.weight=0.5",), "intermediate"),
    "mlm.source": ((), None),  # test_mlm
    **{f"mlm.{name}": ((f"mlm.{name}={value}",), None) for name, value in MLM.items()},  # without a weight
    "translation.source": (("translation=synthetic",), "intermediate"),
    **{f"translation.{name}": ((f"translation.{name}={value}",), None) for name, value in TRANSLATION.items()},
    "languages": (("languages=[qab]",), "evaluation"),
    "baseline": (("baseline=false",), None),
    "output": (("output=elsewhere",), None),
    "evaluation.n_best": (("evaluation.n_best=3",), None),
    "evaluation.max_answer_length": (("evaluation.max_answer_length=3",), None),
    "evaluation.null_threshold": (("evaluation.null_threshold=3",), None),
    "evaluation.floors": (("evaluation.floors=false",), None),  # a stage of their own
    "evaluation.rules": (("evaluation.rules=[best]",), "target"),  # a training that keeps all its evaluation points
    "evaluation.translate_test": ((), None),  # test_translated_tests
    "evaluation.random_init": (("evaluation.random_init=false",), None),  # test_random_init_is_one_more_chain
    "tagging.first_token": (("tagging.first_token=content",), None),
    "retrieval.layer": (("retrieval.layer=1",), None),
    "retrieval.pooling": (("retrieval.pooling=cls",), None),
    "retrieval.sweep": (("retrieval.sweep=layers",), None),
    "bitext.threshold": (("bitext.threshold=1.1",), None),  # test_settings_of_one_format
    **{f"shots.{name}": ((f"shots.{name}={value}",), None) for name, value in SHOTS.items()},  # without any
    "shots.k": (("shots.k=5",), "evaluation"),
    "store.damaged": (("store.damaged=retrain",), None),
    "store.weights": (("store.weights=needed",), None),
    "sweep.objective": (("sweep.objective=test",), None),
    "intermediate.mnli.head": (("intermediate.mnli.head=choice",), "intermediate"),
    "intermediate.mnli.metric": ((), None),  # classification has one; test_settings_of_selection
    "intermediate.mnli.datasets": (("intermediate.mnli.datasets=[snli]",), "intermediate"),
    "target.name": (("target.name=other",), "evaluation"),  # the name of the folder of predictions
    "target.head": (("target.head=choice",), "target"),
    "target.metric": ((), None),  # classification has one; test_settings_of_one_format
    "target.train": (("target.train=[snli]",), "target"),
    "target.test": (("target.test=paws_x",), "evaluation"),
    "target.languages": (("target.languages=[en]",), None),  # of the real data; test_languages_of_real_data
}


def leaves(node: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, value in node.items():
        if (
            isinstance(value, dict) and value and name not in ("tasks", "sources")
        ):  # what a recipe says of single tasks is one option
            found += leaves(value, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def verdict_of(option: str) -> tuple[tuple[str, ...], str | None]:
    if option.startswith(("model.architecture.", "model.pretraining.")):  # whatever they hold makes the encoder
        other = {"model_type": "roberta", "flops": "1e10"}.get(option.rpartition(".")[2], 64)
        return (f"{option}={other}",), "pretraining"
    return VERDICTS[option]


OPTIONS = [option for option in leaves(composed(*CELL)) if not option.startswith(("dataset.", "benchmark."))]


def test_every_option_has_a_verdict() -> None:
    declared = {option for option in OPTIONS if not option.startswith(("model.architecture.", "model.pretraining."))}
    assert declared - set(VERDICTS) == set(), "say of a new option whether it is part of a key"
    assert set(VERDICTS) - declared == set()
    assert set(RECIPE) == {field.name for field in dataclasses.fields(Recipe)}


@pytest.mark.parametrize("option", OPTIONS)
def test_key_of_option(option: str) -> None:
    change, phase = verdict_of(option)
    if change:
        assert first_changed(CELL, *change) == phase


@pytest.mark.parametrize(
    ("target", "option", "phase"),
    [
        ("udpos", "tagging.first_token=content", "target"),
        ("xquad", "target.metric=mlqa", "evaluation"),
        ("xquad", "evaluation.n_best=3", "evaluation"),
        ("xquad", "evaluation.max_answer_length=3", "evaluation"),
        ("xquad", "evaluation.null_threshold=1.5", "evaluation"),
        ("xquad", "tagging.first_token=content", None),
        ("xquad", "retrieval.pooling=cls", None),
        ("tatoeba", "retrieval.layer=1", "evaluation"),
        ("tatoeba", "retrieval.pooling=cls", "evaluation"),
        ("tatoeba", "retrieval.sweep=layers", "evaluation"),
        ("tatoeba", "retrieval.sweep=null", None),
        ("lareqa", "retrieval.sweep=layers", None),
        ("lareqa", "recipe.target.max_query_length=9", "target"),
        ("lareqa", "++data.world.candidates=3", "evaluation"),
        ("mewsli_x", "++data.world.candidates=1", "evaluation"),
        ("tatoeba", "model.retrieval_layer=1", "evaluation"),
        ("tatoeba", "model.weights=random", "evaluation"),
        ("tatoeba", "recipe.target.max_length=99", "evaluation"),
        ("tatoeba", "recipe.target.epochs=99", None),
        ("tatoeba", "evaluation.n_best=3", None),
        ("tatoeba", "bitext.threshold=1.1", None),
        ("bucc2018", "bitext.threshold=1.1", "evaluation"),
        ("bucc2018", "retrieval.layer=1", "evaluation"),
        ("bucc2018", "++data.world.validation=99", "evaluation"),
        ("udpos", "recipe.target.max_length=99", "target"),
    ],
)
def test_settings_of_one_format(target: str, option: str, phase: str | None) -> None:
    assert first_changed((f"+target={target}", "trainer=cpu"), option) == phase


@pytest.mark.parametrize(
    ("task", "option", "keyed"),
    [
        ("mnli", "recipe.intermediate.eval_every=3", True),
        ("mnli", "recipe.intermediate.patience=3", True),
        ("mnli", "recipe.intermediate.dev_rows=33", True),
        ("squad_v1", "intermediate.squad_v1.metric=mlqa", True),
        ("mnli", "++data.world.validation=99", True),
        ("mnli", "evaluation.n_best=3", False),
        ("squad_v1", "evaluation.n_best=3", True),
        ("squad_v1", "evaluation.max_answer_length=3", True),
        ("squad_v2", "evaluation.null_threshold=1.5", True),
    ],
)
def test_settings_of_selection(task: str, option: str, keyed: bool) -> None:
    base = (f"+intermediate={task}", "recipe.intermediate.selection=best", "trainer=cpu")
    assert first_changed(base, option) == ("intermediate" if keyed else None)


def test_encoder_from_outside(tmp_path: Path) -> None:
    hub = ("model=custom", "model.id=owner/name", "+target=xnli", "trainer=cpu")
    assert first_changed(hub, "model.id=owner/other") == "target"
    assert first_changed(hub, "model.revision=abc") == "target"
    assert first_changed(hub, "model.name=other") is None
    assert first_changed(hub, "model.languages=[en]") is None, "what it has read, it has read"
    for folder, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
        (tmp_path / folder / "model.safetensors").write_bytes(weights)
        (tmp_path / folder / "notes.log").write_text(folder)
    same, moved, other = (keys(f"model={tmp_path / name}", "+target=xnli", "trainer=cpu") for name in "abc")
    assert same == moved != other


def folder_with(root: Path, name: str, layers: int = 12) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(f'{{"num_hidden_layers": {layers}}}')
    (folder / "model.safetensors").write_bytes(b"1")
    return folder


def test_lowest_layers(tmp_path: Path) -> None:
    """They are keyed where they are set, and nothing else of the identity changes by them."""
    hub = ("model=xlmr_large", "+target=tatoeba", "trainer=cpu", "data.root=null", "evaluation.random_init=true")
    assert first_changed(hub, "model.layers=6") == "evaluation"
    assert first_changed((*hub, "model.layers=6"), "model.layers=7") == "evaluation"
    whole, cut = plan(cell_of(*hub)), plan(cell_of(*hub, "model.layers=12"))
    assert isinstance(whole.final, Evaluation)
    assert isinstance(cut.final, Evaluation)
    assert cut.random is not None
    assert cut.final.identity["parent"] == {**whole.final.identity["parent"], "layers": 12}
    assert cut.random.identity["parent"] == cut.final.identity["parent"]
    layers = whole.final.settings["layer"], cut.final.settings["layer"]
    assert layers == (14, None), "14 of 24 are no 14 of 12"
    assert identity_of(whole)["encoder"] != identity_of(cut)["encoder"]
    assert flops(cut.cell, cut.final) == flops(whole.cell, whole.final) / 2
    assert name_of(cut.cell, cut).startswith("xlmr_large-12-none-")
    assert about(cut.cell, cut, "x")["model"] == "xlmr_large/12"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("model.layers=0",), "whole number"),
        (("model.layers=6.5",), "whole number"),
        (("model.layers=13",), "has 12 layers; take 1 to 12"),
        (("model.layers=6", "retrieval.layer=7"), "keeps the layers up to 6"),
        (("model.layers=6", "recipe.target.freeze=6", "+target=xnli"), "6 layers, of which one at least is trained"),
        (("model=mini_s", "model.layers=1"), "model.architecture.num_hidden_layers=1"),
    ],
)
def test_layers_that_are_not_there(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    folder_with(tmp_path, "owner/name")
    model = ("model=custom", "model.id=owner/name", f"model.root={tmp_path}")
    target = () if "+target=xnli" in options else ("+target=tatoeba",)
    with pytest.raises(StiltsError, match=words):
        plan(cell_of(*(() if "model=mini_s" in options else model), *target, *options))


def test_folder_of_encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder is taken from a folder of encoders, and known by its files there."""
    folder = folder_with(tmp_path, "intfloat/multilingual-e5-small")
    base = ("+target=xnli", "trainer=cpu", "data.root=null")
    by_option = cell_of(*base, "model=me5_small", f"model.root={tmp_path}")
    assert (by_option.model.path, by_option.model.id) == (str(folder), None)
    monkeypatch.setenv("STILTS_ENCODER_ROOT", str(tmp_path))
    by_variable = cell_of(*base, "model=me5_small")
    assert by_variable.model == by_option.model
    assert keys(*base, "model=me5_small") == keys(*base, f"model={folder}")
    other = cell_of(*base, "model=xlmr_base").model
    assert (other.path, other.id) == (None, "FacebookAI/xlm-roberta-base"), "it is not in the folder"
    monkeypatch.setenv("STILTS_ENCODER_ROOT", str(tmp_path / "none"))
    with pytest.raises(StiltsError, match=r"model.root=.* is refused: it is not a folder"):
        cell_of(*base, "model=me5_small")


def test_corpus() -> None:
    cell = ("+intermediate=mnli", "+target=xnli", "trainer=cpu", "data=hub", "data.root=null")
    assert first_changed(cell, "model.corpus=[panx]") == "pretraining"
    assert first_changed(cell, "model.corpus=[mnli,xnli]") is None, "auto is the text of the target's data sets"
    assert first_changed(cell, "model.corpus=[xnli,mnli]") is None, "in whatever order"
    assert keys(*cell)["pretraining"] != keys(*CELL)["pretraining"]
    assert first_changed(CELL, "model.corpus=synthetic") is None
    with pytest.raises(StiltsError, match="data=hub"):
        plan(cell_of(*CELL, "model.corpus=xnli"))


def test_languages_of_a_pretraining() -> None:
    """They choose the text, whatever their order; those that it does not have are refused."""
    some = first_changed(CELL, "model.languages=[qaa,qac]")
    assert some == "pretraining"
    assert first_changed((*CELL, "model.languages=[qaa,qac]"), "model.languages=[qac,qaa,qac]") is None
    assert first_changed((*CELL, "model.languages=[qaa,qac]"), "model.languages=[qaa,qab]") == "pretraining"
    shipped = plan(cell_of("model=mini", "+target=xnli", "trainer=cpu")).final.chain()[0]
    read = plan(cell_of("model=mini", "+target=xnli", "trainer=cpu", "model.languages=[qaa]")).final.chain()[0]
    assert (shipped.kind, read.kind) == ("train", "pretrain"), "the shipped encoder has read all languages"
    assert (
        identity_of(plan(cell_of(*CELL)))["encoder"]
        != identity_of(plan(cell_of(*CELL, "model.languages=[qaa]")))["encoder"]
    )
    hub = ("+target=xnli", "model=mini", "trainer=cpu", "data=hub", "data.root=null")
    first = plan(cell_of(*hub, "model.languages=[de,sw]")).final.chain()[0]
    assert isinstance(first, Pretraining)
    assert {language for rows in first.corpus for language in rows.languages} == {"de", "sw"}
    for asked in ("[qaa,qax]", "[qaa,qah]", "cc100", "[]"):  # qah has no text
        with pytest.raises(StiltsError, match=r"model\.languages"):
            plan(cell_of(*CELL, f"model.languages={asked}"))


DATASET: dict[str, tuple[str, bool]] = {
    "name": ("other", True),
    "format": ("choice ~dataset.mnli.columns", True),
    "id": ("owner/other", True),
    "config": ("other", True),
    "revision": ("abc", True),
    "splits": ("{train: other, validation: null, test: null}", True),
    "columns": ("{text_a: hypothesis, text_b: premise, label: label}", True),
    "labels": ("[neutral, entailment, contradiction]", True),
    "label_values": ("{zero: neutral}", True),
    "languages": ("[en, de]", False),  # the languages of a stage are its own
    "codes": ("{en: english}", True),
    "sources": ("{en: {id: owner/third}}", True),
    "counts": ("{train: 5}", False),
    "reader": ("copa", True),
    "blind": ("[]", False),
    "dev": ("{split: train, fraction: 0.1}", True),
    "unanswerable": ("true", False),  # what may be refused, not what is read
    "notes": ("other", False),
    "licence": ("mit", False),
    "source_language": ("de ++dataset.mnli.languages=[en,de]", True),
    "files": (f"{{train: '{ROOT}/pyproject.toml'}}", True),  # of own files only their content counts
    "folder": ("/tmp", False),
    "parallel": ("true", False),
    "language_column": ("lang", False),  # of own files alone
    "shots": ("validation", False),  # what is drawn from it is keyed
}


def test_dataset_fields_have_verdicts() -> None:
    assert set(DATASET) == {field.name for field in dataclasses.fields(DatasetSpec)}


@pytest.mark.parametrize("name", DATASET)
def test_dataset_fields(name: str) -> None:
    value, keyed = DATASET[name]
    base = ("+intermediate=mnli", "model=xlmr_base", "trainer=cpu", "data.root=null")
    changes = f"++dataset.mnli.{name}={value}".replace(" ~", "\n~").replace(" ++", "\n++").split("\n")
    assert first_changed(base, *changes) == ("intermediate" if keyed else None)


def test_languages_of_real_data() -> None:
    base = ("+target=xnli", "model=xlmr_base", "trainer=cpu", "data.root=null")
    assert first_changed(base, "target.languages=[en,de]") == "evaluation"
    assert first_changed(base, "languages=[de]") == "evaluation"
    assert first_changed(base, "benchmark=xtreme-r") is None  # the same 15 languages
    assert first_changed(("+target=tatoeba", *base[1:]), "benchmark=xtreme-r") == "evaluation"
    assert plan(cell_of(*base, "languages=[de,de,en]")).final.languages == ("de", "en")


@pytest.mark.parametrize("name", ["xtreme", "xtreme-r", "beyond"])
def test_a_benchmark_has_the_languages_that_its_cells_are_evaluated_in(name: str) -> None:
    benchmark = load_benchmark(name)
    for task in benchmark.tasks.values():
        if task.name in compose.choices("target"):
            cell = cell_of(
                f"+target={task.name}", "data=hub", "data.root=null", f"benchmark={name}", "bitext.threshold=1"
            )
            assert cell.target is not None
            assert (cell.target.languages or cell.target.test.languages, cell.target.head) == (
                task.languages, task.format,
            )  # fmt: skip
            assert plan(cell).final.languages == task.languages


def stages(*arguments: str) -> list[Stage]:
    return plan(cell_of(*arguments, "trainer=cpu")).stages()


def test_targets_share_their_training() -> None:
    first, second = ({s.key for s in stages(f"+target={name}") if s.kind == "train"} for name in ("xquad", "mlqa"))
    assert first == second
    assert len(first) == 2, "from the pretrained encoder and from random weights"
    ends = [plan(cell_of(f"+target={name}", "trainer=cpu")).final.key for name in ("xquad", "mlqa")]
    assert len(set(ends)) == 2


def test_intermediate_is_the_targets_training_when_all_is_equal() -> None:
    same = [
        f"recipe.intermediate.{name}=${{recipe.target.{name}}}"
        for name in ("learning_rate", "epochs", "max_steps", "weight_decay", "dropout")
    ]
    alone = "evaluation.random_init=false"
    planned = plan(cell_of(*CELL, *same, alone))
    assert planned.baseline is not None
    assert planned.baseline.chain()[1].key == planned.final.chain()[1].key
    assert len(planned.stages()) == 6
    assert len(plan(cell_of(*CELL, alone)).stages()) == 7


def test_random_init_is_one_more_chain_from_the_same_shape() -> None:
    planned = plan(cell_of(*CELL))
    assert planned.random is not None
    pretrained, trained, evaluated = planned.random.chain()
    assert pretrained.key == planned.final.chain()[0].key
    assert trained.fresh_weights
    # the cell with model.weights=random is the same chain, and has no floor below it
    by_itself = plan(cell_of("+target=xnli", "trainer=cpu", "model.shipped=null", "model.weights=random"))
    assert [stage.key for stage in by_itself.final.chain()] == [pretrained.key, trained.key, evaluated.key]
    assert by_itself.random is None
    assert plan(cell_of("+target=xnli", "trainer=cpu", "model=xlmr_base", "data.root=null")).random is None, "auto"
    asked = ("model=xlmr_base", "data.root=null", "evaluation.random_init=true")
    assert plan(cell_of("+target=xnli", "trainer=cpu", *asked)).random is not None


def test_the_longest_answer_is_that_of_the_data() -> None:
    def longest(*arguments: str) -> int:
        return int(cell_of("+target=xquad", "trainer=cpu", *arguments).evaluation["max_answer_length"])

    hub = ("model=xlmr_base", "data.root=null")
    assert (longest(), longest(*hub)) == (8, 30)
    given = "evaluation.max_answer_length=12"
    assert longest(given) == longest(given, *hub) == 12
    with pytest.raises(StiltsError, match=r"^evaluation\.max_answer_length=automatic .*auto"):
        longest("evaluation.max_answer_length=automatic")


def test_a_trained_format_needs_something_to_train_on() -> None:
    with pytest.raises(StiltsError, match=r"target\.train=\[\] is refused: target\.head=classification is trained"):
        cell_of("+target=xnli", "target.train=[]")
    assert cell_of("+target=tatoeba", "target.train=[]").target is not None


def test_an_option_of_another_choice_is_told_from_a_wrong_name() -> None:
    words = ("+target=panx", "model=stilts_xtreme/models/shipped/mini")  # which brings data=hub
    other = r"option=data\.world\.test is one of another choice of data than this command has; give data=CHOICE too"
    with pytest.raises(StiltsError, match=other):
        planned(*words, "data.world.test=20")
    with pytest.raises(StiltsError, match=r"option=data\.world\.tset is not known .did you mean 'data\.world\.test'"):
        planned(*words, "data.world.tset=20")
    assert planned(*words, "data.world.test=20", "data=synthetic").cell.synthetic


def test_floors_belong_to_the_target_alone() -> None:
    def floors(*arguments: str) -> str:
        stage = plan(cell_of(*arguments, "trainer=cpu")).floors
        assert stage is not None
        return stage.key

    assert floors(*CELL) == floors("+target=xnli", "model=mini_s", "seed=3", "recipe.target.max_steps=5")
    assert floors("+target=xnli") != floors("+target=xnli", "languages=[qab]")
    assert floors("+target=xnli") != floors("+target=xnli", "++data.world.train=99")
    assert plan(cell_of(*CELL, "evaluation.floors=false")).floors is None


def test_order_of_intermediate_tasks_does_not_matter() -> None:
    one, two = (keys(f"+intermediate=[{names}]", "+target=xnli") for names in ("mnli,squad_v1", "squad_v1,mnli"))
    assert one == two


def test_order_of_a_joint_recipe_is_the_phases_own() -> None:
    base = ("+intermediate=[mnli,squad_v1]", "trainer=cpu")
    assert first_changed(base, "+recipe.intermediate.tasks.mnli.learning_rate=0.5") is None
    assert first_changed(base, "+recipe.intermediate.tasks.mnli.max_length=99") == "intermediate"


LATER = ("control", "merge", "tagging", "callbacks", "sweep")
"""Options that configurations of earlier versions lack: those of finished cells, and of jobs in a queue."""


@pytest.mark.parametrize("option", LATER)
def test_a_configuration_of_an_earlier_version_is_still_a_cell(option: str) -> None:
    config = composed("+intermediate=[mnli,squad_v1]", "+target=udpos", "trainer=cpu")
    older = {name: value for name, value in config.items() if name != option}
    assert plan(make_cell(older)).final.key == plan(make_cell(config)).final.key


def test_merging_in_place_of_a_joint_training() -> None:
    base = ("+intermediate=[mnli,squad_v1]", "+target=xnli")
    assert first_changed(base, "merge=mean") == "intermediate"
    assert first_changed((*base, "merge=ties"), "merge.scale=0.5") == "intermediate"
    assert first_changed((*base, "merge=ties"), "merge.density=0.5") == "intermediate"


def test_sampling_of_a_joint_training() -> None:
    base = ("+intermediate=[mnli,squad_v1]", "trainer=cpu")
    assert first_changed(base, "sampling.kind=uniform") == "intermediate"
    assert first_changed(base, "sampling.cap=99") == "intermediate"
    assert first_changed(base, "sampling.temperature=5") is None, "proportional has none"
    assert first_changed((*base, "sampling.kind=temperature"), "sampling.temperature=5") == "intermediate"


@pytest.mark.parametrize("name", MLM)
def test_settings_of_mlm(name: str) -> None:
    assert first_changed((*CELL, "mlm.weight=0.5"), f"mlm.{name}={MLM[name]}") == "intermediate"


@pytest.mark.parametrize("off", ["mlm.weight=0", "mlm.weight=0.0", "mlm.weight=null"])
def test_no_mlm_and_no_translation_leave_a_key_as_it_was(off: str) -> None:
    assert first_changed(CELL, off, "translation=null") is None
    assert first_changed((*CELL, "mlm.weight=1"), "+intermediate.mnli.substitute_for=ccg") is None


def test_mlm_and_translation_are_of_the_intermediate_phase_alone() -> None:
    changes = ("mlm.weight=0.5", "translation=synthetic")
    plain, mixed = (plan(cell_of(*CELL, *more)) for more in ((), changes))
    assert plain.baseline is not None
    assert mixed.baseline is not None
    assert plain.baseline.key == mixed.baseline.key
    assert keys("+target=xnli", "trainer=cpu", *changes) == keys("+target=xnli", "trainer=cpu")
    target = mixed.final.parent
    assert isinstance(target, Training)
    assert (target.mlm, target.translated) == (None, None)
    for name, keyed in (("languages", True), ("mode", True), ("config", False), ("revision", False)):
        changed = first_changed((*CELL, *changes), f"translation.{name}={TRANSLATION[name]}")
        assert changed == ("intermediate" if keyed else None), name


def test_all_of_the_volume_is_all() -> None:
    assert first_changed(CELL, "volume=1.0") is None
    assert first_changed(CELL, "volume=1") == "intermediate", "a single example"


def test_seeds_share_the_pretraining_alone() -> None:
    assert keys(*CELL)["pretraining"] == keys(*CELL, "seed=5")["pretraining"]
    assert first_changed(("+target=tatoeba",), "seed=5") is None


def test_labels_of_a_cell_are_distinct() -> None:
    labels = [(stage.kind, stage.label) for stage in stages(*CELL)]
    assert len(set(labels)) == len(labels) == 9


def test_parents_come_before_children() -> None:
    for arguments in (CELL, ("+target=xcopa",)):
        seen: set[str] = set()
        for stage in stages(*arguments):
            assert stage.parent is None or stage.parent.key in seen
            seen.add(stage.key)
    xcopa = plan(cell_of("+target=xcopa", "model.shipped=null", "trainer=cpu")).final.chain()
    assert [stage.head for stage in xcopa[1:]] == [None, "siqa", "copa"], "COPA's training continues Social IQa's head"


BEYOND = ("americas_nli", "belebele", "masakhaner2", "sib200")
"""Targets that the synthetic world does not have."""


@pytest.mark.parametrize("target", compose.choices("target"))
@pytest.mark.parametrize("intermediate", compose.choices("intermediate"))
def test_every_pair_plans(intermediate: str, target: str) -> None:
    if target in BEYOND:
        with pytest.raises(StiltsError, match=r"The synthetic world has no data set .* give data=hub"):
            cell_of(f"+intermediate={intermediate}", f"+target={target}")
        return
    planned = plan(cell_of(f"+intermediate={intermediate}", f"+target={target}"))
    assert planned.final.kind == "evaluate"
    assert (planned.baseline is None) == (intermediate == "none")


@pytest.mark.parametrize("group", ["model", "recipe", "trainer", "logger", "data", "benchmark"])
def test_every_choice_composes(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stilts_xtreme.cell.config.machine.gpu_visible", lambda: True)
    for choice in compose.choices(group):
        more = ["model.id=owner/name"] if choice == "custom" else []
        cell = cell_of("+intermediate=mnli", "+target=xnli", f"{group}={choice}", *more)
        plan(cell)
        if group == "model":
            small = choice.split("_")[0] == "mini"
            assert cell.data.kind == ("synthetic" if small else "hub")
            assert cell.recipe_name == ("mini" if small else "phang2020")


def test_explicit_data_wins() -> None:
    cell = cell_of("+target=xnli", "model=xlmr_base", "data=synthetic", "recipe=mini")
    assert (cell.data.kind, cell.recipe_name) == ("synthetic", "mini")


def test_rows_by_digest(tmp_path: Path) -> None:
    """Rows in a folder are known by their content, wherever the folder is."""
    import shutil

    import pyarrow as pa
    import pyarrow.parquet as pq

    def place(root: Path, name: str, labels: list[int]) -> None:
        for split in ("train", "validation", "test"):
            folder = root / name / "en"
            folder.mkdir(parents=True, exist_ok=True)
            texts = [f"sentence {n} {split}" for n in range(len(labels))]
            table = {"id": list(range(len(labels))), "sentence1": texts, "sentence2": texts, "label": labels}
            pq.write_table(pa.table(table), folder / f"{split}-00000-of-00001.parquet")

    place(tmp_path / "a", "google-research-datasets/paws-x", [0, 1] * 5)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    place(tmp_path / "c", "google-research-datasets/paws-x", [1, 0] * 5)
    base = ("+target=pawsx", "data=hub", "trainer=cpu")
    one, two, three = (keys(*base, f"data.root={tmp_path / name}") for name in "abc")
    assert one == two
    assert one["target"] != three["target"]


def test_missing_languages_are_named(tmp_path: Path) -> None:
    test_rows_by_digest(tmp_path)
    base = ("+target=pawsx", "data=hub", "trainer=cpu", f"data.root={tmp_path / 'a'}")
    planned = plan(cell_of(*base))
    assert planned.final.languages == ("en",)
    assert planned.missing == ("de", "es", "fr", "ja", "ko", "zh")
    with pytest.raises(StiltsError, match="no test rows for de"):
        plan(cell_of(*base, "languages=all"))
    with pytest.raises(StiltsError, match="no test rows for de"):
        plan(cell_of(*base, "languages=[en,de]"))


def test_estimate_survives_unknown_counts(tmp_path: Path) -> None:
    cell = cell_of(*CELL, f"output={tmp_path}")
    times = estimate([(cell, stage) for stage in plan(cell).stages()], Store(tmp_path))
    assert {source for source, _ in times} == {"estimated"}
    assert all(seconds > 0 for _, seconds in times), "floors too: what costs nothing would come last"


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CELL, f"output={tmp_path}"]) == 0
    assert "To do: 9 of 9 stages" in " ".join(capsys.readouterr().out.split())
    assert not any(tmp_path.iterdir()), "planning writes nothing"
    assert main(["--help"]) == 0
    assert "Example" in capsys.readouterr().out
    assert main([]) == 2
    capsys.readouterr()
    assert main(["+target=xnlo"]) == 1
    streams = capsys.readouterr()
    assert streams.err.count("\n") == 1
    assert "did you mean 'xnli'" in streams.err


def test_an_oracle_needs_dev_rows_of_each_language() -> None:
    cell = ("+target=xquad", "model=xlmr_base", "data.root=null", "trainer=cpu", "recipe.target.patience=null")
    plan(cell_of(*cell, "evaluation.rules=[last]"))
    with pytest.raises(
        StiltsError, match=r"the oracle chooses on dev rows of each language, and xquad has none in ar, de, "
    ):
        plan(cell_of(*cell, "evaluation.rules=[last,oracle]"))


@pytest.mark.parametrize(("steps", "measured", "tells"), [(5, 17.0, False), (600, 25.0, True), (600, 600.0, True)])
def test_a_short_training_does_not_tell_how_long_others_take(
    steps: int, measured: float, tells: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(*options: str) -> tuple[Cell, Stage]:
        cell = cell_of("+target=xnli", "model=mini", "trainer=cpu", *options)
        return cell, next(iter(plan(cell).stages()))

    made, other = first(f"recipe.target.max_steps={steps}"), first("seed=1")
    store = Store(tmp_path)
    unknown = estimate([other], store)[0][1]
    monkeypatch.setattr(store, "done", lambda key: key == made[1].key)
    monkeypatch.setattr(store, "manifest", lambda key: {"made": {"seconds": measured}})
    (_, found), (_, guessed) = estimate([made, other], store)
    assert found == measured
    assert guessed == (pytest.approx(measured, rel=0.02) if tells else unknown), "most of a short training is its start"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("+target=panx recipe.target.learning_rate=1e-3", "recipe.target.tasks.panx.learning_rate=0.002, which wins"),
        ("+target=xnli recipe.target.learning_rate=1e-3", None),
        ("+target=panx recipe.target.epochs=3", None),
        ("+target=panx recipe.target.learning_rate=1e-3 recipe.target.tasks.panx.learning_rate=1e-3", None),
        ("+target=panx recipe.target.learning_rate=1e-3 recipe.target.tasks=null", None),
        (
            "+target=xnli +intermediate=commonsenseqa recipe.intermediate.max_steps=5",
            "commonsenseqa.max_steps=600, which",
        ),
        ("+target=xnli '+intermediate=[mnli,commonsenseqa]' recipe.intermediate.max_steps=5", None),
        (
            "+target=xnli '+intermediate=[mnli,qqp]' +recipe.intermediate.tasks.mnli.learning_rate=1e-5",
            "tasks.mnli.learning_rate=1e-5 changes nothing in a joint training: one optimiser serves all its tasks, "
            "and takes recipe.intermediate.learning_rate",
        ),
        ("+target=xnli '+intermediate=[mnli,qqp]' +recipe.intermediate.tasks.mnli.max_length=64", None),
        ("+target=xnli +intermediate=mnli +recipe.intermediate.tasks.mnli.learning_rate=1e-5", None),
    ],
)
def test_an_option_that_changes_nothing_is_named(options: str, said: str | None) -> None:
    given = compose.prepare(shlex.split(options))
    found = passed_over(compose.compose(given), given)
    assert len(found) == bool(said)
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    "options", ["+target.languages=[en]", "+target=panx recipe.target=null", "+target=panx recipe.target.tasks.panx=3"]
)
def test_of_what_will_be_refused_nothing_is_said(options: str) -> None:
    given = compose.prepare([*shlex.split(options), "recipe.intermediate.epochs=3"])
    assert passed_over(compose.compose(given), given) == []


def test_a_plan_and_a_sweep_say_which_options_change_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for many in ([], ["-m"]):
        options = [
            "+target=panx",
            "model=mini",
            "recipe.target.learning_rate=1e-3",
            "trainer=cpu",
            f"output={tmp_path}",
        ]
        assert main([*many, *options]) == 0
        assert (
            " changes nothing: the recipe has recipe.target.tasks.panx.learning_rate=0.002" in capsys.readouterr().err
        )


@pytest.mark.parametrize(
    ("launcher", "said"),
    [
        ("slurm hydra.launcher.gres=gpu:1", None),
        ("slurm", "no GPU is asked for; add hydra.launcher.gres=gpu:1"),
        ("local", "no CUDA device is visible here"),
    ],
)
def test_a_sweep_is_planned_for_the_machine_of_its_launcher(
    launcher: str, said: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    options = f"+target=xnli model=mini trainer=gpu output={tmp_path} hydra/launcher={launcher}".split()
    assert main(["-m", *options]) == (said is not None)
    streams = capsys.readouterr()
    assert (said or "of one GPU") in streams.err + " ".join(streams.out.split())

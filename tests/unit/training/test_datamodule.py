"""Rows for Lightning: every head on the synthetic data and on own rows, resuming, and the command line's training."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from support.cells import TINY, cell_of
from support.encoders import bare_encoder, unigram
from support.heads import ROWS

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data.task import data_of
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.models.freezing import freeze
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.module import Optimisation
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.training.datamodule import TaskDataModule
from stilts_xtreme.training.loaders import Epochs

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
BARE = {**QUIET, "enable_checkpointing": False}
TRAINED = ("xnli", "xquad", "panx", "xcopa", "lareqa")


def world(**rows: int) -> DataSpec:
    """The world that ``mini`` knows, with few rows and languages."""
    spec = data_of("synthetic")
    return replace(spec, world={**spec.world, "languages": 3, "train": 60, "validation": 20, "test": 20, **rows})


def module_of(kind: str, labels: Any = ("yes", "no", "maybe"), seed: int = 0, **settings: Any) -> Any:
    torch.manual_seed(seed)
    settings = {"optimisation": Optimisation(learning_rate=1e-3), "tokenizer": unigram(), **settings}
    options = settings.pop("options", HeadOptions(max_length=32, stride=4, max_query_length=12))
    return format_of(kind).module()(bare_encoder(vocab_size=len(unigram()), seed=seed), labels, options, **settings)


@pytest.mark.parametrize("task", TRAINED)
def test_every_head_is_trained_validated_tested_and_predicts(task: str) -> None:
    data = TaskDataModule(task, data=world(), batch_size=16)
    assert data.task is not None
    options = HeadOptions(max_length=96)
    module = format_of(data.task.head).module()(
        "mini", data.labels, options, optimisation=Optimisation(learning_rate=5e-4)
    )
    trainer = pl.Trainer(max_epochs=1, **BARE)
    trainer.fit(module, data)
    assert trainer.global_step == module.steps > 0
    assert any(name.startswith(f"val/{task}/qaa/") for name in trainer.callback_metrics)
    (validated, *_), (tested, *_) = (
        trainer.validate(module, data, verbose=False),
        trainer.test(module, data, verbose=False),
    )
    assert {f"val/{task}/mean", f"val/{task}/qaa/{next(iter(validated)).split('/')[-1]}"} <= validated.keys()
    languages = {name.split("/")[2] for name in tested} - {"mean"}
    assert languages == {"qaa", "qab", "qac"}
    predicted = trainer.predict(module, data)
    assert len(predicted) == 3
    rows = [sample.rows for sample in data._samples["predict"]]
    assert [len(answers) for (answers,) in predicted] == [len(own["id"]) for own in rows]


@pytest.mark.parametrize("task", ["tatoeba", "bucc2018"])
def test_what_is_not_trained_is_evaluated(task: str) -> None:
    data = TaskDataModule(task, data=world(), languages=["qac"])
    assert data.task is not None
    module = format_of(data.task.head).module()("mini", options=HeadOptions(max_length=96))
    trainer = pl.Trainer(**BARE)
    if task == "bucc2018":
        trainer.validate(module, data, verbose=False)
    (tested, *_) = trainer.test(module, data, verbose=False)
    assert {name.split("/")[2] for name in tested} == {"qac", "mean"}
    with pytest.raises(StiltsError, match="is not trained"):
        trainer.fit(module, data)


def test_scores_are_those_of_the_command_line(run_tiny) -> None:
    arguments = ("+target=xnli", "baseline=false", "trainer.compact_embedding=false", "evaluation.floors=false")
    result = run_tiny(*arguments)
    cell = cell_of(*TINY, *arguments)
    assert cell.target is not None
    stages = {stage["label"]: run_tiny.output / "stages" / stage["key"] for stage in result["stages"]}
    folder = stages["none > mnli"] / "models" / "mnli"
    data = TaskDataModule("xnli", data=cell.data)
    options = HeadOptions(max_length=cell.target.recipe.max_length)
    module = format_of("classification").module()(str(folder), data.labels, options, Source(str(folder)))
    (tested, *_) = pl.Trainer(**BARE).test(module, data, verbose=False)
    expected = {f"test/xnli/{row['language']}/accuracy": row["value"] for row in result["rows"]}
    assert {name: value for name, value in tested.items() if "mean" not in name} == pytest.approx(expected, abs=1e-9)


def test_training_is_that_of_the_command_line(run_tiny) -> None:
    """The same settings give the same weights, to the last bit."""
    arguments = ("+target=xnli", "baseline=false", "trainer.compact_embedding=false", "evaluation.floors=false")
    result = run_tiny(*arguments)
    cell = cell_of(*TINY, *arguments)
    assert cell.target is not None
    stages = {stage["label"]: run_tiny.output / "stages" / stage["key"] for stage in result["stages"]}
    (pretrained,) = next(path for label, path in stages.items() if "mnli" not in label and "xnli" not in label).glob(
        "models/*"
    )
    recipe = cell.target.train[0].recipe
    source = Source(str(pretrained))
    encoder = load(source, dropout=recipe.dropout, origin=source)
    freeze(encoder, recipe.freeze, "freeze")
    torch.manual_seed(cell.seed)
    assert recipe.warmup_steps is None
    optimisation = Optimisation(
        learning_rate=recipe.learning_rate,
        warmup_ratio=recipe.warmup_ratio,
        weight_decay=recipe.weight_decay,
        epsilon=recipe.adam_epsilon,
        max_grad_norm=recipe.max_grad_norm,
        seed=cell.seed,
        budget=cell.trainer.micro_batch_tokens,
    )
    data = TaskDataModule("xnli", data=cell.data, batch_size=recipe.batch_size)
    options = HeadOptions(max_length=recipe.max_length)
    module = format_of("classification").module()(encoder, data.labels, options, optimisation=optimisation)
    pl.Trainer(max_epochs=1, max_steps=recipe.max_steps, **BARE).fit(module, data)
    folder = stages["none > mnli"] / "models" / "mnli"
    told = format_of("classification").module()(str(folder), data.labels, options, Source(str(folder))).state_dict()
    found = module.state_dict()
    assert found.keys() == told.keys()
    assert {name: float((found[name] - told[name]).abs().max()) for name in told} == dict.fromkeys(told, 0.0)


def own_module_and_data(**settings: Any) -> tuple[Any, TaskDataModule]:
    rows = {name: values * 4 for name, values in ROWS["classification"].items()}
    data = TaskDataModule("own", train=rows, labels=("yes", "no", "maybe"), batch_size=4, **settings)
    return module_of("classification"), data


def test_a_resumed_training_is_an_undisturbed_one(tmp_path: Path) -> None:
    """From checkpoints in the middle of an epoch, at its end, and in the middle of the second one."""
    module, data = own_module_and_data()
    kept = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    pl.Trainer(max_epochs=2, callbacks=[kept], **QUIET).fit(module, data)
    assert module.steps == 10  # two of seven rows have an empty text
    for step in (3, 5, 8):
        again, rows = own_module_and_data()
        trainer = pl.Trainer(max_epochs=2, **BARE)
        trainer.fit(again, rows, ckpt_path=str(tmp_path / f"step={step}.ckpt"), weights_only=True)
        assert trainer.global_step == 10
        for name, value in module.state_dict().items():
            assert torch.equal(value, again.state_dict()[name]), (step, name)
    loaded = (
        format_of("classification")
        .module()
        .load_from_checkpoint(
            str(tmp_path / "step=10.ckpt"),
            encoder=bare_encoder(vocab_size=len(unigram())),
            labels=("yes", "no", "maybe"),
            options=module.options,
        )
    )
    for name, value in module.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_each_epoch_has_every_example_once() -> None:
    features = module_of("classification").features(ROWS["classification"], unigram())
    epochs = Epochs("x", features, 3, seed=5)
    assert len(epochs) == 3
    seen = [list(epochs) for _ in range(3)]
    assert [step.index for epoch in seen for step in epoch] == list(range(9))
    orders = [np.concatenate([step.units for step in epoch]).tolist() for epoch in seen]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    again = Epochs("x", features, 3, seed=5)
    again.load_state_dict({"next": 4})
    assert [step.units.tolist() for step in again] == [step.units.tolist() for step in seen[1][1:]]


OWN = {
    "classification": ("yes", "no", "maybe"),
    "qa": (),
    "tagging": ("O", "B-X", "I-X", "B-Y"),
    "ranking": (),
}


@pytest.mark.parametrize("kind", OWN)
def test_own_rows_of_every_trained_format(kind: str) -> None:
    labels = OWN[kind]
    data = TaskDataModule(
        "own",
        train=ROWS[kind],
        validation=ROWS[kind],
        test={"de": ROWS[kind], "zh": ROWS[kind]},
        labels=labels,
        batch_size=2,
    )
    module = module_of(kind, labels)
    trainer = pl.Trainer(max_epochs=1, **BARE)
    trainer.fit(module, data)
    assert any(name.startswith("val/own/en/") for name in trainer.callback_metrics)
    (tested, *_) = trainer.test(module, data, verbose=False)
    assert {name.split("/")[2] for name in tested} == {"de", "zh", "mean"}
    assert len(trainer.predict(module, data)) == 2


def test_own_choices_and_sentences() -> None:
    rows = {"question": ["a?", "b?"], "choices": [["x", "y"], ["z", "w"]], "label": [0, 1]}
    module = module_of("choice", ())
    trainer = pl.Trainer(max_epochs=1, **BARE)
    data = TaskDataModule("own", train=rows, test=rows)
    trainer.fit(module, data)
    assert len(trainer.predict(module, data)[0]) == 2
    found = TaskDataModule("own", test=ROWS["retrieval"])
    (tested, *_) = pl.Trainer(**BARE).test(module_of("retrieval", ()), found, verbose=False)
    assert set(tested) == {"test/own/en/accuracy", "test/own/mean"}
    mined = TaskDataModule("own", validation=ROWS["bitext"], test=ROWS["bitext"])
    module = module_of("bitext", ())
    pl.Trainer(**BARE).validate(module, mined, verbose=False)
    (tested, *_) = pl.Trainer(**BARE).test(module, mined, verbose=False)
    assert "test/own/en/f1" in tested


def test_candidates_of_an_own_ranking() -> None:
    pool = {"id": ["1_0", "2_0", "9_9"], "text": ["Nairobi is.", "北京", "x"]}
    rows = {name: values[:2] for name, values in ROWS["ranking"].items()}
    data = TaskDataModule("own", train=rows, test=rows, candidates=pool)
    module = module_of("ranking", ())
    (answers,) = pl.Trainer(**BARE).predict(module, data)
    assert all(sorted(ranked) == sorted(pool["id"]) for ranked in answers.values())


def raw_rows() -> dict[str, list]:
    return {"review": ["a fox", "a dog", "null", "sleeps"], "stars": ["good", "bad", "bad", "good"]}


@pytest.mark.parametrize("kind", ["lists", "dataset", "class_label", "csv", "tsv", "jsonl", "parquet"])
def test_own_rows_as_lists_a_dataset_and_files(kind: str, tmp_path: Path) -> None:
    rows: Any = raw_rows()
    table = datasets.Dataset.from_dict(rows)
    names = ("bad", "good")
    if kind == "dataset":
        rows = table
    elif kind == "class_label":  # labels go by name: here good is the first one
        names = ("good", "bad")
        rows = table.cast_column("stars", datasets.ClassLabel(names=list(names)))
    elif kind in ("csv", "tsv"):
        rows = tmp_path / f"rows.{kind}"
        table.to_csv(str(rows), sep="\t" if kind == "tsv" else ",")
    elif kind == "jsonl":
        rows = tmp_path / "rows.jsonl"
        rows.write_text("".join(json.dumps(dict(row)) + "\n" for row in table))
    elif kind == "parquet":
        rows = str(tmp_path / "rows.parquet")
        table.to_parquet(rows)
    columns = {"text_a": "review", "label": "stars"}
    data = TaskDataModule("own", train=rows, validation=rows, columns=columns, batch_size=2)
    assert data.labels == names
    module = module_of("classification", ("good", "bad"))
    trainer = pl.Trainer(max_epochs=1, **BARE)
    trainer.fit(module, data)
    (sample,) = data._samples["fit"]
    assert sample.rows["text_a"] == raw_rows()["review"]
    assert [module.labels[label] for label in sample.rows["label"]] == raw_rows()["stars"]


def test_a_file_is_read_as_those_of_a_data_set_are(tmp_path: Path) -> None:
    tagged = tmp_path / "tagged.csv"
    tagged.write_text('\ufefftokens,tags\r\n"[""a"", ""b""]","[""X"", ""O""]"\r\n', encoding="utf-8")
    data = TaskDataModule("own", train=tagged, test=tagged)
    assert data.labels == ("O", "X")
    module = module_of("tagging", data.labels)
    trainer = pl.Trainer(max_epochs=1, **BARE)
    trainer.fit(module, data)
    assert set(trainer.test(module, data, verbose=False)[0]) >= {"test/own/en/f1"}
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("text_a,label\na,1\nNA,0\n", encoding="utf-8")
    assert TaskDataModule("own", train=numbers).labels == ("0", "1")
    twice = tmp_path / "twice.csv"
    twice.write_text("text_a,text_a\na,b\n", encoding="utf-8")
    with pytest.raises(StiltsError, match=r"twice.csv line 1: the column 'text_a' occurs more than once"):
        TaskDataModule("own", train=twice)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text_a": "a"}\n{"text_a"\n', encoding="utf-8")
    with pytest.raises(StiltsError, match=r"broken.jsonl line 2: not JSON"):
        TaskDataModule("own", train=broken)


def test_rows_without_labels_are_predicted() -> None:
    data = TaskDataModule("own", predict={"sw": {"text_a": ["a", "", "fox"]}})
    (answers,) = pl.Trainer(**BARE).predict(module_of("classification"), data)
    assert len(answers) == 3
    assert set(answers) <= {"yes", "no", "maybe"}


PLAIN = {"text_a": ["a", "b"], "label": ["yes", "no"]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"task": "xnlo"}, "task=xnlo is not known .did you mean 'xnli'"),
        ({"task": "xcopa", "train_on": "copy"}, "train_on of xcopa=copy is not known .did you mean 'copa'"),
        ({"task": "xnli", "batch_size": 0}, "TaskDataModule.batch_size=0 is refused"),
        ({"train": {"text_a": ["a"], "label": []}}, r"columns are not of one length \(text_a 1, label 0\)"),
        ({"train": 3}, "train is a int; take a mapping of lists"),
        ({"train": __file__}, "test_datamodule.py is of no known format: its name must end in one of .jsonl"),
        ({"train": "nowhere.csv"}, "train=nowhere.csv is not a file"),
        ({"task": "xnli", "languages": "sw"}, r"languages=sw is a text; give a list, as in \['sw'\]"),
    ],
)
def test_what_cannot_be_read_is_refused_at_once(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(StiltsError, match=words):
        TaskDataModule(**{"task": "own", **settings})


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("qa", {"task": "xnli"}, "xnli has the format classification, and QuestionAnsweringModule is for qa"),
        ("classification", {"task": "xnli"}, "has the labels .* and the module yes, no, maybe; give it those"),
        ("classification", {"train": {"text": ["a"], "label": ["yes"]}}, "no column 'text_a'"),
        ("classification", {"train": {"text_a": ["a"], "label": ["perhaps"]}}, "no label 'perhaps'"),
        ("classification", {"train": PLAIN, "columns": {"txt": "text_a"}}, "column=txt is not known"),
        ("classification", {"train": PLAIN, "metric": "squad"}, "metric=squad is not known; choose one of: accuracy"),
        ("classification", {"validation": PLAIN}, "own has no rows to train on: give TaskDataModule.train="),
    ],
)
def test_rows_that_do_not_fit_the_module_are_refused(kind: str, settings: dict[str, Any], words: str) -> None:
    data = TaskDataModule(**{"task": "own", "data": world(), **settings})
    module = module_of(kind, ("yes", "no", "maybe") if kind == "classification" else ())
    with pytest.raises(StiltsError, match=words):
        pl.Trainer(max_epochs=1, **BARE).fit(module, data)


def test_other_refusals() -> None:
    data = TaskDataModule("own", train={"text_a": ["a"], "label": [0]})
    with pytest.raises(StiltsError, match="the rows do not tell the names of their labels"):
        _ = data.labels
    with pytest.raises(StiltsError, match=r"own has no rows to test: give TaskDataModule\(test="):
        pl.Trainer(**BARE).test(module_of("classification"), data)
    some = TaskDataModule("own", test={"de": PLAIN}, languages=["dd"])
    with pytest.raises(StiltsError, match=r"language of own/test=dd is not known .did you mean 'de'"):
        pl.Trainer(**BARE).test(module_of("classification"), some)
    far = TaskDataModule("panx", data=world(), languages=["qab", "zz"])
    with pytest.raises(StiltsError, match=r"language of panx/test=zz is not known; choose one of: .*qab"):
        pl.Trainer(**BARE).test(module_of("tagging", far.labels), far)
    with pytest.raises(StiltsError, match="set up by a trainer with a module of this package"):
        TaskDataModule("xnli").setup("fit")


@pytest.mark.real
@pytest.mark.skipif("STILTS_DATA_ROOT" not in os.environ, reason="needs STILTS_DATA_ROOT")
@pytest.mark.parametrize("task", ["xnli", "xquad", "udpos"])
def test_a_folder_laid_out_like_the_hub(task: str) -> None:
    data = TaskDataModule(task, data=os.environ["STILTS_DATA_ROOT"], max_rows=8, languages=["en", "zh"])
    assert data.task is not None
    module = format_of(data.task.head).module()("mini", data.labels, optimisation=Optimisation(learning_rate=1e-4))
    trainer = pl.Trainer(max_epochs=1, **BARE)
    trainer.fit(module, data)
    (tested, *_) = trainer.test(module, data, verbose=False)
    assert {name.split("/")[2] for name in tested} == {"en", "zh", "mean"}

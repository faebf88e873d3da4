"""The modules behind Lightning's interface: what they take, what they log, and what they refuse."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from support.encoders import bare_encoder, unigram
from support.heads import ROWS

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.naming import source_named
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.evaluation import Outputs, Portion, Sample
from stilts_xtreme.tasks.joint import JointModule
from stilts_xtreme.tasks.module import Optimisation, Step
from stilts_xtreme.tasks.options import HeadOptions

CLASSES = ("yes", "no", "maybe")
OPTIMISATION = Optimisation(learning_rate=1e-3)
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
TEXTS = {"id": ["0", "1", "2", "3"], "text_a": ["a fox", "a dog", "the sea", "sleeps"], "text_b": ["", "b", "", "c"]}
PAIRS = {**TEXTS, "label": [0, 1, 2, 0]}


def module_of(kind: str = "classification", labels: Any = CLASSES, **settings: Any) -> Any:
    settings = {"optimisation": OPTIMISATION, "tokenizer": unigram(), **settings}
    encoder = settings.pop("encoder", None) or bare_encoder(vocab_size=len(unigram()))
    return format_of(kind).module()(encoder, labels, settings.pop("options", HeadOptions(max_length=32)), **settings)


class Loader:
    """A list that Lightning takes for one loader, not for several."""

    def __init__(self, batches: list[Any]):
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def steps_of(module: Any, count: int) -> Loader:
    features = module.features(PAIRS, unigram())
    return Loader([Step("x", features, np.arange(4), at) for at in range(count)])


def portions_of(sample: Sample, size: int = 1) -> Loader:
    units = np.arange(len(sample.features))[::-1]  # not in the order of the rows
    return Loader([Portion(sample, units[at : at + size]) for at in range(0, len(units), size)])


def sample_of(module: Any, language: str = "sw", task: str = "xnli") -> Sample:
    return Sample(task, language, "accuracy", PAIRS, module.features(PAIRS, unigram()))


def test_an_encoder_by_its_name(tmp_path) -> None:
    module = format_of("classification").module()("mini", CLASSES)
    assert module.labels == CLASSES
    assert module.options == HeadOptions()
    assert module.tokenizer.is_fast
    assert module.tokenizer is module.tokenizer
    module.encoder.base.save_pretrained(tmp_path / "own")
    assert source_named(str(tmp_path / "own")).place == str(tmp_path / "own")
    assert source_named("owner/name").place == "owner/name"
    with pytest.raises(StiltsError, match=r"encoder=\./maxi is neither a folder nor"):
        source_named("./maxi")
    with pytest.raises(StiltsError, match=r"encoder=maxi is neither a folder nor a hub id .* own encoders: mini"):
        format_of("classification").module()("maxi", CLASSES)


def test_a_tokenizer_must_be_given_where_none_can_be_loaded() -> None:
    module = module_of(tokenizer=None)
    with pytest.raises(StiltsError, match=r"made in memory; give its tokenizer=\.\.\. too"):
        _ = module.tokenizer


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_labels_are_needed_where_answers_are_labels(kind: str) -> None:
    with pytest.raises(StiltsError, match="needs the names of its labels"):
        module_of(kind, ())


def test_unset_optimisation_is_refused_in_a_sentence() -> None:
    module = module_of(optimisation=None)
    with pytest.raises(StiltsError, match=r"ClassificationModule has no optimisation; .*Optimisation\(learning_rate="):
        pl.Trainer(max_epochs=1, **QUIET).fit(module, steps_of(module, 2))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_rate": "high"}, "Optimisation.learning_rate=high is refused"),
        ({"learning_rate": 1e-3, "warmup_ratio": 2}, "at most 1"),
        ({"learning_rate": 1e-3, "steps": 0}, "Optimisation.steps=0 is refused"),
        ({"learning_rate": 1e-3, "budget": 0.5}, "Optimisation.budget=0.5 is refused"),
        ({"learning_rate": math.nan}, "Optimisation.learning_rate=nan is refused"),
    ],
)
def test_an_optimisation_out_of_range_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(StiltsError, match=words):
        Optimisation(**values)


@pytest.mark.parametrize("kind", ["retrieval", "bitext"])
def test_what_is_not_trained_says_so(kind: str) -> None:
    module = module_of(kind, (), optimisation=OPTIMISATION)
    with pytest.raises(StiltsError, match=r"Module is not trained; use trainer.validate, trainer.test or predict"):
        pl.Trainer(max_epochs=1, **QUIET).fit(module, steps_of(module_of(), 1))


def test_steps_are_worked_out_from_the_trainer() -> None:
    for limits, expected in (({"max_epochs": 3}, 12), ({"max_steps": 5}, 5), ({"max_epochs": 2, "max_steps": 3}, 3)):
        module = module_of()
        trainer = pl.Trainer(**limits, **QUIET)
        trainer.fit(module, steps_of(module, 4))
        assert module.steps == trainer.global_step == expected
        assert module.schedules()[0].get_last_lr()[0] == 0.0
        assert module.optimisation == OPTIMISATION  # as it was given: another fit has other steps
    with pytest.raises(StiltsError, match="The number of optimiser steps is not known"):
        pl.Trainer(max_epochs=-1, **QUIET).fit(module, steps_of(module, 1))


def test_warmup_is_a_share_of_the_steps_or_a_number() -> None:
    rates = {}
    for name, setting in (("share", {"warmup_ratio": 0.5}), ("number", {"warmup": 2}), ("none", {"warmup": 0})):
        module = module_of(optimisation=Optimisation(learning_rate=1.0, **setting))
        pl.Trainer(max_epochs=1, **QUIET).fit(module, steps_of(module, 4))
        lambda_of = module.schedules()[0].lr_lambdas[0]
        rates[name] = [lambda_of(step) for step in range(5)]
    assert rates["share"] == rates["number"] == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert rates["none"] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_what_breaks_a_step_is_refused(monkeypatch) -> None:
    module = module_of()
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.strategy.precision_plugin.precision = "16-mixed"  # which a processor refuses by itself
    with pytest.raises(StiltsError, match="scales the loss, which is not done; take bf16-mixed"):
        trainer.fit(module, steps_of(module, 1))
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    monkeypatch.setattr(pl.Trainer, "world_size", property(lambda trainer: 2))
    with pytest.raises(StiltsError, match="gives 2 processes; a training is one process on one device"):
        trainer.fit(module, steps_of(module, 1))


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
@pytest.mark.parametrize("run", ["fit", "test"])
def test_weights_in_another_precision_are_refused(precision: Any, run: str) -> None:
    module = module_of()
    loader = steps_of(module, 1) if run == "fit" else portions_of(sample_of(module))
    with pytest.raises(StiltsError, match=f"precision of pl.Trainer={precision} is not known.*32-true"):
        getattr(pl.Trainer(max_epochs=1, precision=precision, **QUIET), run)(module, loader)


def test_a_compiled_module_is_refused() -> None:
    module = module_of()
    with pytest.raises(StiltsError, match=r"torch.compile\(ClassificationModule\) is not supported"):
        pl.Trainer(max_epochs=1, **QUIET).fit(torch.compile(module, backend="eager"), steps_of(module, 1))


@pytest.mark.parametrize("run", ["fit", "validate", "test", "predict"])
def test_batches_of_another_loader_are_refused(run: str) -> None:
    module = module_of()
    with pytest.raises(StiltsError, match=r"gives batches of Tensor; .* those of a TaskDataModule"):
        getattr(pl.Trainer(max_epochs=1, **QUIET), run)(module, torch.utils.data.DataLoader([1, 2]))


def test_labels_that_occur_twice_are_refused() -> None:
    with pytest.raises(StiltsError, match="ClassificationModule has the label 'yes' more than once"):
        module_of(labels=("yes", "no", "yes"))


def test_a_checkpoint_of_another_head_is_refused(tmp_path) -> None:
    module = module_of()
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.fit(module, steps_of(module, 2))
    trainer.save_checkpoint(tmp_path / "a.ckpt")

    def loaded(labels: Any = CLASSES, kind: str = "classification", name: str = "a.ckpt") -> Any:
        made = {"encoder": bare_encoder(vocab_size=len(unigram())), "labels": labels, "weights_only": True}
        return format_of(kind).module().load_from_checkpoint(tmp_path / name, tokenizer=unigram(), **made)

    for name, weight in loaded().state_dict().items():
        assert torch.equal(weight, module.state_dict()[name])
    with pytest.raises(StiltsError, match="has the labels yes, no, maybe, and the module maybe, no, yes; give those"):
        loaded(CLASSES[::-1])
    with pytest.raises(StiltsError, match="has the labels yes, no, maybe, and the module yes, no; give those"):
        loaded(CLASSES[:2])
    with pytest.raises(StiltsError, match="is of the format classification, and TaggingModule is not"):
        loaded(kind="tagging")
    old = torch.load(tmp_path / "a.ckpt", weights_only=True)
    del old["head"]  # as checkpoints of before are
    torch.save(old, tmp_path / "old.ckpt")
    assert loaded(name="old.ckpt").labels == CLASSES


def test_dropout_is_on_in_training_though_the_checkpoint_came_without() -> None:
    encoder = bare_encoder(dropout=0.5, vocab_size=len(unigram()))
    module = module_of(encoder=encoder)
    seen = []
    module.on_train_batch_end = lambda *_: seen.append([part.training for part in module.modules()])
    pl.Trainer(max_epochs=1, **QUIET).fit(module.eval(), steps_of(module, 1))
    assert all(seen[0])


def test_scores_are_logged_per_language() -> None:
    module = module_of()
    samples = [sample_of(module, language) for language in ("en", "sw")]
    trainer = pl.Trainer(**QUIET)
    loaders = {sample.name: portions_of(sample) for sample in samples}
    (found, *_) = trainer.validate(module, loaders, verbose=False)
    features = samples[0].features
    with torch.no_grad():
        answers = module.decode(PAIRS, features, module.arrays(features.take(np.arange(4))))
    right = 100 * sum(answer == CLASSES[label] for answer, label in zip(answers, PAIRS["label"], strict=True)) / 4
    expected = {"val/xnli/en/accuracy": right, "val/xnli/sw/accuracy": right, "val/xnli/mean": right}
    assert found == pytest.approx(expected, abs=1e-9)
    (tested, *_) = trainer.test(module, loaders, verbose=False)
    assert tested == pytest.approx({name.replace("val", "test", 1): value for name, value in expected.items()})
    (predicted,) = trainer.predict(module, Loader([samples[0]]))
    assert predicted == answers


def test_a_language_of_which_rows_were_left_out_has_no_score(caplog) -> None:
    module = module_of()
    samples = [sample_of(module, language) for language in ("en", "sw")]
    loaders = [portions_of(samples[0], 4), portions_of(samples[1], 1)]
    with caplog.at_level(logging.WARNING):
        (found, *_) = pl.Trainer(limit_val_batches=1, **QUIET).validate(module, loaders, verbose=False)
    assert set(found) == {"val/xnli/en/accuracy", "val/xnli/mean"}
    assert "val/xnli/sw has no score: 3 of its 4 units were left out" in caplog.text


def test_the_sanity_check_scores_nothing(caplog) -> None:
    module = module_of()
    loaders = portions_of(sample_of(module))
    trainer = pl.Trainer(max_epochs=1, num_sanity_val_steps=1, **QUIET)
    with caplog.at_level(logging.WARNING):
        trainer.fit(module, steps_of(module, 1), loaders)
    assert "has no score" not in caplog.text
    assert {"train/loss", "val/xnli/sw/accuracy"} <= trainer.callback_metrics.keys()


def test_heads_of_a_joint_training_are_scored_each_by_its_own() -> None:
    encoder = bare_encoder(vocab_size=len(unigram()))
    heads = {name: module_of(encoder=encoder, labels=CLASSES, optimisation=None) for name in ("nli", "paraphrases")}
    joint = JointModule(encoder, heads, OPTIMISATION)
    samples = [
        Sample(name, "en", "accuracy", PAIRS, heads[name].features(PAIRS, joint.tokenizer), head=name) for name in heads
    ]
    trainer = pl.Trainer(**QUIET)
    (found, *_) = trainer.validate(joint, [portions_of(sample) for sample in samples], verbose=False)
    for name, head in heads.items():
        (alone, *_) = pl.Trainer(**QUIET).validate(head, portions_of(samples[list(heads).index(name)]), verbose=False)
        assert found[f"val/{name}/en/accuracy"] == alone[f"val/{name}/en/accuracy"]


@torch.no_grad()
def test_outputs_go_where_they_belong() -> None:
    module = module_of("qa", (), options=HeadOptions(max_length=32, stride=4))
    features = module.features(ROWS["qa"], unigram())
    whole = module.arrays(features.take(np.arange(len(features))))
    outputs = Outputs(features, module.over)
    assert outputs.missing == len(features)
    for unit in reversed(range(len(features))):
        outputs.put(np.asarray([unit]), module.arrays(features.take(np.asarray([unit]))))
    assert outputs.missing == 0
    for one, other in zip(outputs.arrays, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_mining_needs_a_threshold_that_validation_chose() -> None:
    module = module_of("bitext", ())
    rows = {
        "id": ["f0", "f1", "e0", "e1"],
        "text": ["Nairobi", "北京", "Nairobi is", "Beijing"],
        "side": ["foreign", "foreign", "english", "english"],
        "gold": [["e0"], ["e1"], [], []],
    }
    sample = Sample("bucc", "de", "bitext_f1", rows, module.features(rows, unigram()))
    trainer = pl.Trainer(**QUIET)
    with pytest.raises(StiltsError, match=r"No threshold is known for bucc/de: call trainer\.validate before"):
        trainer.test(module, portions_of(sample), verbose=False)
    (chosen, *_) = trainer.validate(module, portions_of(sample), verbose=False)
    (tested, *_) = trainer.test(module, portions_of(sample), verbose=False)
    assert tested["test/bucc/de/f1"] == chosen["val/bucc/de/f1"]  # on the same rows the chosen one is the best
    module.options = HeadOptions(threshold=1e9)
    (none, *_) = trainer.test(module, portions_of(sample), verbose=False)
    assert none["test/bucc/de/f1"] == 0.0

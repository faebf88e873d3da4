"""The lowest layers of an encoder: what they compute, what is refused, and that they are cut once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.encoders import EXTRA, FAMILIES, SHAPE, unigram
from transformers import AlbertConfig, AutoConfig, AutoModel, AutoModelForMaskedLM, FunnelConfig

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.batch import Batch
from stilts_xtreme.models.encoder import Source, load, load_config
from stilts_xtreme.tasks.checkpoint import model_folder, save
from stilts_xtreme.tasks.classification.module import ClassificationModule

BATCH = Batch(torch.tensor([0, 5, 6, 7, 2, 0, 9, 11, 2]), torch.tensor([5, 4]), torch.ones(2, dtype=torch.long))
OTHERS = {"distilbert": {"n_layers": 4}, "electra": {}, "gte": {}, "longformer": {"attention_window": [8] * 4}}
"""Families whose names or lists of layers are their own."""


def checkpoint(kind: str, folder: Path, head: bool = True) -> Source:
    own = EXTRA.get(kind, OTHERS.get(kind, {}))
    config = AutoConfig.for_model(kind, **{**SHAPE, "vocab_size": 300, "num_hidden_layers": 4, **own})
    torch.manual_seed(1)
    (AutoModelForMaskedLM if head else AutoModel).from_config(config).save_pretrained(folder)
    unigram().save_pretrained(folder)
    return Source(str(folder))


def states(source: Source) -> list[torch.Tensor]:
    with torch.no_grad():
        return load(source, packed=False).eval().layers(BATCH)


@pytest.mark.parametrize("kind", [*FAMILIES, *OTHERS])
def test_hidden_states_are_those_of_the_whole_encoder(kind: str, tmp_path: Path) -> None:
    whole = checkpoint(kind, tmp_path)
    cut = Source(whole.place, layers=2)
    before, after = states(whole), states(cut)
    assert (len(before), len(after)) == (5, 3)
    for layer in range(2):  # the last one has the norm behind it where an architecture ends with one
        assert torch.equal(before[layer], after[layer])
    config = load_config(cut)
    assert len(getattr(config, "layer_types", None) or range(2)) == 2
    assert len(getattr(config, "attention_window", None) or range(2)) == 2
    weights = {name for name, _ in load(cut).base.named_parameters()}
    assert weights < {name for name, _ in load(whole).base.named_parameters()}


@pytest.mark.parametrize("head", [True, False], ids=["with an MLM head", "without"])
def test_what_is_left_out_is_no_warning(head: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(Source(checkpoint("xlm-roberta", tmp_path, head).place, layers=1))
    assert not [record for record in caplog.records if record.name.startswith("stilts_xtreme")]


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_a_trained_one_is_not_cut_again(weights: str, tmp_path: Path) -> None:
    source = Source(checkpoint("modernbert", tmp_path / "whole").place, random=weights == "random", layers=3)
    encoder = load(source)
    module = ClassificationModule(encoder, labels=("a", "b"))
    save(tmp_path / "stage", encoder, {"task": module}, unigram(), [])
    saved = Source(str(model_folder(tmp_path / "stage")))
    assert load_config(saved).num_hidden_layers == 3
    for one, other in zip(states(source), states(saved), strict=True):
        torch.testing.assert_close(one, other)
    assert AutoModel.from_pretrained(saved.place).config.layer_types == load_config(source).layer_types


ALBERT = AlbertConfig(vocab_size=300, embedding_size=16, hidden_size=32, num_attention_heads=2, intermediate_size=48)
FUNNEL = FunnelConfig(
    vocab_size=300, block_sizes=[2, 2], d_model=32, n_head=2, d_head=16, d_inner=48, architectures=["FunnelModel"]
)


@pytest.mark.parametrize(
    ("config", "layers", "words"),
    [
        (ALBERT, 1, "share weights"),
        (ALBERT, 6, "share weights"),
        (FUNNEL, 2, "share weights|cannot be made"),
        (None, 5, "4 la"),
    ],
)
def test_what_makes_no_sense_is_refused(config: Any, layers: int, words: str, tmp_path: Path) -> None:
    if config is None:
        checkpoint("bert", tmp_path)
    else:
        config.save_pretrained(tmp_path)
    with pytest.raises(StiltsError, match=f"model.layers={layers} is refused: .*({words})"):
        load_config(Source(str(tmp_path), layers=layers))

"""Frozen parts stay as they were, and the rest learns as it would have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.cells import TINY, cell_of
from support.encoders import FAMILIES, checkpoint, features_of
from transformers import AlbertConfig, AlbertModel, XLMConfig, XLMModel

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.encoder import Encoder, Source, load
from stilts_xtreme.models.freezing import freeze


def gradients(folder: Path, part: str | int | None) -> tuple[dict[str, torch.Tensor | None], set[str]]:
    """Of every weight, and the names of those that are called embeddings."""
    encoder = load(Source(str(folder))).train()
    freeze(encoder, part, "recipe.target.freeze")
    features = features_of([[[0, 7, 8, 9, 2]], [[0, 11, 2]], [[0, 5, 6, 7, 12, 2]]])
    encoder(features.take(np.arange(3))).square().sum().backward()
    found = {name: weight.grad for name, weight in encoder.base.named_parameters()}
    return found, {name for name in found if name.startswith("embeddings.")}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rest_has_the_gradients_that_it_has_anyway(tmp_path: Path, family: str) -> None:
    folder = checkpoint(tmp_path, family)
    whole, embeddings = gradients(folder, None)
    assert embeddings
    for part, lowest in (("embeddings", ()), (1, ("layer.0.", "layers.0."))):
        some, _ = gradients(folder, part)
        frozen = {name for name in whole if name in embeddings or any(of in f"{name}." for of in lowest)}
        assert frozen > embeddings if lowest else frozen == embeddings
        for name, gradient in whole.items():
            if name in frozen or gradient is None:
                assert some[name] is None, name
            else:
                torch.testing.assert_close(some[name], gradient)


def test_a_cell_moves_what_is_not_frozen(run_tiny: Callable[..., Any]) -> None:
    options = ("recipe.intermediate.freeze=embeddings", "recipe.target.freeze=1")
    result = run_tiny("+intermediate=mnli", "+target=xnli", *options)
    planned = plan(cell_of(*TINY, "+intermediate=mnli", "+target=xnli", *options))
    pretrained, intermediate, target, _ = planned.final.chain()
    assert {pretrained.key, intermediate.key, target.key} <= {stage["key"] for stage in result["stages"]}
    before, between, after = (
        weights(run_tiny.output / "stages" / stage.key) for stage in (pretrained, intermediate, target)
    )
    for name, weight in after.items():
        if name.endswith(".key.bias"):  # shifts all scores of a token alike, so nothing pulls at it
            continue
        embedding, lowest = name.startswith("embeddings."), name.startswith("encoder.layer.0.")
        assert torch.equal(before[name], between[name]) == embedding, name
        assert torch.equal(between[name], weight) == (embedding or lowest), name


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Those of the encoder that a stage ends with."""
    (model,) = (folder / "models").iterdir()
    return dict(load(Source(str(model))).base.named_parameters())


def test_what_is_not_frozen_has_the_key_that_it_had() -> None:
    stage = plan(cell_of(*TINY, "+target=xnli", "recipe.target.freeze=null")).final.chain()[1]
    assert "freeze" not in stage.identity["tasks"][0]["recipe"]
    other = plan(cell_of(*TINY, "+target=xnli", "recipe.target.freeze=embeddings")).final.chain()[1]
    assert other.identity["tasks"][0]["recipe"]["freeze"] == "embeddings"
    assert other.key != stage.key


def test_random_weights_are_a_floor_trained_whole() -> None:
    floors = [
        plan(cell_of(*TINY, "+target=xnli", "evaluation.random_init=true", f"recipe.target.freeze={part}"))
        for part in ("null", "embeddings", "1")
    ]
    assert len({planned.random.key for planned in floors if planned.random}) == 1
    assert len({planned.final.key for planned in floors}) == 3


def test_too_many_layers_are_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match=r"recipe.target.freeze=2 is refused: the encoder has 2 layers.* or 1 to 1"):
        cell_of(*TINY, "+target=xnli", "recipe.target.freeze=2")
    folder = checkpoint(tmp_path, "bert")
    with pytest.raises(StiltsError, match=r"recipe.intermediate.freeze=24 is refused: the encoder has \d+ layers"):
        cell_of(f"model={folder}", "+intermediate=mnli", "recipe.intermediate.freeze=24", "data=synthetic")
    encoder = load(Source(str(folder)))  # as of the hub, whose layers are not counted before
    with pytest.raises(StiltsError, match=r"recipe.target.freeze=24 is refused"):
        freeze(encoder, 24, "recipe.target.freeze")


def test_layers_that_share_weights_cannot_be_frozen_apart() -> None:
    config = AlbertConfig(vocab_size=20, embedding_size=8, hidden_size=8, num_attention_heads=2, intermediate_size=8)
    encoder = Encoder(AlbertModel(config), None)
    freeze(encoder, "embeddings", "recipe.target.freeze")
    frozen = {name for name, weight in encoder.base.named_parameters() if not weight.requires_grad}
    assert frozen
    assert all(name.startswith("embeddings.") for name in frozen)
    with pytest.raises(StiltsError, match=r"recipe.target.freeze=1 is refused: albert has no list of layers"):
        freeze(encoder, 1, "recipe.target.freeze")


@pytest.mark.parametrize(
    "option", ["recipe.target.freeze=1", "recipe.intermediate.freeze=1", "recipe.target.lora=2", "model.layers=1"]
)
def test_what_shared_layers_forbid_is_refused_before_anything_runs(tmp_path: Path, option: str) -> None:
    folder = checkpoint(tmp_path, "bert")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "model_type": "albert"}))
    cell = (f"model={folder}", "+intermediate=mnli", "+target=xnli", "data=synthetic")
    cell_of(*cell, "recipe.target.freeze=embeddings")
    with pytest.raises(StiltsError, match=f"{option} is refused: albert has no list of layers.*; take (null|emb)"):
        cell_of(*cell, option)


def test_all_parts_of_a_layer_are_frozen_where_an_architecture_keeps_them_apart() -> None:
    encoder = Encoder(XLMModel(XLMConfig(vocab_size=20, emb_dim=8, n_heads=2, n_layers=3)), None)
    freeze(encoder, 2, "recipe.target.freeze")
    free = {name for name, weight in encoder.base.named_parameters() if weight.requires_grad}
    layers = {name.split(".")[1] for name in free if name.split(".")[0] in ("attentions", "ffns")}
    assert layers == {"2"}
    assert {name.split(".")[0] for name in free} >= {"attentions", "ffns", "layer_norm1", "layer_norm2"}
    with pytest.raises(StiltsError, match="the encoder has 3 layers"):
        freeze(encoder, 3, "recipe.target.freeze")

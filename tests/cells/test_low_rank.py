"""Matrices of low rank: the gradients are those of the sum, and what is saved is an encoder like any other one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.cells import TINY, begun, cell_of
from support.encoders import FAMILIES, checkpoint, features_of
from support.siege import die_in_step, siege, trained
from torch import nn
from transformers import AlbertConfig, AlbertModel, SqueezeBertConfig, SqueezeBertModel

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models import low_rank
from stilts_xtreme.models.encoder import Encoder, Source, load
from stilts_xtreme.models.freezing import freeze

FEATURES = features_of([[[0, 7, 8, 9, 2]], [[0, 11, 2]], [[0, 5, 6, 7, 12, 2]]])


def loss(encoder: Encoder) -> torch.Tensor:
    return encoder(FEATURES.take(np.arange(3))).square().sum()


def products(encoder: Encoder) -> dict[str, low_rank.LowRank]:
    found = {name: part for name, part in encoder.base.named_modules() if isinstance(part, low_rank.LowRank)}
    return {name.replace(".parametrizations.weight.0", ""): part for name, part in found.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_the_sum(tmp_path: Path, family: str) -> None:
    """With W' = W + 2 B A and the gradient G of W', that of A is 2 B'G and that of B is 2 GA'."""
    encoder = load(Source(str(checkpoint(tmp_path, family))))
    names = [name for name, _ in encoder.base.named_parameters()]
    before = loss(encoder).item()
    low_rank.adapt(encoder, 3, 0, "recipe.target.lora")
    assert loss(encoder).item() == before, "nothing is added at first"
    thin = products(encoder)
    assert len(thin) >= 4
    for part in thin.values():
        nn.init.normal_(part.b, std=0.1)
    summed = loss(encoder)
    assert summed.item() != pytest.approx(before)
    summed.backward()
    trained = {name for name, weight in encoder.base.named_parameters() if weight.grad is not None}
    assert {name.rpartition(".")[2] for name in trained} == {"a", "b"}
    low_rank.merge(encoder)
    assert set(names) == {name for name, _ in encoder.base.named_parameters()}, "an encoder like any other one"
    encoder.base.requires_grad_(True)
    again = loss(encoder)
    torch.testing.assert_close(again.detach(), summed.detach())
    again.backward()
    weights = dict(encoder.base.named_parameters())
    pulled = {name: part for name, part in thin.items() if weights[f"{name}.weight"].grad is not None}
    assert len(pulled) >= 4
    for name, part in pulled.items():
        whole = weights[f"{name}.weight"].grad
        torch.testing.assert_close(part.a.grad, low_rank.SCALE * part.b.T @ whole, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(part.b.grad, low_rank.SCALE * whole @ part.a.T, rtol=1e-3, atol=1e-4)


def test_frozen_layers_get_none(tmp_path: Path) -> None:
    encoder = load(Source(str(checkpoint(tmp_path, "bert"))))
    freeze(encoder, 1, "recipe.target.freeze")
    low_rank.adapt(encoder, 2, 0, "recipe.target.lora")
    assert products(encoder)
    assert not [name for name in products(encoder) if ".layer.0." in f".{name}"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (model,) = (folder / "models").iterdir()
    return dict(load(Source(str(model))).base.named_parameters())


def test_a_cell_moves_the_matrices_of_the_layers_by_as_much_as_the_rank(run_tiny: Callable[..., Any]) -> None:
    options = ("recipe.intermediate.lora=2", "recipe.target.lora=1", "recipe.target.freeze=null")
    run_tiny("+intermediate=mnli", "+target=xnli", *options)
    planned = plan(cell_of(*TINY, "+intermediate=mnli", "+target=xnli", *options))
    before, between, after = (
        weights(run_tiny.output / "stages" / stage.key)  # type: ignore[attr-defined]
        for stage in planned.final.chain()[:3]
    )
    moved = 0
    for rank, old, new in ((2, before, between), (1, between, after)):
        for name, weight in new.items():
            matrix = ".layer." in f".{name}" and name.endswith("weight") and weight.ndim == 2
            if not matrix:
                assert torch.equal(old[name], weight), name
                continue
            sizes = torch.linalg.svdvals((weight - old[name]).double().detach())
            assert sizes[rank] < 1e-3 * sizes[0] or sizes[0] == 0, name
            moved += int(sizes[0] > 0)
    assert moved > 10


def test_a_killed_training_goes_on_where_it_was(
    launch: Callable[..., Any], run_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    arguments = ("+target=xnli", "recipe.target.lora=2", "baseline=false")
    begun(run_tiny.output, tmp_path / "out")  # type: ignore[attr-defined]
    siege(launch, tmp_path / "out", arguments, [(die_in_step, "none > mnli", 4, "Checkpoint")])
    run_tiny(*arguments)
    assert trained(tmp_path / "out", *arguments) == trained(run_tiny.output, *arguments)  # type: ignore[attr-defined]


def test_shots_are_learnt_by_low_rank_too(run_tiny: Callable[..., Any]) -> None:
    few = (
        "+target=udpos",
        "recipe.target.max_steps=3",
        "evaluation.floors=false",
        "shots.k=8",
        "shots.learning_rate=5e-3",
    )
    whole, thin = (run_tiny(*few, f"recipe.target.lora={rank}")["comparison"] for rank in ("null", "2"))
    assert [line["value"] for line in whole] != [line["value"] for line in thin]


def test_without_a_rank_keys_are_as_they_were() -> None:
    stage = plan(cell_of(*TINY, "+target=xnli")).final.chain()[1]
    assert "lora" not in stage.identity["tasks"][0]["recipe"]
    floors = [
        plan(cell_of(*TINY, "+target=xnli", "evaluation.random_init=true", f"recipe.target.lora={rank}"))
        for rank in ("null", "4")
    ]
    assert len({planned.random.key for planned in floors if planned.random}) == 1, "a floor is trained whole"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("recipe.target.lora=0",), r"recipe\.target\.lora=0"),
        (("recipe.target.lora=x",), r"recipe\.target\.lora=x"),
        (("recipe.target.lora=2", "recipe.target.selection=average"), r"lora=2 is refused: the mean of the weights"),
        (("recipe.target.lora=2", "evaluation.rules=[best]"), r"lora=2 is refused: evaluation\.rules keep"),
    ],
)
def test_what_has_no_meaning_is_refused(options: tuple[str, ...], said: str) -> None:
    with pytest.raises(StiltsError, match=said):
        plan(cell_of(*TINY, "+target=xnli", *options))


def test_layers_that_share_weights_are_refused() -> None:
    config = AlbertConfig(vocab_size=20, embedding_size=8, hidden_size=8, num_attention_heads=2, intermediate_size=8)
    with pytest.raises(StiltsError, match=r"recipe\.target\.lora=2 is refused: albert has no list of layers"):
        low_rank.adapt(Encoder(AlbertModel(config), None), 2, 0, "recipe.target.lora")


def test_layers_without_linear_maps_are_refused() -> None:
    config = SqueezeBertConfig(
        vocab_size=20, hidden_size=8, embedding_size=8, num_attention_heads=2, intermediate_size=8
    )
    with pytest.raises(
        StiltsError, match=r"recipe\.target\.lora=2 is refused: the layers of squeezebert have no linear"
    ):
        low_rank.adapt(Encoder(SqueezeBertModel(config), None), 2, 0, "recipe.target.lora")

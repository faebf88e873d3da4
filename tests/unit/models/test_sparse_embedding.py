"""An embedding of which some rows are trained against one that is trained whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.encoders import FAMILIES, bare_encoder, features_of

from stilts_xtreme.models import sparse_embedding
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.models.sparse_embedding import CompactEmbedding
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.module import Optimisation, Step
from stilts_xtreme.tasks.options import HeadOptions


def features(seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    rows = [[[0, *generator.integers(5, 60, size), 2]] for size in (7, 3, 19, 12)]
    found = features_of(rows)
    found.labels = {"label": ("unit", np.asarray([0, 1, 2, 1]))}
    return found


def train(encoder: Encoder, decay: float, steps: int = 6) -> Any:
    torch.manual_seed(1)
    module = format_of("classification").module()(encoder, ("a", "b", "c"), HeadOptions(max_length=64)).train()
    module.optimisation = Optimisation(1e-2, steps, 0, decay, 1e-3, 1.0, 0, 8192)
    parts = module.configure_optimizers()
    module.optimizers = lambda: [part["optimizer"] for part in parts]
    module.lr_schedulers = lambda: [part["lr_scheduler"] for part in parts]
    module.manual_backward = lambda loss: loss.backward()
    whole = features()
    for step in range(steps):
        module.training_step(Step("x", whole, np.arange(len(whole)), step), step)
    return parts[0]["optimizer"]


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_whole_embedding_ends_the_same(family, decay):
    ends = []
    for small in (False, True):
        encoder = bare_encoder(family)
        before = encoder.base.get_input_embeddings().weight.detach().clone()
        if small:
            assert sparse_embedding.shrink(encoder, [features().ids])
        optimizer = train(encoder, decay)
        if small:
            sizes = [weight.shape[0] for group in optimizer.param_groups for weight in group["params"]]
            assert len(before) not in sizes  # no moments for rows that nobody meets
        sparse_embedding.restore(encoder)
        assert type(encoder.base.get_input_embeddings()) is torch.nn.Embedding
        ends.append({name: value.clone() for name, value in encoder.state_dict().items()})
    assert ends[0].keys() == ends[1].keys()
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, atol=1e-6, rtol=1e-6, msg=name)
    left = encoder.base.get_input_embeddings().weight
    assert torch.equal(left[90], before[90]) == (decay == 0)
    assert not torch.equal(left[int(features().ids[1])], before[int(features().ids[1])])


@pytest.mark.parametrize("padding", [None, 5])
def test_gradients_of_several_micro_batches_and_steps_are_those_of_an_embedding(padding):
    torch.manual_seed(0)
    plain = torch.nn.Embedding(12, 4, padding_idx=padding)
    small = CompactEmbedding(plain, torch.tensor([1, 5, 7, 9]))
    steps = [[[[1, 5, 5], [7, 1, 1]], [[9, 9, 5]]], [[[1, 7, 5]]], [[[7, 7, 7]], [[5, 9, 7]]]]
    for step in steps:
        plain.zero_grad()
        small.zero_grad()
        for ids in step:
            weights = torch.randn(len(ids), 3, 4)
            for module in (plain, small):
                (module(torch.tensor(ids)) * weights).sum().backward()
        torch.testing.assert_close(small.weight.grad, plain.weight.grad[[1, 5, 7, 9]])
        small.weight.grad.mul_(0.5)  # as clipping does


def test_rows_met_only_in_evaluation_are_frozen_not_missing():
    whole, small = bare_encoder(), bare_encoder()
    sparse_embedding.shrink(small, [features().ids])
    for encoder in (whole, small):
        train(encoder, 0.3, steps=3)
        encoder.eval()
    new = features_of([[[0, 300, 301, 9, 2]], [[0, 350, 2]]]).take(np.arange(2))
    with torch.no_grad():
        torch.testing.assert_close(small(new), whole(new), atol=1e-5, rtol=1e-5)


def test_what_a_checkpoint_holds_brings_it_back():
    one = bare_encoder()
    sparse_embedding.shrink(one, [features().ids])
    train(one, 0.3, steps=3)
    two = bare_encoder()
    sparse_embedding.shrink(two, [features().ids])
    two.load_state_dict(one.state_dict(), strict=True)
    for encoder in (one, two):
        sparse_embedding.restore(encoder)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


def test_an_embedding_that_is_met_whole_stays():
    encoder = bare_encoder()
    rows = encoder.base.get_input_embeddings().num_embeddings
    assert not sparse_embedding.shrink(encoder, [np.arange(rows)])
    assert not isinstance(encoder.base.get_input_embeddings(), CompactEmbedding)


def test_an_embedding_that_computes_something_else_stays():
    """I-BERT's QuantEmbedding is no ``nn.Embedding``, and a subclass may compute something else of its weights."""

    class Scaled(torch.nn.Embedding):
        def forward(self, ids):
            return 2 * super().forward(ids)

    for own in (Scaled(40, 8), torch.nn.Linear(40, 8)):
        base = torch.nn.Module()
        base.get_input_embeddings = lambda own=own: own
        assert not sparse_embedding.shrink(type("Bare", (), {"base": base})(), [np.array([1, 2])])

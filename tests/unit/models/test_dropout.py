"""Dropout with fewer random bits drops as often, scales as torch does, and repeats with the seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.encoders import bare_encoder, features_of
from torch.utils.checkpoint import checkpoint

from stilts_xtreme.models import packing
from stilts_xtreme.models.dropout import Dropout, dropout, weighted


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_rate_scale_and_gradient(rate):
    torch.manual_seed(0)
    values = torch.ones(4, 250_003, requires_grad=True)
    found = dropout(values, rate)
    kept = found != 0
    expected = (rate * (1 - rate) / values.numel()) ** 0.5
    assert abs(float((~kept).float().mean()) - rate) < 5 * expected
    for part in range(4):  # of the four draws of a word none is another's
        assert abs(float((~kept[:, part::4]).float().mean()) - rate) < 12 * expected
    torch.testing.assert_close(found[kept], torch.full_like(found[kept], 1 / (1 - rate)), atol=1e-3, rtol=1e-3)
    assert float(found.detach().mean()) == pytest.approx(1, abs=6 * expected / (1 - rate))
    found.sum().backward()
    torch.testing.assert_close(values.grad, found.detach())


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    gone = (dropout(torch.ones(400_000), 0.5) == 0).float() - 0.5
    for distance in (1, 2, 3, 4, 8):
        assert abs(float((gone[distance:] * gone[:-distance]).mean())) < 0.003


def test_a_seed_repeats_it_and_nothing_else_does():
    values = torch.randn(3, 7, 5)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(dropout(values, 0.3))
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("rate", [0.0, 1.0, 1e-9])
def test_all_and_nothing(rate):
    values = torch.randn(9)
    torch.testing.assert_close(dropout(values, rate), values * (rate < 0.5))


def test_only_in_training_and_in_any_precision():
    module = Dropout(0.5)
    values = torch.ones(1000, dtype=torch.bfloat16)
    found = module(values)
    assert found.dtype == torch.bfloat16
    assert set(found.tolist()) == {0.0, 2.0}
    assert module.eval()(values) is values
    assert dropout(torch.empty(0, 3), 0.1).shape == (0, 3)


def test_what_is_computed_again_for_a_gradient_drops_the_same():
    torch.manual_seed(0)
    weight = torch.randn(8, 8, requires_grad=True)
    found = checkpoint(lambda w: dropout(w @ w, 0.5) @ w, weight, use_reentrant=False).sum()
    found.backward()
    torch.manual_seed(0)
    torch.randn(8, 8)
    other = weight.detach().clone().requires_grad_()
    (dropout(other @ other, 0.5) @ other).sum().backward()
    torch.testing.assert_close(weight.grad, other.grad)


def test_packed_encoders_have_it_and_padded_ones_torchs():
    padded, packed = (bare_encoder("xlm-roberta", hidden_dropout_prob=0.2) for _ in range(2))
    packed.packed = packing.use(packed.base)
    kinds = [{type(m) for m in e.base.modules() if isinstance(m, torch.nn.Dropout)} for e in (padded, packed)]
    assert kinds == [{torch.nn.Dropout}, {Dropout}]
    batch = features_of([[[0, 5, 6, 7, 2]]], types=False).take(np.arange(1))
    packed.train()
    assert not torch.equal(packed(batch), packed(batch))
    packed.eval()
    assert torch.equal(packed(batch), packed(batch))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_dropped_attention_is_the_plain_expression_to_the_last_bit(rate):
    """Values and gradients; and of the large tensors less is held until the backward pass."""

    def run(work):
        torch.manual_seed(5)
        scores = torch.randn(3, 4, 17, 17, requires_grad=True)
        value = torch.randn(3, 4, 17, 8, requires_grad=True)
        held = 0

        def hold(tensor):
            nonlocal held
            held += tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            outcome = work(torch.softmax(scores, -1), value)
        (outcome * torch.arange(8)).sum().backward()
        return (outcome, scores.grad, value.grad), held

    plain, before = run(lambda weights, value: torch.matmul(dropout(weights, rate), value))
    ours, after = run(lambda weights, value: weighted(weights, value, rate))
    for one, other in zip(plain, ours, strict=True):
        assert torch.equal(one, other)
    assert after < before if rate else after == before

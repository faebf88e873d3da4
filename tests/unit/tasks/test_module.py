"""A step in pieces equals the whole step, for every head and for several at once; the optimiser and its schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.encoders import bare_encoder, unigram
from support.features import LABELS, options
from support.heads import ROWS, module_of

from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.joint import JointModule
from stilts_xtreme.tasks.module import Optimisation, StageModule, Step


def gradients(module: StageModule, step: Step, **how: Any) -> tuple[float, list[torch.Tensor]]:
    settings = {"budget": 8192, "accumulation": None, **how}
    module.optimisation = Optimisation(1e-3, 10, 1, 0.0, 1e-8, 1.0, 0, **settings)
    module.zero_grad()
    module.manual_backward = lambda loss: loss.backward()
    loss = float(module._accumulate(step))
    return loss, [weight.grad.clone() for weight in module.parameters() if weight.grad is not None]


@pytest.mark.parametrize("kind", ["classification", "qa", "tagging", "choice"])
def test_a_step_does_not_depend_on_its_pieces(kind):
    module = module_of(kind)
    with torch.no_grad():  # smaller weights keep the gradients near one
        for weight in module.parameters():
            weight.mul_(0.5)
    features = module.features(ROWS[kind], unigram())
    step = Step(kind, features, np.arange(len(features))[::-1][:-1].copy(), 0)
    pieces = []
    original = features.take
    features.take = lambda chosen, task="": pieces.append(len(chosen)) or original(chosen, task)
    loss, expected = gradients(module, step, budget=10**9)
    assert len(expected) > 20
    largest = max(float(part.abs().max()) for part in expected)
    assert largest > 1e-5
    for how, number in (({"budget": 1}, len(step.units)), ({"accumulation": 3}, 3), ({"budget": 64}, None)):
        pieces.clear()
        again, found = gradients(module, step, **how)
        micro = pieces[1:] if kind == "tagging" else pieces  # counting the words takes the units once
        assert sum(micro) == len(step.units)
        assert number is None or len(micro) == number
        assert again == pytest.approx(loss, rel=1e-5)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, atol=min(1e-5, 1e-3 * largest), rtol=1e-3)


def test_more_pieces_than_units_is_one_piece_each():
    module = module_of("classification")
    features = module.features(ROWS["classification"], unigram())
    step = Step("x", features, np.asarray([4, 2]), 0)
    module.optimisation = Optimisation(1e-3, 10, 1, 0.0, 1e-8, 1.0, 0, 8192, 5)
    assert [len(batch.units) for batch in module.micro_batches(step)] == [1, 1]


def test_a_joint_module_hands_steps_to_their_heads():
    encoder = bare_encoder()
    heads = {
        f"{kind}.x": format_of(kind).module()(encoder, LABELS[kind], options())
        for kind in ("classification", "tagging", "qa")
    }
    joint = JointModule(encoder, heads).eval()
    assert joint.head("qa.x") is heads["qa.x"]
    for name, head in heads.items():
        features = head.features(ROWS[name[:-2]], unigram())
        step = Step(name, features, np.arange(len(features)), 0)
        loss, found = gradients(joint, step)
        alone, expected = gradients(head, step)
        assert loss == pytest.approx(alone, rel=1e-6)
        assert len(found) == len(expected)
    names = [name for name, _ in joint.named_parameters()]
    assert sum("word_embeddings" in name for name in names) == 1


def test_no_decay_on_biases_and_norms():
    module = module_of("classification")
    module.optimisation = Optimisation(1e-3, 10, 2, 0.1, 1e-8, 1.0, 0, 8192)
    (found,) = module.configure_optimizers()
    decayed, plain = found["optimizer"].param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    weights = {id(weight): name for name, weight in module.named_parameters()}
    exempt = {name for name in weights.values() if name.endswith("bias") or "LayerNorm" in name}
    assert {weights[id(weight)] for weight in plain["params"]} == exempt
    assert {weights[id(weight)] for weight in decayed["params"]} == set(weights.values()) - exempt
    rates = []
    for _ in range(11):
        rates.append(found["lr_scheduler"].get_last_lr()[0] / 1e-3)
        found["optimizer"].step()
        found["lr_scheduler"].step()
    assert rates == pytest.approx([0, 0.5, 1, *(1 - at / 8 for at in range(1, 9))])

"""Packed batches against padded ones: the same hidden states, losses, gradients and weights."""

from __future__ import annotations

import copy
import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoders import FAMILIES, bare_encoder, features_of
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from stilts_xtreme.models import packing
from stilts_xtreme.models.dropout import dropout
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.models.packed_layout import NARROWEST, SHORT, layout
from stilts_xtreme.models.packing import PACKABLE
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.module import Optimisation, Step
from stilts_xtreme.tasks.options import HeadOptions

PACKED = tuple(family for family in FAMILIES if family in PACKABLE)
SIZES = (7, 1, 110, 19, 100, 3, 11, 40)
"""Several groups: the longest are side by side, and so are the short ones."""


def pair(family: str, **changes: Any) -> tuple[Encoder, Encoder]:
    """The same encoder padded and packed."""
    padded = bare_encoder(family, **changes)
    packed = copy.deepcopy(padded)
    packed.packed = packing.use(packed.base)
    return padded, packed


def units(sizes: tuple[int, ...] = SIZES, types: bool = True, sequences: int = 1) -> Any:
    generator = np.random.default_rng(0)
    rows = [[0, *generator.integers(5, 400, size), 2] for size in sizes]
    return features_of([rows[at : at + sequences] for at in range(0, len(rows), sequences)], types=types)


@pytest.mark.parametrize("family", PACKED)
@pytest.mark.parametrize("layer", [None, 0, 1])
def test_hidden_states_equal_padded_ones(family, layer):
    padded, packed = pair(family)
    batch = units(types=family == "bert").take(np.arange(len(SIZES)))
    with torch.no_grad():
        torch.testing.assert_close(packed(batch, layer), padded(batch, layer), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("family", PACKED)
def test_first_tokens_equal_those_of_the_whole_last_layer(family):
    padded, packed = pair(family)
    batch = units(types=family == "bert").take(np.asarray([3, 1, 0, 2, 7, 5, 6, 4]))
    firsts = torch.cumsum(batch.lengths, 0) - batch.lengths
    layers = packed.base.encoder.layer
    with torch.no_grad():
        torch.testing.assert_close(packed.first_tokens(batch), padded(batch)[firsts], atol=2e-5, rtol=2e-5)
    assert packed.base.encoder.layer is layers


@pytest.mark.parametrize("family", PACKED)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_tokens_equal_those_of_the_whole_last_layer(family, share):
    padded, packed = pair(family)
    batch = units(types=family == "bert").take(np.asarray([3, 1, 0, 2, 7, 5, 6, 4]))
    torch.manual_seed(0)
    wanted = (torch.rand(len(batch.ids)) < share).nonzero()[:, 0]
    wanted = wanted[torch.randperm(len(wanted))]
    found, expected = packed.tokens(batch, wanted), padded(batch)[wanted]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=2e-5)
    for hidden in (found, expected):
        hidden.square().sum().backward()
    for kind in ("query", "key", "value"):
        gradients = [
            getattr(encoder.base.encoder.layer[-1].attention.self, kind).weight.grad for encoder in (packed, padded)
        ]
        torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def test_tagging_computes_of_the_last_layer_what_tagged_words_want():
    _, packed = pair("xlm-roberta")
    last, seen = packed.base.encoder.layer[-1], []
    features = labelled("tagging")
    batch = features.take(np.arange(len(features)))
    module = head("tagging", packed)
    last.output.register_forward_hook(lambda module, given, output: seen.append(output.shape[-2]))
    module.loss(batch)
    assert seen == [int((batch.labels["tag"] >= 0).sum())]


def head(kind: str, encoder: Encoder) -> Any:
    torch.manual_seed(1)
    names = ("a", "b", "c") if kind in ("classification", "tagging") else ()
    return format_of(kind).module()(encoder, names, HeadOptions(max_length=128)).eval()


def labelled(kind: str) -> Any:
    generator = np.random.default_rng(1)
    features = units(types=False, sequences=2 if kind == "choice" else 1)
    count = len(features)
    if kind == "classification":
        features.labels = {"label": ("unit", generator.integers(0, 3, count))}
    elif kind == "choice":
        features.labels = {"label": ("unit", generator.integers(0, 2, count))}
    elif kind == "tagging":
        tags = np.where(generator.random(len(features.ids)) < 0.5, -100, generator.integers(0, 3, len(features.ids)))
        features.labels = {"tag": ("token", tags)}
    else:
        ends = features.lengths - 1
        features.labels = {"start": ("unit", ends // 2), "end": ("unit", ends)}
    return features


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", ["classification", "qa", "tagging", "choice"])
def test_a_training_ends_with_the_same_weights(kind, checkpointing, decay):
    ends = []
    for encoder in pair("xlm-roberta"):
        if checkpointing:
            encoder.base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        module = head(kind, encoder).train()
        # a plain optimiser: Adam's first steps are signs of gradients, which rounding alone turns where they are 0
        module.optimisation = Optimisation(1e-2, 5, 0, decay, 1e-3, 1.0, 0, 300)
        parts = module.configure_optimizers()
        module.optimizers = lambda parts=parts: [part["optimizer"] for part in parts]
        module.lr_schedulers = lambda parts=parts: [part["lr_scheduler"] for part in parts]
        module.manual_backward = lambda loss: loss.backward()
        features = labelled(kind)
        losses = [
            float(module.training_step(Step(kind, features, np.arange(len(features)), step), step)) for step in range(5)
        ]
        ends.append((losses, {name: value.detach() for name, value in module.state_dict().items()}))
    (losses, weights), (packed_losses, packed_weights) = ends
    np.testing.assert_allclose(packed_losses, losses, rtol=2e-5)
    assert losses[0] != losses[-1]
    for name, value in weights.items():
        torch.testing.assert_close(packed_weights[name], value, atol=2e-4, rtol=2e-3, msg=name)


@pytest.mark.parametrize("family", PACKED)
def test_gradients_equal_padded_ones(family):
    found = []
    for encoder in pair(family):
        batch = units(types=family == "bert").take(np.arange(len(SIZES)))
        weights = torch.linspace(-1, 1, encoder.config.hidden_size)
        loss = (encoder(batch).pow(2) * weights).sum() + (encoder.first_tokens(batch) * weights).sum()
        loss.backward()
        found.append({name: value.grad for name, value in encoder.named_parameters() if value.grad is not None})
    assert found[0].keys() == found[1].keys()
    largest = max(float(gradient.abs().max()) for gradient in found[0].values())
    for name, gradient in found[0].items():
        # the gradient of the keys' bias is 0 but for rounding: softmax does not see what is added to every score
        scale = max(float(gradient.abs().max()), 1e-3 * largest)
        torch.testing.assert_close(found[1][name] / scale, gradient / scale, atol=1e-4, rtol=1e-4, msg=name)


def test_dropout_falls_on_attention():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 9, 4)
    plan = layout(torch.tensor([9]))
    torch.manual_seed(3)
    found, _ = packing.attend(torch.nn.Identity(), query, key, value, None, 0.5, None, plan)
    torch.manual_seed(3)
    weights = torch.softmax(query @ key.transpose(-1, -2) / 2, -1)
    expected = dropout(weights, 0.5) @ value
    torch.testing.assert_close(found, expected.transpose(1, 2))
    assert not torch.allclose(expected, weights @ value)


def test_dropout_of_the_last_layer_falls_on_first_tokens():
    _, packed = pair("xlm-roberta", dropout=0.5)
    batch = units(types=False).take(np.arange(len(SIZES)))
    packed.train()
    one, two = (packed.first_tokens(batch) for _ in range(2))
    assert not torch.allclose(one, two)
    packed.eval()
    torch.testing.assert_close(packed.first_tokens(batch), packed.first_tokens(batch), atol=0, rtol=0)


def test_the_last_layer_of_first_tokens_under_dropout_is_that_of_all_tokens(monkeypatch):
    """Weights that dropout has changed do not add up to 1; every other one is dropped here."""
    _, packed = pair("xlm-roberta", dropout=0.5)
    monkeypatch.setattr(packing, "drop", lambda weights, rate: weights * 2 * (torch.arange(weights.shape[-1]) % 2))
    batch = units(types=False).take(np.arange(len(SIZES)))
    plan = layout(batch.lengths)
    layer = packed.base.encoder.layer[-1].train()
    layer.attention.output.dropout.p = layer.output.dropout.p = 0.0
    own = layer.attention.self
    torch.manual_seed(0)
    for project in (own.query, own.key, own.value):
        torch.nn.init.normal_(project.bias)
    hidden = torch.randn(len(batch.ids), packed.config.hidden_size)
    found = packing.last_layer_first_tokens(layer, hidden, plan)
    for number, tokens in enumerate(hidden.split(batch.lengths.tolist())):
        heads = [project(tokens).view(len(tokens), own.num_attention_heads, -1) for project in (own.key, own.value)]
        asked = own.query(tokens[0]).view(own.num_attention_heads, -1)
        weights = torch.softmax(torch.einsum("hd,whd->hw", asked, heads[0]) * own.scaling, -1)
        outcome = torch.einsum("hw,whd->hd", packing.drop(weights, 0.5), heads[1]).reshape(1, -1)
        expected = layer.feed_forward_chunk(layer.attention.output(outcome, tokens[:1]))
        torch.testing.assert_close(found[number : number + 1], expected)


def one_by_one(query, key, value, query_offsets, key_offsets, most_queries, most_keys):
    """What flash attention computes, a sequence at a time."""
    assert query_offsets.dtype == key_offsets.dtype == torch.int32
    sizes, widths = query_offsets.diff().tolist(), key_offsets.diff().tolist()
    assert (max(sizes), max(widths)) == (most_queries, most_keys)
    assert (sum(sizes), sum(widths)) == (len(query), len(key)) == (len(query), len(value))
    parts = zip(query.split(sizes), key.split(widths), value.split(widths), strict=True)
    return torch.cat([scaled_dot_product_attention(*(p.transpose(0, 1) for p in own)).transpose(0, 1) for own in parts])


@pytest.mark.parametrize("family", PACKED)
def test_flash_attention_is_given_what_it_wants(family, monkeypatch):
    """There is none on a processor, so another function that computes the same stands in for it."""
    padded, packed = pair(family)
    batch = units(types=family == "bert").take(np.arange(len(SIZES)))
    expected = [padded(batch), padded(batch, 1), padded(batch)[batch.firsts()]]
    calls = []

    def flash(*arguments):
        calls.append(arguments[5])
        return one_by_one(*arguments)

    monkeypatch.setattr(packing, "_flashes", lambda query, dropout, scaling: True)
    monkeypatch.setattr(packing, "_flash", flash)
    found = [packed(batch), packed(batch, 1), packed.first_tokens(batch)]
    torch.testing.assert_close(packed.tokens(batch, batch.firsts()), expected[2], atol=2e-5, rtol=1e-4)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)
    layers = packed.config.num_hidden_layers
    assert len(calls) == 4 * layers
    assert calls.count(1) == (family in packing.POST_NORM)
    found[2].square().sum().backward()
    expected[2].square().sum().backward()
    weight, other = (encoder.base.encoder.layer[0].attention.self.key.weight.grad for encoder in (packed, padded))
    torch.testing.assert_close(weight, other, atol=1e-4, rtol=1e-3)


def test_flash_attention_is_for_gpus_alone():
    query = torch.zeros(1, 2, 3, 8, dtype=torch.bfloat16)
    assert not packing._flashes(query, 0.0, None)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_every_token_has_a_place_of_its_own(lengths):
    plan = layout(torch.tensor(lengths))
    total, places = sum(lengths), sum(a * b for a, b in (group.shape for group in plan.groups))
    taken = sorted([*plan.places.tolist(), *plan.padding.tolist()])
    assert taken == list(range(places))
    assert plan.take[plan.places].tolist() == list(range(total))
    assert sorted(at for group in plan.groups for at in group.members.tolist()) == list(range(len(lengths)))
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    assert plan.firsts.tolist() == starts.tolist()
    assert plan.offsets.tolist() == [*starts.tolist(), total]
    assert plan.longest == max(lengths)
    assert plan.positions.tolist() == [at for length in lengths for at in range(length)]
    for group in plan.groups:
        sizes = [lengths[at] for at in group.members.tolist()]
        assert group.shape == (len(sizes), max(sizes))
        assert max(sizes) <= SHORT or min(sizes) >= NARROWEST * max(sizes)


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
def test_others_stay_padded_and_say_so(family, caplog):
    encoder = bare_encoder(family)
    implementation = encoder.config._attn_implementation
    with caplog.at_level(logging.INFO):
        assert packing.use(encoder.base) is False
    assert family in caplog.text
    assert encoder.config._attn_implementation == implementation


def test_a_prepared_model_still_takes_padded_batches():
    padded, packed = pair("xlm-roberta")
    ids = torch.tensor([[0, 9, 8, 2, 1, 1], [0, 5, 6, 7, 8, 2]])
    inputs = {"input_ids": ids, "attention_mask": (ids != 1).long()}
    with torch.no_grad():
        expected, found = (encoder.base(**inputs).last_hidden_state for encoder in (padded, packed))
    torch.testing.assert_close(found[ids != 1], expected[ids != 1], atol=1e-6, rtol=1e-6)


def test_padding_is_left_out_of_everything_but_attention():
    _, packed = pair("xlm-roberta")
    seen: list[int] = []
    layer = packed.base.encoder.layer[0]
    layer.intermediate.register_forward_hook(lambda *parts: seen.append(parts[1][0].shape[1]))
    batch = units(types=False).take(np.arange(len(SIZES)))
    packed(batch)
    assert seen == [int(batch.lengths.sum())]


def test_a_loss_on_first_tokens_reaches_every_token():
    _, packed = pair("xlm-roberta")
    batch = units(types=False).take(np.arange(3))
    states: dict[str, torch.Tensor] = {}

    def keep(_: Any, __: Any, output: torch.Tensor) -> None:
        output.retain_grad()
        states["embedded"] = output

    packed.base.embeddings.register_forward_hook(keep)
    logits = packed.first_tokens(batch)[:, :3]
    cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    assert states["embedded"].grad is not None
    assert bool((states["embedded"].grad[0].abs().sum(-1) > 0).all())


def test_the_configuration_is_saved_without_the_name(tmp_path):
    _, packed = pair("xlm-roberta")
    packed.base.save_pretrained(tmp_path)
    assert packing.NAME not in (tmp_path / "config.json").read_text()
    assert SimpleNamespace(**packed.config.to_dict()).model_type == "xlm-roberta"


def test_padding_gets_no_weight_where_dropout_is_drawn():
    torch.manual_seed(0)
    lengths = torch.tensor([3, 9, 5])
    query, key, value = torch.randn(3, 1, 2, 17, 4)
    plan = layout(lengths)
    hardly, _ = packing.attend(torch.nn.Identity(), query, key, value, None, 1e-12, None, plan)
    never, _ = packing.attend(torch.nn.Identity(), query, key, value, None, 0.0, None, plan)
    torch.testing.assert_close(hardly, never)

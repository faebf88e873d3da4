"""Every head against plain definitions: losses, the longest sequence, and predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.encoders import FAMILIES, FAMILY_OF, TOKENIZERS, bare_encoder, unigram
from support.features import CLASSES, options
from support.heads import ROWS, inputs_of, module_of, spec, whole_batch
from torch.nn.functional import log_softmax
from torch.nn.utils.rnn import pad_sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.hf_heads import assemble
from stilts_xtreme.models.positions import position_limit
from stilts_xtreme.tasks import format_of, formats, predictions
from stilts_xtreme.tasks.module import Step
from stilts_xtreme.training.predict import predict

SCORED = [name for name, format in formats().items() if format.metrics]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_loss_equals_hugging_faces(kind, tokenizer):
    module = module_of(kind, FAMILY_OF[tokenizer])
    features = module.features(ROWS[kind], TOKENIZERS[tokenizer]())
    batch = whole_batch(features)
    step = Step(kind, features, np.arange(len(features)), 0)
    whole = assemble(module.encoder, module.head).eval()
    labels = batch.labels["label" if kind == "classification" else "tag"]
    if kind == "tagging":
        labels = pad_sequence(labels.split(batch.lengths.tolist()), batch_first=True, padding_value=-100)
        assert module.terms(step) == sum(map(len, ROWS[kind]["tokens"]))
    with torch.no_grad():
        expected = whole(**inputs_of(batch), labels=labels)
        found = module.loss(batch) / module.terms(step)
    torch.testing.assert_close(found, expected.loss, atol=1e-5, rtol=1e-5)
    if kind == "classification":
        rows = log_softmax(expected.logits, -1)
        by_hand = -sum(rows[at, label] for at, label in enumerate(ROWS[kind]["label"])) / len(rows)
    else:
        rows = log_softmax(expected.logits, -1)
        terms = [-rows[a, b, tag] for a, row in enumerate(labels.tolist()) for b, tag in enumerate(row) if tag != -100]
        by_hand = sum(terms) / len(terms)
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("family", "limit"), [("xlm-roberta", 128), ("roberta", 128), ("xlm-roberta-xl", 128)])
def test_positions_behind_the_padding_id(family, limit):
    encoder = bare_encoder(family)
    assert position_limit(encoder) == limit
    format_of("classification").module()(encoder, CLASSES, options(max_length=limit))
    with pytest.raises(StiltsError, match=f"max_length={limit + 1} .* {limit} tokens"):
        format_of("classification").module()(encoder, CLASSES, options(max_length=limit + 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_sequence_can_be_encoded(family):
    encoder = bare_encoder(family)
    limit = position_limit(encoder)
    assert limit in (128, 130)
    ids = np.full(limit, 7, np.int64)
    features = Features(ids, np.asarray([limit]), np.asarray([1]))
    with torch.no_grad():
        assert encoder(whole_batch(features)).shape == (limit, 32)
    if family in ("bert", "roberta", "xlm-roberta", "xlm-roberta-xl"):
        longer = Features(np.full(limit + 1, 7), np.asarray([limit + 1]), np.asarray([1]))
        with pytest.raises((IndexError, RuntimeError)), torch.no_grad():
            encoder(whole_batch(longer))


def test_a_tiny_max_length_is_refused():
    with pytest.raises(StiltsError, match="max_length=7"):
        format_of("qa").module()(bare_encoder(), (), options(max_length=7))


@pytest.mark.parametrize("kind", SCORED)
def test_predictions_do_not_depend_on_the_budget(kind):
    module = module_of(kind).train()
    features = module.features(ROWS[kind], unigram())
    expected = None
    for budget in (1, 20, 10**6):
        found = predict(module, features, spec(budget), None)
        assert module.training
        assert all(len(array) == features.count(module.over) for array in found)
        if expected is None:
            expected = found
            one_by_one = []
            module.eval()
            with torch.no_grad():
                for unit in range(len(features)):
                    one_by_one.append(module.arrays(features.take(np.asarray([unit]))))
            module.train()
            for position, array in enumerate(found):
                np.testing.assert_allclose(array, np.concatenate([part[position] for part in one_by_one]), atol=1e-5)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
        one, other = (module.decode(ROWS[kind], features, outputs) for outputs in (found, expected))
        if kind == "bitext":  # pairs with scores, as exact as what they are made of
            assert [score for *_, score in one] == pytest.approx([score for *_, score in other], abs=1e-3)
            one, other = ([pair[:2] for pair in pairs] for pairs in (one, other))
        assert one == other


@pytest.mark.parametrize("kind", SCORED)
def test_no_rows_give_no_predictions(kind, tmp_path):
    module = module_of(kind)
    rows = {name: [] for name in ROWS[kind]}
    features = module.features(rows, unigram())
    assert len(features) == 0
    outputs = predict(module, features, spec(), None)
    like = predict(module, module.features(ROWS[kind], unigram()), spec(), None)
    assert [(o.shape[1:], o.dtype, len(o)) for o in outputs] == [(o.shape[1:], o.dtype, 0) for o in like]
    answers = module.decode(rows, features, outputs)
    assert answers == ({} if kind in ("qa", "ranking") else [])
    predictions.write(tmp_path, "t", "en", kind, answers)
    assert predictions.read(tmp_path, "t", "en", kind, predictions.gold(kind, rows, module.labels)) == answers

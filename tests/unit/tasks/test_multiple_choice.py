"""Multiple choice: pairs of context and choice, and the loss over any number of choices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.encoders import FAMILIES, FAMILY_OF, TOKENIZERS, unigram
from support.features import feature_maker
from support.heads import ROWS, inputs_of, module_of, whole_batch
from torch.nn.functional import cross_entropy, log_softmax

from stilts_xtreme.models.hf_heads import assemble
from stilts_xtreme.tasks import format_of


@pytest.mark.parametrize("family", FAMILIES)
def test_choice_loss_equals_hugging_faces(family):
    module = module_of("choice", family)
    rows = {name: [values[at] for at in (0, 3)] for name, values in ROWS["choice"].items()}
    features = module.features(rows, unigram())
    batch = whole_batch(features)
    whole = assemble(module.encoder, module.head).eval()
    inputs = {name: value.view(2, 2, -1) for name, value in inputs_of(batch).items()}
    with torch.no_grad():
        expected = whole(**inputs, labels=batch.labels["label"]).loss
        torch.testing.assert_close(module.loss(batch) / 2, expected, atol=1e-5, rtol=1e-5)


def test_choice_loss_with_any_number_of_choices():
    module = module_of("choice")
    features = module.features(ROWS["choice"], unigram())
    batch = whole_batch(features)
    with torch.no_grad():
        scores = module.outputs(batch)[0].split(batch.units.tolist())
        by_hand = sum(-log_softmax(part, 0)[label] for part, label in zip(scores, ROWS["choice"]["label"], strict=True))
        torch.testing.assert_close(module.loss(batch), by_hand, atol=1e-5, rtol=1e-5)
    assert [len(part) for part in scores] == [2, 3, 4, 2, 5]
    assert len({round(float(score), 4) for part in scores for score in part}) > 8
    decoded = module.decode(ROWS["choice"], features, [torch.cat(scores).numpy()])
    assert decoded == [str(int(part.argmax())) for part in scores]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_choices_are_paired_with_their_context(name):
    tokenizer = TOKENIZERS[name]()
    module = feature_maker(format_of("choice").module(), FAMILY_OF[name])
    rows = ROWS["choice"]
    features = module.features(rows, tokenizer)
    expected = []
    for context, question, choices in zip(rows["context"], rows["question"], rows["choices"], strict=True):
        for choice in choices:
            pair = (context, f"{question} {choice}" if question else choice) if context else (question, choice)
            expected.append(tokenizer(*pair, truncation=True, max_length=32)["input_ids"])
    sequences = np.split(features.ids, np.cumsum(features.lengths)[:-1])
    assert [part.tolist() for part in sequences] == expected
    assert features.units.tolist() == [2, 3, 4, 2, 5]


def test_grouped_cross_entropy_by_hand():
    from stilts_xtreme.tasks.head import grouped_cross_entropy

    scores = torch.tensor([1.0, 2.0, -1.0, 0.5, 3.0], requires_grad=True)
    found = grouped_cross_entropy(scores, torch.tensor([2, 1, 2]), torch.tensor([0, 0, 1]))
    parts = [cross_entropy(scores[None, a:b], torch.tensor([g])) for a, b, g in ((0, 2, 0), (2, 3, 0), (3, 5, 1))]
    torch.testing.assert_close(found, sum(parts))
    found.backward()
    assert torch.isfinite(scores.grad).all()

"""Classification: single texts and pairs, and the names of the predicted classes."""

from __future__ import annotations

import numpy as np
import pytest
from support.encoders import FAMILY_OF, TOKENIZERS, token_slice, unigram
from support.features import CLASSES, feature_maker
from support.heads import ROWS, module_of

from stilts_xtreme.tasks import format_of, predictions


@pytest.mark.parametrize("name", TOKENIZERS)
def test_pairs_and_single_texts(name):
    tokenizer = TOKENIZERS[name]()
    module = feature_maker(format_of("classification").module(), FAMILY_OF[name], max_length=16)
    rows = ROWS["classification"]
    features = module.features(rows, tokenizer)
    for unit, (a, b) in enumerate(zip(rows["text_a"], rows["text_b"], strict=True)):
        expected = tokenizer(*([a, b] if b else [a]), truncation=True, max_length=16)
        where = token_slice(features, unit)
        assert features.ids[where].tolist() == expected["input_ids"]
        if name == "word_piece":
            assert features.types[where].tolist() == expected["token_type_ids"]
    assert features.lengths.max() == 16
    assert features.labels["label"][1].tolist() == rows["label"]
    assert features.rows.tolist() == list(range(7))


def test_decoded_classes_are_names():
    module = module_of("classification")
    features = module.features(ROWS["classification"], unigram())
    logits = np.eye(3, dtype=np.float32)[ROWS["classification"]["label"]]
    assert module.decode(ROWS["classification"], features, [logits]) == predictions.gold(
        "classification", ROWS["classification"], CLASSES
    )

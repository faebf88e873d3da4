"""Retrieval: vectors against a loop over single texts, and the nearest candidate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.encoders import unigram
from support.heads import ROWS, module_of, spec

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.training.predict import predict


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("layer", [0, 1, 2, None])
def test_retrieval_vectors_equal_a_loop(pooling, layer):
    module = module_of("retrieval", pooling=pooling, layer=layer)
    assert module.head is None
    assert module.layer == (1 if layer is None else layer)  # 14/24 of two layers
    tokenizer = unigram()
    features = module.features(ROWS["retrieval"], tokenizer)
    vectors = predict(module, features, spec(1), None)[0]
    texts = [text.strip() for text in (*ROWS["retrieval"]["text_a"], *ROWS["retrieval"]["text_b"])]
    expected = []
    with torch.no_grad():
        for text in texts:
            output = module.encoder.base(
                **tokenizer(text, return_tensors="pt", truncation=True, max_length=32), output_hidden_states=True
            )
            hidden = output.hidden_states[module.layer][0]
            vector = hidden[0] if pooling == "cls" else hidden.mean(0)
            expected.append((vector / vector.norm()).numpy())
    np.testing.assert_allclose(vectors, np.stack(expected), atol=1e-5)
    nearest = []
    for query in expected[4:]:
        cosines = [float(query @ candidate) for candidate in expected[:4]]
        nearest.append(str(cosines.index(max(cosines))))
    assert module.decode(ROWS["retrieval"], features, [vectors]) == nearest


def test_retrieval_in_chunks(monkeypatch):
    monkeypatch.setattr("stilts_xtreme.models.search.BLOCK_BYTES", 50)
    module = module_of("retrieval")
    generator = np.random.default_rng(0)
    candidates = generator.normal(size=(10, 4)).astype(np.float32)
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    truth = generator.permutation(10)
    vectors = np.concatenate([candidates, candidates[truth]])
    rows = {"text_a": [""] * 10, "text_b": [""] * 10}
    assert module.decode(rows, None, [vectors]) == [str(at) for at in truth]


@pytest.mark.parametrize("layer", [3, -1, 100])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(StiltsError, match=rf"retrieval\.layer={layer} .*hidden_states\[2\]"):
        module_of("retrieval", layer=layer)

"""Counted operations against a formula on paper."""

from __future__ import annotations

import copy

import pytest
import torch
from support.encoders import bare_encoder, features_of

from stilts_xtreme.models import packing
from stilts_xtreme.models.flop_count import counted


def by_hand(config: object, lengths: list[int]) -> int:
    """Four projections of h x h and two of h x i for each token, and two products of L x L x h for each sequence."""
    h, inner, layers = (getattr(config, name) for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    dense = 2 * sum(lengths) * (4 * h * h + 2 * h * inner)
    return layers * (dense + sum(4 * length * length * h for length in lengths))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("length", [3, 17, 90])
def test_an_encoder_does_what_is_counted_on_paper(packed: bool, length: int) -> None:
    encoder = bare_encoder("xlm-roberta").eval()
    if packed:
        encoder = copy.deepcopy(encoder)
        encoder.packed = packing.use(encoder.base)
    batch = features_of([[list(range(5, 5 + length))]]).take(torch.arange(1).numpy())
    with torch.inference_mode():
        assert counted(lambda: encoder(batch)) == by_hand(encoder.config, [length])


def test_attention_with_a_mask_is_counted_too() -> None:
    query = torch.randn(2, 3, 7, 8)
    allowed = torch.ones(2, 1, 7, 7, dtype=torch.bool)
    attention = torch.nn.functional.scaled_dot_product_attention
    for mask in (None, allowed):
        with torch.inference_mode():
            assert counted(lambda mask=mask: attention(query, query, query, mask)) == 2 * 2 * 3 * 2 * 7 * 7 * 8  # type: ignore[misc]

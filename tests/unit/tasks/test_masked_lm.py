"""The masked language model: which tokens are masked, and the loss over them."""

from __future__ import annotations

from typing import Any

import torch
from support.encoders import bare_encoder, unigram
from support.features import options
from support.heads import ROWS, inputs_of, whole_batch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from stilts_xtreme.models.hf_heads import assemble
from stilts_xtreme.tasks.masked_lm.module import MLMModule


def mlm_module() -> MLMModule:
    return MLMModule(bare_encoder(), unigram(), options(), 0.15).eval()


def test_mlm_loss_masks_and_scores_the_chosen_tokens(monkeypatch):
    module, tokenizer = mlm_module(), unigram()
    features = module.features({"text": ROWS["qa"]["context"][:2] * 20}, tokenizer)
    batch = whole_batch(features)
    seen: list[Any] = []
    original = module.encoder.forward
    monkeypatch.setattr(module.encoder, "forward", lambda masked: seen.append(masked) or original(masked))
    torch.manual_seed(5)
    special = torch.isin(batch.ids, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(batch.ids.shape) < 0.15) & ~special
    torch.manual_seed(5)
    with torch.no_grad():
        loss = module.loss(batch)
    ids = seen[0].ids
    changed = ids != batch.ids
    assert not changed[~chosen].any()
    share = (ids[chosen] == tokenizer.mask_token_id).float().mean()
    assert 0.7 < share < 0.9
    assert 0.02 < (changed & (ids != tokenizer.mask_token_id)).sum() / chosen.sum() < 0.2
    whole = assemble(module.encoder, module.head).eval()
    inputs = inputs_of(seen[0])
    labels = pad_sequence(
        batch.ids.where(chosen, -100).split(batch.lengths.tolist()), batch_first=True, padding_value=-100
    )
    with torch.no_grad():
        expected = whole(**inputs, labels=labels).loss
    torch.testing.assert_close(loss / len(features), expected, atol=1e-4, rtol=1e-5)


def test_a_batch_always_has_a_term_and_never_a_special_one():
    module = mlm_module()
    module.probability = 0.0
    features = module.features({"text": ["fox"] * 3}, unigram())
    batch = whole_batch(features)
    seen: list[Any] = []
    module.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for seed in range(20):
        torch.manual_seed(seed)
        draw = torch.rand(batch.ids.shape)
        special = module.special[batch.ids]
        where = int(draw.masked_fill(special, 2).argmin())
        torch.manual_seed(seed)
        with torch.no_grad():
            loss = module.loss(batch)
        assert torch.isfinite(loss)
        assert seen[-1].shape[1] == 1
        assert not special[where]
        with torch.no_grad():
            expected = cross_entropy(module.head(seen[-1]).logits[0], batch.ids[[where]]) * 3
        torch.testing.assert_close(loss, expected)

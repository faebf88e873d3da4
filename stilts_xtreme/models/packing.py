"""Sequences end to end through Hugging Face's own modules: no padding anywhere but inside attention.

Everything an encoder computes token by token (embeddings, projections, norms, feed-forward layers) runs on the T real
tokens of a batch as one long sequence [1, T]. Only attention must know where a sequence ends. transformers'
``AttentionInterface`` lets it be exchanged from outside: :func:`attend` cuts queries, keys and values into groups of
sequences of about one length, pads within a group, and puts the outcome end to end again. Padded keys have weight 0, so
the result is that of a padded batch up to rounding. On a GPU, in half precision and where no attention weight is
dropped, torch's flash attention for sequences of varying length takes them as they are.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from stilts_xtreme.models import dropout as dropouts
from stilts_xtreme.models.dropout import dropout as drop
from stilts_xtreme.models.dropout import weighted
from stilts_xtreme.models.packed_layout import Layout, collect, spread

log = logging.getLogger(__name__)

NAME = "stilts_xtreme_packed"
"""What the attention is called in transformers' table of implementations."""
PACKABLE = ("bert", "camembert", "electra", "roberta", "xlm-roberta", "xlm-roberta-xl")
"""Model types whose attention takes queries, keys and values and nothing else, and whose positions are looked up.

Not DeBERTa, whose attention is its own, and not ModernBERT, whose local layers see a window.
"""
POST_NORM = tuple(name for name in PACKABLE if name != "xlm-roberta-xl")
"""Those whose layers normalise what they give, so that nothing follows the last one."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Layout | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within the sequences of a packed batch, as an implementation for transformers.

    Args:
        module: The attention module.
        query: Queries [1, heads, T, D].
        key: Keys [1, heads, T, D].
        value: Values [1, heads, T, D].
        attention_mask: Of a padded batch; a packed one has none.
        dropout: Of the attention weights.
        scaling: Of the scores; None is ``D ** -0.5``.
        packing: Where the sequences are; None for a padded batch.
        **more: What transformers hands to any implementation.

    Returns:
        The outcome [1, T, heads, D], and no weights.
    """
    if packing is None:  # a padded batch, as when the model is used on its own
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **more)
    heads, size = query.shape[1], query.shape[3]
    if _flashes(query, dropout, scaling):
        flat = [states[0].transpose(0, 1) for states in (query, key, value)]
        offsets, longest = packing.offsets, packing.longest
        return _flash(flat[0], flat[1], flat[2], offsets, offsets, longest, longest)[None], None
    queries, keys, values = (
        spread(states[0].transpose(0, 1).reshape(-1, heads * size), packing) for states in (query, key, value)
    )
    outcomes, offset = [], 0
    for group in packing.groups:
        until = offset + group.shape[0] * group.shape[1]
        own = [_split(states[offset:until], group.shape, heads) for states in (queries, keys, values)]
        outcome = _within(own[0], own[1], own[2], group.allowed, dropout, scaling)
        outcomes.append(outcome.transpose(1, 2).reshape(-1, heads * size))
        offset = until
    tokens = collect(_joined(outcomes), packing)
    return tokens.view(1, -1, heads, size), None


def _split(states: torch.Tensor, shape: tuple[int, int], heads: int) -> torch.Tensor:
    """Places [S * W, F] as [S, heads, W, D]."""
    return states.view(*shape, heads, -1).transpose(1, 2)


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def last_layer_first_tokens(layer: Any, hidden: torch.Tensor, plan: Layout) -> torch.Tensor:
    """A layer of BERT's kind, computed for the first token of every sequence alone.

    Only the first token of the last layer is looked at by a head of sentences; the other tokens are needed as keys and
    values.

    Args:
        layer: Hugging Face's layer.
        hidden: What goes into it [T, H].
        plan: The layout of the batch.

    Returns:
        Hidden states [S, H].
    """
    own = layer.attention.self
    heads, rate = own.num_attention_heads, own.dropout.p if layer.training else 0.0
    first = hidden.index_select(0, plan.firsts)
    query = own.query(first)
    if _flashes(query.view(-1, heads, own.attention_head_size), rate, own.scaling):
        asked, keys, values = (
            states.view(-1, heads, own.attention_head_size) for states in (query, own.key(hidden), own.value(hidden))
        )
        each = torch.arange(len(asked) + 1, dtype=torch.int32, device=asked.device)
        outcome = _flash(asked, keys, values, each, plan.offsets, 1, plan.longest).flatten(1)
        return layer.feed_forward_chunk(layer.attention.output(outcome, first))
    # One query of a sequence looks at W tokens. So q is multiplied by what projects keys, q (K x) = (q K) x, instead of
    # every token, and the mean over tokens is projected to a value, instead of every token. The bias of keys adds the
    # same to all scores of a query, which changes no weight.
    asked = query.view(-1, heads, own.attention_head_size) * own.scaling
    asked = torch.einsum("shd,hdk->shk", asked, own.key.weight.view(heads, own.attention_head_size, -1))
    states = spread(hidden, plan)
    outcomes, offset = [], 0
    for group in plan.groups:
        until = offset + group.shape[0] * group.shape[1]
        tokens = states[offset:until].view(*group.shape, -1)
        scores = asked.index_select(0, group.members) @ tokens.transpose(1, 2)
        if group.allowed is not None:
            scores = scores.masked_fill(~group.allowed[:, 0], torch.finfo(scores.dtype).min)
        weights = drop(torch.softmax(scores, -1), rate)
        outcomes.append(torch.cat((weights @ tokens, weights.sum(-1, keepdim=True)), -1))
        offset = until
    back = torch.argsort(_joined([group.members for group in plan.groups]))
    means, mass = _joined(outcomes).index_select(0, back).split((hidden.shape[-1], 1), -1)
    outcome = torch.einsum("shk,hdk->shd", means, own.value.weight.view(heads, own.attention_head_size, -1))
    outcome = outcome + mass * own.value.bias.view(heads, -1)  # dropout leaves weights that do not add up to 1
    return layer.feed_forward_chunk(layer.attention.output(outcome.flatten(1), first))


def last_layer_tokens(layer: Any, hidden: torch.Tensor, plan: Layout, wanted: torch.Tensor) -> torch.Tensor:
    """A layer of BERT's kind, computed for some tokens alone; all of them are its keys and values.

    Args:
        layer: Hugging Face's layer.
        hidden: What goes into it [T, H].
        plan: The layout of the batch.
        wanted: Positions of the tokens [N], none twice.

    Returns:
        Hidden states [N, H].
    """
    own = layer.attention.self
    heads, rate = own.num_attention_heads, own.dropout.p if layer.training else 0.0
    own_hidden = hidden.index_select(0, wanted)
    query = own.query(own_hidden)
    # a query stands at its token's place, where attention knows its sequence; what the zeros between find is left there
    asked = query.new_zeros(len(hidden), query.shape[-1]).index_copy(0, wanted, query)
    query, key, value = (
        states.view(1, len(hidden), heads, -1).transpose(1, 2) for states in (asked, own.key(hidden), own.value(hidden))
    )
    outcome, _ = attend(own, query, key, value, None, rate, own.scaling, plan)
    return layer.feed_forward_chunk(layer.attention.output(outcome[0].flatten(1).index_select(0, wanted), own_hidden))


def _flashes(query: torch.Tensor, dropout: float, scaling: float | None) -> bool:
    """Whether torch's flash attention for sequences of varying length can take queries [..., D]."""
    size = query.shape[-1]
    return (
        query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and not dropout  # it draws none
        and scaling in (None, size**-0.5)
        and size % 8 == 0
        and size <= 256
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
    )


def _flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_offsets: torch.Tensor,
    key_offsets: torch.Tensor,
    most_queries: int,
    most_keys: int,
) -> torch.Tensor:
    """Attention within sequences of queries [Q, heads, D] and keys [T, heads, D] that stand end to end."""
    from torch.nn.attention.varlen import varlen_attn  # of torch 2.10 and later

    outcome = varlen_attn(query, key, value, query_offsets, key_offsets, most_queries, most_keys)
    assert isinstance(outcome, torch.Tensor)  # it comes with others only if they are asked for
    return outcome


def _within(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    allowed: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    if not dropout or query.is_cuda:
        return scaled_dot_product_attention(query, key, value, allowed, dropout, scale=scaling)
    # torch's own way with dropout on a processor guards against rows without any key, which there are none of here
    scores = torch.matmul(query * (scaling or query.shape[-1] ** -0.5), key.transpose(-1, -2))
    if allowed is not None:
        scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    return weighted(torch.softmax(scores, -1), value, dropout)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)


def use(base: Any) -> bool:
    """Makes an encoder take packed batches, if it is of a kind that can.

    Args:
        base: Hugging Face's base model.

    Returns:
        Whether it takes them now.
    """
    if base.config.model_type not in PACKABLE:
        log.info("the attention of %s cannot be packed; its batches are padded", base.config.model_type)
        return False
    base.set_attn_implementation(NAME)
    dropouts.replace(base)
    return True


def run(
    base: Any, ids: torch.Tensor, types: torch.Tensor | None, plan: Layout, layer: int | None = None
) -> torch.Tensor:
    """Runs an encoder that :func:`use` has prepared.

    Args:
        base: Hugging Face's base model.
        ids: Token ids [T].
        types: Segment ids [T] or None.
        plan: The layout of the batch.
        layer: Position in ``hidden_states``; None is the last layer's output.

    Returns:
        Hidden states [T, H].
    """
    output = _output(base, ids, types, plan, layer is not None)
    return (output.last_hidden_state if layer is None else output.hidden_states[layer])[0]


def run_layers(base: Any, ids: torch.Tensor, types: torch.Tensor | None, plan: Layout) -> list[torch.Tensor]:
    """All of ``hidden_states``, each [T, H], the embedding first; arguments as for :func:`run`."""
    return [hidden[0] for hidden in _output(base, ids, types, plan, True).hidden_states]


def _output(base: Any, ids: torch.Tensor, types: torch.Tensor | None, plan: Layout, all_layers: bool) -> Any:
    # RoBERTa's family counts positions from behind the padding id
    table = base.embeddings.position_embeddings
    first = 0 if table.padding_idx is None else table.padding_idx + 1
    return base(
        input_ids=ids[None],
        token_type_ids=None if types is None else types[None],
        position_ids=(plan.positions + first)[None],
        output_hidden_states=all_layers,
        return_dict=True,
        packing=plan,
    )


def run_first_tokens(base: Any, ids: torch.Tensor, types: torch.Tensor | None, plan: Layout) -> torch.Tensor:
    """The last layer's output for the first token of every sequence [S, H]; arguments as for :func:`run`."""
    if not _last_stands_alone(base):
        return run(base, ids, types, plan).index_select(0, plan.firsts)
    return last_layer_first_tokens(base.encoder.layer[-1], _before_last(base, ids, types, plan), plan)


def run_tokens(
    base: Any, ids: torch.Tensor, types: torch.Tensor | None, plan: Layout, wanted: torch.Tensor
) -> torch.Tensor:
    """The last layer's output for some tokens alone [N, H]: those at ``wanted`` [N], none twice; see :func:`run`."""
    if not _last_stands_alone(base):
        return run(base, ids, types, plan).index_select(0, wanted)
    return last_layer_tokens(base.encoder.layer[-1], _before_last(base, ids, types, plan), plan, wanted)


def _last_stands_alone(base: Any) -> bool:
    return base.config.model_type in POST_NORM and base.config.num_hidden_layers > 0


def _before_last(base: Any, ids: torch.Tensor, types: torch.Tensor | None, plan: Layout) -> torch.Tensor:
    """What goes into the last layer [T, H]."""
    layers = base.encoder.layer
    base.encoder.layer = layers[:-1]
    try:
        return run(base, ids, types, plan)
    finally:
        base.encoder.layer = layers

"""The shared encoder: loaded as Hugging Face's own module, given ragged batches, answering with flat hidden states."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models import packing
from stilts_xtreme.models.batch import Batch, padded_places, send
from stilts_xtreme.models.depth import above, cut
from stilts_xtreme.models.dropout import dropouts, refuse_other
from stilts_xtreme.models.packed_layout import Layout, layout
from stilts_xtreme.models.unreadable import UNREADABLE, unloadable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where an encoder is loaded from: a folder or a hub id with its revision.

    With ``random`` only its shape and tokenizer are taken; the weights are drawn anew, always the same ones. Of its
    layers the lowest ``layers`` are kept; None: all of them.
    """

    place: str
    revision: str | None = None
    random: bool = False
    layers: int | None = None

    @property
    def local(self) -> bool:
        """Whether it is a folder."""
        return Path(self.place).is_dir()


def load_config(source: Source) -> Any:
    """The configuration of an encoder, of the layers that are kept.

    Raises:
        StiltsError: When it cannot be had, has no such layers, or is not an encoder with a masked-language-model head.
    """
    try:
        config = AutoConfig.from_pretrained(source.place, revision=source.revision, trust_remote_code=False)
    except UNREADABLE as error:
        raise unloadable(source.place, error) from error
    if getattr(config, "quantization_config", None) is not None:
        raise StiltsError(
            f"The encoder {source.place} is quantised (quantization_config in its config.json), and quantised weights "
            "are not trained here; take the encoder in full precision."
        )
    kind = config.model_type
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise StiltsError(
            f"The checkpoint {source.place} is a {kind} model, not a masked-language-model encoder such as XLM-R, "
            "BERT, DeBERTa or ModernBERT."
        )
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False):
        has = "is_encoder_decoder" if getattr(config, "is_encoder_decoder", False) else "is_decoder"
        raise StiltsError(
            f"The checkpoint {source.place} is a {kind} model with a decoder ({has}=true in its config.json), not a "
            "masked-language-model encoder such as XLM-R, BERT, DeBERTa or ModernBERT."
        )
    parts = sorted(name for name in type(config).sub_configs if getattr(config, name, None) is not None)
    if parts:
        raise StiltsError(
            f"The checkpoint {source.place} is a {kind} model and made of several models ({', '.join(parts)}); "
            "take an encoder of text alone."
        )
    return config if source.layers is None else cut(config, source.layers, source.place)


class Encoder(nn.Module):
    """A base model without a head.

    Attributes:
        base: Hugging Face's base model; its pooler is taken out when the checkpoint has no weights for it, and is
            otherwise lent to the heads that use one.
        pooler: The checkpoint's own pooler, or None.
        replaced: The checkpoint's own values of the configuration where a recipe's dropout stands in their place.
        origin: The pretrained checkpoint that its training began with, if fresh heads are to begin with it too.
        packed: Whether it is given sequences end to end, without padding; see :mod:`stilts_xtreme.models.packing`.
        source: The checkpoint that it was loaded from, which has its tokenizer; None for one made in memory.
    """

    def __init__(
        self,
        base: PreTrainedModel,
        pooler: nn.Module | None,
        replaced: Mapping[str, float] | None = None,
        origin: Source | None = None,
        packed: bool = False,
        source: Source | None = None,
    ):
        super().__init__()
        self.base = base
        self.pooler = pooler
        self.replaced = dict(replaced or {})
        self.origin = origin
        self.packed = packed
        self.source = source

    @property
    def config(self) -> Any:
        """The base model's configuration."""
        return self.base.config

    @property
    def place(self) -> str:
        """Where it comes from, for sentences."""
        return self.source.place if self.source is not None else "made in memory"

    def forward(self, batch: Batch, layer: int | None = None) -> torch.Tensor:
        """Encodes a ragged batch.

        Args:
            batch: Sequences end to end, T tokens in all.
            layer: Position in ``hidden_states`` (0 is the embedding); None is the last layer's output.

        Returns:
            Hidden states [T, H], in the order of ``batch.ids``.
        """
        if self.packed:
            return packing.run(self.base, batch.ids, batch.types, self._layout(batch), layer)
        output, places = self._padded(batch, layer is not None)
        return tokens_of(output.last_hidden_state if layer is None else output.hidden_states[layer], places)

    def layers(self, batch: Batch) -> list[torch.Tensor]:
        """Encodes a ragged batch; all of ``hidden_states``, each [T, H], the embedding first."""
        if self.packed:
            return packing.run_layers(self.base, batch.ids, batch.types, self._layout(batch))
        output, places = self._padded(batch, True)
        return [tokens_of(hidden, places) for hidden in output.hidden_states]

    def _layout(self, batch: Batch) -> Layout:
        return layout(batch.lengths, batch.ids.device)

    def _padded(self, batch: Batch, all_layers: bool) -> tuple[Any, torch.Tensor]:
        """The base model's output for padded sequences, and where tokens are in it, row by row [T]."""
        inputs, places = self.padded(batch)
        return self.base(**inputs, output_hidden_states=all_layers, return_dict=True), places

    def padded(self, batch: Batch) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """What Hugging Face's models are given: padded sequences [S, L], and where tokens are, row by row [T]."""
        shape, places = padded_places(batch.lengths)
        places = send(places, batch.ids.device)

        def padded(tokens: torch.Tensor, padding: int) -> torch.Tensor:
            return tokens.new_full((shape[0] * shape[1],), padding).index_copy_(0, places, tokens).view(shape)

        inputs = {
            "input_ids": padded(batch.ids, self.config.pad_token_id or 0),
            "attention_mask": padded(torch.ones_like(batch.ids), 0),
        }
        if batch.types is not None:
            inputs["token_type_ids"] = padded(batch.types, 0)
        return inputs, places

    def first_tokens(self, batch: Batch) -> torch.Tensor:
        """The last layer's hidden states [S, H] of the first token of every sequence."""
        if self.packed:
            return packing.run_first_tokens(self.base, batch.ids, batch.types, self._layout(batch))
        return self(batch)[batch.firsts()]

    def tokens(self, batch: Batch, wanted: torch.Tensor) -> torch.Tensor:
        """The last layer's hidden states [N, H] of the tokens at ``wanted`` [N], positions in ``batch.ids``."""
        if self.packed:
            return packing.run_tokens(self.base, batch.ids, batch.types, self._layout(batch), wanted)
        return self(batch).index_select(0, wanted)


def tokens_of(hidden: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The tokens [T, ...] of something padded [S, L, ...]."""
    return hidden.flatten(0, 1).index_select(0, places)


def from_checkpoint(kind: Any, source: Source, config: Any) -> tuple[Any, dict[str, Any]]:
    """A model of an Auto class in single precision, and what its checkpoint lacked.

    Raises:
        StiltsError: When it cannot be loaded.
    """
    try:
        model, report = kind.from_pretrained(
            source.place,
            revision=source.revision,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            # what was brought from the hub is what its repository holds, which may be older than safetensors
            use_safetensors=True if source.local and source.revision is None else None,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, in a sentence
        )
    except UNREADABLE as error:
        raise unloadable(source.place, error) from error
    wrong = sorted(report.get("mismatched_keys", ()))
    if wrong:
        name, found, wanted = wrong[0]
        raise StiltsError(
            f"The checkpoint {source.place} does not fit its config.json ({config.model_type}): {len(wrong)} weights "
            f"have another shape, such as {name} with {tuple(found)} instead of {tuple(wanted)}."
        )
    return model, report


def load(
    source: Source,
    gradient_checkpointing: bool = False,
    dropout: float | None = None,
    origin: Source | None = None,
    packed: bool = True,
) -> Encoder:
    """Loads an encoder in single precision, from a base or a task checkpoint.

    Args:
        source: Where it is.
        gradient_checkpointing: Whether to hold fewer activations and compute them again.
        dropout: Replaces the checkpoint's own hidden and attention dropout; None keeps it.
        origin: The pretrained checkpoint from which fresh heads take what it has of them; None makes them all new.
        packed: Whether to leave padding out where the architecture allows it.

    Raises:
        StiltsError: For a missing, damaged or foreign checkpoint, or one whose weights do not cover the encoder.
    """
    config = load_config(source)
    replaced = dropouts(config) if dropout is not None else {}
    for name in replaced:
        setattr(config, name, dropout)
    if source.random:
        torch.manual_seed(0)  # as a pretrained encoder is the same for every seed of a run
        base = AutoModel.from_config(config, dtype=torch.float32)
        _take_out_pooler(base)
        return _ready(base, None, gradient_checkpointing, dropout, replaced, None, packed, source)
    base, report = from_checkpoint(AutoModel, source, config)
    missing = sorted(report["missing_keys"])
    unfilled = [name for name in missing if "pooler" not in name]
    if unfilled:
        raise StiltsError(
            f"The checkpoint {source.place} does not fit its architecture ({config.model_type}): "
            f"{len(unfilled)} weights are missing, such as {unfilled[0]}."
        )
    unused = sorted(name for name in report["unexpected_keys"] if name.startswith(f"{base.base_model_prefix}."))
    left_out = above(unused, source.layers)
    unused = [n for n in unused if "pooler" not in n and not n.endswith("position_ids") and n not in left_out]
    if unused:
        log.warning(
            "%d weights of the encoder %s have no place in its architecture and are not used, such as %s",
            *(len(unused), source.place, unused[0]),
        )
    pooler = getattr(base, "pooler", None)
    of_head = (getattr(config, "stilts_xtreme", None) or {}).get("pooler") == "head"
    if of_head or any("pooler" in name for name in missing):
        pooler = None  # a head that wants one brings its own, drawn from the run's seed or its own checkpoint
    _take_out_pooler(base)
    return _ready(base, pooler, gradient_checkpointing, dropout, replaced, origin, packed, source)


def _take_out_pooler(base: Any) -> None:
    """Leaves the pooler to the heads that use one."""
    if hasattr(base, "pooler"):
        # without the switch for it an architecture always runs its pooler
        base.pooler = None if "add_pooling_layer" in signature(type(base).__init__).parameters else nn.Identity()


def _ready(
    base: Any,
    pooler: Any,
    checkpointing: bool,
    dropout: float | None,
    replaced: dict[str, Any],
    origin: Source | None,
    packed: bool,
    source: Source,
) -> Encoder:
    if dropout is not None:
        refuse_other(base, dropout)
    if hasattr(base, "set_attention_type"):  # BigBird's sparse attention of long rows ends for good with a short batch
        base.set_attention_type("original_full")
    if checkpointing and not base.supports_gradient_checkpointing:
        raise StiltsError(
            f"trainer.gradient_checkpointing=true is refused: transformers has none for {base.config.model_type}; "
            "leave it at false."
        )
    if checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return Encoder(base, pooler, replaced, origin, packed and packing.use(base), source)

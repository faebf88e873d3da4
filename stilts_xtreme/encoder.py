"""The shared encoder: loaded as Hugging Face's own module, given ragged batches, answering with flat hidden states.

A head is Hugging Face's own too: the ``AutoModelFor...`` of the encoder's class with its encoder taken out
(:func:`head_of`), so that its layers, initialisation, dropout and state names are exactly those that
``save_pretrained`` and ``pipeline()`` expect, for every architecture that has one.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

from stilts_xtreme.batch import Batch
from stilts_xtreme.errors import StiltsError

log = logging.getLogger(__name__)

HEAD_CLASSES: dict[str, Any] = {
    "classification": AutoModelForSequenceClassification,
    "qa": AutoModelForQuestionAnswering,
    "tagging": AutoModelForTokenClassification,
    "choice": AutoModelForMultipleChoice,
    "mlm": AutoModelForMaskedLM,
}

DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "embedding_dropout",
    "attention_dropout",
    "mlp_dropout",
)
"""What the architectures call their hidden and attention dropout."""

UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError, StrictDataclassError)
"""What a missing, damaged or nonsensical checkpoint raises below."""


@dataclass(frozen=True)
class Source:
    """Where an encoder is loaded from: a folder or a hub id with its revision."""

    place: str
    revision: str | None = None

    @property
    def local(self) -> bool:
        """Whether it is a folder."""
        return Path(self.place).is_dir()


def _sentence(source: Source, error: Exception) -> StiltsError:
    text = " ".join(str(error).split())
    if not source.local and ("connect" in text.lower() or "offline" in text.lower() or "resolve" in text.lower()):
        return StiltsError(
            f"The encoder {source.place} is not on this machine and the hub cannot be reached; run "
            f"'hf download {source.place}' where there is a network, or give model=FOLDER."
        )
    return StiltsError(f"The encoder {source.place} cannot be loaded: {text[:300]}")


def load_config(source: Source) -> Any:
    """The configuration of an encoder.

    Raises:
        StiltsError: When it cannot be had, or is not an encoder with a masked-language-model head.
    """
    try:
        config = AutoConfig.from_pretrained(source.place, revision=source.revision)
    except UNREADABLE as error:
        raise _sentence(source, error) from error
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING or getattr(config, "is_encoder_decoder", False):
        raise StiltsError(
            f"The checkpoint {source.place} is a {config.model_type} model, not a masked-language-model encoder "
            "such as XLM-R, BERT, DeBERTa or ModernBERT."
        )
    return config


def load_tokenizer(source: Source) -> Any:
    """The fast tokenizer of an encoder; byte-level ones mark the start of a word (needed for pre-split words)."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.place, revision=source.revision, add_prefix_space=True)
    except UNREADABLE as error:
        raise _sentence(source, error) from error
    if not tokenizer.is_fast:
        raise StiltsError(
            f"The encoder {source.place} has no fast tokenizer; character offsets are needed for answers."
        )
    return tokenizer


class Encoder(nn.Module):
    """A base model without a head.

    Attributes:
        base: Hugging Face's base model; its pooler is taken out when the checkpoint has no weights for it, and is
            otherwise lent to the heads that use one.
        pooler: The checkpoint's own pooler, or None.
    """

    def __init__(self, base: PreTrainedModel, pooler: nn.Module | None):
        super().__init__()
        self.base = base
        self.pooler = pooler

    @property
    def config(self) -> Any:
        """The base model's configuration."""
        return self.base.config

    def forward(self, batch: Batch, layer: int | None = None) -> torch.Tensor:
        """Encodes a ragged batch.

        Args:
            batch: Sequences end to end, T tokens in all.
            layer: Position in ``hidden_states`` (0 is the embedding); None is the last layer's output.

        Returns:
            Hidden states [T, H], in the order of ``batch.ids``.
        """
        lengths = batch.lengths
        width = int(lengths.max())
        mask = torch.arange(width, device=lengths.device)[None, :] < lengths[:, None]
        ids = torch.full(mask.shape, self.config.pad_token_id or 0, dtype=torch.long, device=lengths.device)
        ids[mask] = batch.ids
        inputs = {"input_ids": ids, "attention_mask": mask.long()}
        if batch.types is not None:
            types = torch.zeros_like(ids)
            types[mask] = batch.types
            inputs["token_type_ids"] = types
        output = self.base(**inputs, output_hidden_states=layer is not None, return_dict=True)
        hidden = output.last_hidden_state if layer is None else output.hidden_states[layer]
        return hidden[mask]


def load(source: Source, gradient_checkpointing: bool = False, dropout: float | None = None) -> Encoder:
    """Loads an encoder in single precision, from a base or a task checkpoint.

    Raises:
        StiltsError: For a missing, damaged or foreign checkpoint, or one whose weights do not cover the encoder.
    """
    config = load_config(source)
    if dropout is not None:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, dropout)
    try:
        base, report = AutoModel.from_pretrained(
            source.place,
            revision=source.revision,
            config=config,
            dtype=torch.float32,
            use_safetensors=None if not source.local else True,
            output_loading_info=True,
        )
    except UNREADABLE as error:
        raise _sentence(source, error) from error
    missing = sorted(report["missing_keys"])
    unfilled = [name for name in missing if "pooler" not in name]
    wrong = sorted(str(entry) for entry in report.get("mismatched_keys", ()))
    if unfilled or wrong:
        raise StiltsError(
            f"The checkpoint {source.place} does not fit its architecture ({config.model_type}): "
            f"{len(unfilled)} weights are missing and {len(wrong)} have another shape, such as {(unfilled + wrong)[0]}."
        )
    pooler = getattr(base, "pooler", None)
    of_head = (getattr(config, "stilts_xtreme", None) or {}).get("pooler") == "head"
    if of_head or any("pooler" in name for name in missing):
        pooler = None  # a head that wants one brings its own, drawn from the run's seed or its own checkpoint
    if hasattr(base, "pooler"):
        base.pooler = None
    if gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return Encoder(base, pooler)


class Unplugged(nn.Module):
    """Stands where a head's encoder was, and hands on hidden states that were computed elsewhere."""

    def __init__(self, pooler: nn.Module | None):
        super().__init__()
        self.pooler = pooler
        self.hidden: torch.Tensor | None = None

    def forward(self, *_: Any, **__: Any) -> BaseModelOutputWithPooling:
        """Returns the hidden states given last, pooled where the architecture pools inside its encoder."""
        pooled = self.pooler(self.hidden) if self.pooler is not None else None
        return BaseModelOutputWithPooling(last_hidden_state=self.hidden, pooler_output=pooled)


class HeadModel(nn.Module):
    """Hugging Face's ``AutoModelFor...`` without its encoder: hidden states in, logits out."""

    def __init__(self, model: PreTrainedModel, kind: str, shared_pooler: nn.Module | None):
        super().__init__()
        self.kind = kind
        self.model = model
        base = model.base_model
        pooler = getattr(base, "pooler", None)
        if pooler is not None and shared_pooler is not None:
            pooler = shared_pooler
        setattr(model, model.base_model_prefix, Unplugged(pooler))

    @property
    def plug(self) -> Unplugged:
        """The encoder's stand-in."""
        return getattr(self.model, self.model.base_model_prefix)

    def forward(self, hidden: torch.Tensor) -> Any:
        """Runs the head on hidden states [S, L, H].

        Returns:
            Hugging Face's output; for multiple choice one logit for each sequence [S, 1].
        """
        self.plug.hidden = hidden
        shape = (hidden.shape[0], 1, hidden.shape[1]) if self.kind == "choice" else hidden.shape[:2]
        dummy = torch.zeros(shape, dtype=torch.long, device=hidden.device)
        try:
            return self.model(input_ids=dummy, return_dict=True)
        finally:
            self.plug.hidden = None


def head_of(encoder: Encoder, kind: str, labels: tuple[str, ...] = (), continues: Source | None = None) -> HeadModel:
    """Makes the head of a format for an encoder: fresh, or continuing from a task checkpoint.

    Args:
        encoder: The encoder that it will be used with.
        kind: A key of :data:`HEAD_CLASSES`.
        labels: Label names for classification and tagging.
        continues: A saved model of the same format whose head weights to take.

    Raises:
        StiltsError: When the architecture has no such head, or the saved model no head that can continue.
    """
    config = type(encoder.config).from_dict(encoder.config.to_dict())
    # names that an earlier task left in the config are not this head's
    names = labels if kind in ("classification", "tagging") else ()
    config.id2label = dict(enumerate(names or ("LABEL_0", "LABEL_1")))
    config.label2id = {name: position for position, name in config.id2label.items()}
    config.problem_type = "single_label_classification" if kind == "classification" else None
    if hasattr(config, "classifier_pooling"):
        config.classifier_pooling = "cls"  # a head sees the first token's hidden state, in every architecture alike
    if type(config) not in HEAD_CLASSES[kind]._model_mapping:
        raise StiltsError(f"{config.model_type} has no {kind} head in transformers.")
    if continues is not None:
        model = _continued(continues, kind, config)
    elif kind == "mlm":
        config.tie_word_embeddings = True
        model = HEAD_CLASSES[kind].from_config(config)
    else:
        model = _fresh(kind, config)
    model.float()
    head = HeadModel(model, kind, encoder.pooler)
    if kind == "mlm":  # the output matrix is the input embedding, also when they were made apart
        head.model.get_output_embeddings().weight = encoder.base.get_input_embeddings().weight
    return head


def _fresh(kind: str, config: Any) -> PreTrainedModel:
    """A model whose head is initialised as Hugging Face does, and whose encoder takes neither memory nor time."""
    with torch.device("meta"):
        model = HEAD_CLASSES[kind].from_config(config)
    setattr(model, model.base_model_prefix, Unplugged(getattr(model.base_model, "pooler", None)))
    model.to_empty(device="cpu")
    model.initialize_weights()
    return model


def _continued(source: Source, kind: str, config: Any) -> PreTrainedModel:
    """The saved model whose head goes on.

    Raises:
        StiltsError: When its labels are others, or it has no weights for such a head.
    """
    saved = load_config(source)
    before, now = ([c.id2label[at] for at in sorted(c.id2label)] for c in (saved, config))
    if kind in ("classification", "tagging") and before != now:
        raise StiltsError(
            f"The head in {source.place} knows the labels {', '.join(before)}, in this order, and cannot continue on "
            f"{', '.join(now)}."
        )
    try:
        model, report = HEAD_CLASSES[kind].from_pretrained(
            source.place,
            revision=source.revision,
            config=config,
            dtype=torch.float32,
            use_safetensors=None if not source.local else True,
            output_loading_info=True,
        )
    except UNREADABLE as error:
        raise _sentence(source, error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise StiltsError(f"The checkpoint {source.place} has no weights for a {kind} head, such as {missing[0]}.")
    return model


def assemble(encoder: Encoder, head: HeadModel) -> PreTrainedModel:
    """The head with the encoder plugged in: a plain Hugging Face model that shares the weights of both.

    The head stays as it is; the returned model is a shallow copy of its module.
    """
    whole = copy.copy(head.model)
    whole._modules = dict(head.model._modules)
    base = copy.copy(encoder.base)
    base._modules = dict(encoder.base._modules)
    base._modules["pooler"] = head.plug.pooler if hasattr(encoder.base, "pooler") else None
    if base._modules["pooler"] is None and not hasattr(encoder.base, "pooler"):
        base._modules.pop("pooler")
    whole._modules[head.model.base_model_prefix] = base
    return whole

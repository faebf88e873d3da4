"""Hugging Face's own heads, unplugged from their encoder.

A head is the ``AutoModelFor...`` of the encoder's class with its encoder taken out, so that its layers, initialisation,
dropout and state names are exactly those that ``save_pretrained`` and ``pipeline()`` expect, for every architecture
that has one.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import transformers
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.encoder import Encoder, Source, from_checkpoint, load_config
from stilts_xtreme.models.head_kind import MASKED_LM, HeadKind


def auto_model(kind: HeadKind) -> Any:
    """The ``AutoModelFor...`` of a head."""
    return getattr(transformers, kind.auto_model)


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
    """Hugging Face's ``AutoModelFor...`` without its encoder: hidden states in, logits out.

    Attributes:
        kind: Which head.
        model: Hugging Face's model, with a stand-in for its encoder.
        whole: Whether it looks at more than hidden states; :mod:`.head_run` then runs it together with its encoder.
    """

    def __init__(self, model: PreTrainedModel, kind: HeadKind, shared_pooler: nn.Module | None):
        super().__init__()
        self.kind = kind
        self.model = model
        self.whole = False
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
        if self.whole:
            raise StiltsError(
                f"The {self.kind.name} head of {self.model.config.model_type} takes more than hidden states; run it "
                "with sequence_logits or token_outputs of its module."
            )
        self.plug.hidden = hidden
        shape = (hidden.shape[0], 1, hidden.shape[1]) if self.kind.grouped else hidden.shape[:2]
        dummy = torch.zeros(shape, dtype=torch.long, device=hidden.device)
        try:
            return self.model(input_ids=dummy, return_dict=True)
        finally:
            self.plug.hidden = None


def head_of(
    encoder: Encoder, kind: HeadKind, labels: tuple[str, ...] = (), continues: Source | None = None
) -> HeadModel:
    """Makes a head for an encoder: fresh, or continuing from a task checkpoint.

    Part of a fresh head may be pretrained: ModernBERT's dense layer and norm before the classifier are those of its
    masked-language-model head. They are taken from the encoder's origin, not from a training in between, so that the
    same task begins alike with and without one.

    Args:
        encoder: The encoder that it will be used with.
        kind: Which head.
        labels: Label names, where the head has one logit for each.
        continues: A saved model with such a head, whose head weights to take.

    Raises:
        StiltsError: When the architecture has no such head, or none that works without its encoder, or the saved model
            no head that can continue.
    """
    if type(encoder.config) not in auto_model(kind)._model_mapping:
        raise StiltsError(f"{encoder.config.model_type} has no {kind.name} head in transformers.")
    try:
        return _head_of(encoder, kind, labels, continues)
    except (AttributeError, TypeError, NotImplementedError) as error:  # an architecture that is built unlike the others
        text = " ".join(str(error).split())[:200]
        raise StiltsError(
            f"The {kind.name} head of {encoder.config.model_type} cannot be taken apart from its encoder: "
            f"{type(error).__name__}: {text}"
        ) from error


def _head_of(encoder: Encoder, kind: HeadKind, labels: tuple[str, ...], continues: Source | None) -> HeadModel:
    config = type(encoder.config).from_dict(encoder.config.to_dict())
    # names that an earlier task left in the config are not this head's
    names = labels if kind.names_labels else ()
    config.id2label = dict(enumerate(names or ("LABEL_0", "LABEL_1")))
    config.label2id = {name: position for position, name in config.id2label.items()}
    config.problem_type = kind.problem_type
    # where an architecture begins with the first token, a head sees that one; others keep the pooling of their own
    if hasattr(config, "classifier_pooling") and type(config)().classifier_pooling == "cls":
        config.classifier_pooling = "cls"
    if continues is not None:
        model = _continued(continues, kind, config)
    elif kind.pretraining:
        config.tie_word_embeddings = True
        model = auto_model(kind).from_config(config)
    else:
        model = _fresh(kind, config)
        if encoder.origin is not None:
            _take_pretrained(model, encoder.origin, config)
    model.float()
    head = HeadModel(model, kind, encoder.pooler)
    if kind.pretraining and config.tie_word_embeddings:  # the output matrix is the input embedding, though made apart
        head.model.get_output_embeddings().weight = encoder.base.get_input_embeddings().weight
    return head


def _fresh(kind: HeadKind, config: Any) -> PreTrainedModel:
    """A model whose head is initialised as Hugging Face does, and whose encoder takes neither memory nor time."""
    with torch.device("meta"):
        model = auto_model(kind).from_config(config)
    setattr(model, model.base_model_prefix, Unplugged(getattr(model.base_model, "pooler", None)))
    model.to_empty(device="cpu")
    model.initialize_weights()
    return model


def _outside(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The weights that are not the encoder's."""
    inside = f"{model.base_model_prefix}."
    return {name: value for name, value in model.state_dict().items() if not name.startswith(inside)}


def _take_pretrained(model: PreTrainedModel, source: Source, config: Any) -> None:
    """Copies what a fresh head and the checkpoint's masked-language-model head have in common, by name and shape."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in _outside(auto_model(MASKED_LM).from_config(config)).items()}
    common = {name: value for name, value in _outside(model).items() if shapes.get(name) == value.shape}
    if not common:  # as in most architectures, whose checkpoint is then not read again
        return
    pretrained, report = from_checkpoint(auto_model(MASKED_LM), source, load_config(source))
    found = _outside(pretrained)
    with torch.no_grad():
        for name in common.keys() - set(report["missing_keys"]):
            common[name].copy_(found[name])


def _continued(source: Source, kind: HeadKind, config: Any) -> PreTrainedModel:
    """The saved model whose head goes on.

    Raises:
        StiltsError: When its labels are others, or it has no weights for such a head.
    """
    saved = load_config(source)
    before, now = ([c.id2label[at] for at in sorted(c.id2label)] for c in (saved, config))
    if kind.names_labels and before != now:
        raise StiltsError(
            f"The head in {source.place} knows the labels {', '.join(before)}, in this order, and cannot continue on "
            f"{', '.join(now)}."
        )
    model, report = from_checkpoint(auto_model(kind), source, config)
    missing = sorted(report["missing_keys"])
    if missing and kind.pretraining:
        raise StiltsError(
            f"The checkpoint {source.place} has no masked-language-model head ({missing[0]} and others are missing), "
            "which mlm.weight trains on: leave mlm.weight at 0, or take an encoder with such a head."
        )
    if missing:
        raise StiltsError(f"The checkpoint {source.place} has no weights for a {kind.name} head, such as {missing[0]}.")
    return model


def assemble(encoder: Encoder, head: HeadModel) -> PreTrainedModel:
    """The head with the encoder plugged in: a plain Hugging Face model that shares the weights of both.

    The head stays as it is; the returned model is a shallow copy of its module.
    """
    whole = copy.copy(head.model)
    whole._modules = dict(head.model._modules)
    base = copy.copy(encoder.base)
    base._modules = dict(encoder.base._modules)
    if hasattr(base, "pooler") and (head.plug.pooler is not None or base.pooler is None):
        base.__dict__.pop("pooler", None)  # None there, where the architecture's plain encoder has no pooler
        base._modules["pooler"] = head.plug.pooler
    whole._modules[head.model.base_model_prefix] = base
    return whole

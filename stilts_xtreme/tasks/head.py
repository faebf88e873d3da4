"""The common part of all heads: the interface of a task format, and features made from texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from transformers.utils import logging as transformers_logging

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models import head_run
from stilts_xtreme.models.batch import Batch, Features, padded_places, send
from stilts_xtreme.models.encoder import Encoder, Source, load
from stilts_xtreme.models.hf_heads import HeadModel, head_of
from stilts_xtreme.models.naming import source_named
from stilts_xtreme.models.positions import position_limit
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.evaluation import Sample
from stilts_xtreme.tasks.module import StageModule, Step
from stilts_xtreme.tasks.optimisation import Optimisation
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.tasks.predictions import gold

SHORTEST = 8
"""The least ``max_length``: the special tokens of a pair and a few of its own."""


class HeadModule(StageModule):
    """One task format on the shared encoder.

    Args:
        encoder: An encoder, or what names one: a hub id, a folder, or one of the package's own such as ``mini``.
        labels: Label names, in the order of the logits; none for question answering, retrieval, mining and ranking,
            and for multiple choice.
        options: What features and decoding depend on; None takes the defaults of :class:`HeadOptions`.
        continues: A saved model of the same format whose head goes on; None begins with a fresh head.
        optimisation: How it is trained; needed by ``trainer.fit`` alone.
        tokenizer: The encoder's tokenizer; None loads it from where the encoder was loaded.

    Attributes:
        format: The id of the format.
        metric: The metric of rows that name none, one of the format's.
        needs_labels: Whether its answers are label names.
        every_layer: Whether it looks at any layer of the encoder, not at the last one alone.
        labels: Label names, in the order of the logits.
        head: Hugging Face's head without its encoder; None for retrieval.

    Raises:
        StiltsError: For an encoder that cannot be loaded, labels that are missing or occur twice, or a ``max_length``
            that the encoder does not take.
    """

    format: ClassVar[str]
    metric: ClassVar[str]
    needs_labels: ClassVar[bool] = False
    every_layer: ClassVar[bool] = False

    def __init__(
        self,
        encoder: Encoder | str,
        labels: Sequence[str] = (),
        options: HeadOptions | None = None,
        continues: Source | None = None,
        *,
        optimisation: Optimisation | None = None,
        tokenizer: Any = None,
    ):
        encoder = _named(encoder) if isinstance(encoder, str) else encoder
        options = options if options is not None else HeadOptions()
        super().__init__(encoder, optimisation)
        self.labels = tuple(labels)
        if self.needs_labels and not self.labels:
            raise StiltsError(f"{type(self).__name__} needs the names of its labels, as in labels=data.labels.")
        twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if twice:
            raise StiltsError(f"{type(self).__name__} has the label '{twice[0]}' more than once.")
        self.options = options
        self._tokenizer = tokenizer
        kind = format_of(self.format).head
        self.head: HeadModel | None = head_of(encoder, kind, self.labels, continues) if kind is not None else None
        if self.head is not None:
            head_run.settle(encoder, self.head)
        else:
            head_run.settle_encoder(encoder, self.every_layer)
        if options.max_length < SHORTEST:
            raise StiltsError(f"max_length={options.max_length} leaves no room for text; give at least {SHORTEST}.")
        limit = position_limit(encoder)
        if limit is not None and options.max_length > limit:
            raise StiltsError(
                f"max_length={options.max_length} is more than the {limit} tokens that {encoder.config.model_type} "
                "takes."
            )

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the encoder, loaded when it is first asked for.

        Raises:
            StiltsError: When the encoder was made in memory and its tokenizer was not given.
        """
        if self._tokenizer is None:
            if self.encoder.source is None:
                raise StiltsError(
                    f"{type(self).__name__} has an encoder that was made in memory; give its tokenizer=... too."
                )
            self._tokenizer = load_tokenizer(self.encoder.source)
        return self._tokenizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Writes down what the weights of the head mean."""
        checkpoint["head"] = {"format": self.format, "labels": list(self.labels)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses weights of another head; a checkpoint that does not say of which they are is taken as it is.

        Raises:
            StiltsError: For another format, or other labels or another order of them.
        """
        said = checkpoint.get("head")
        if said is None:
            return
        if said["format"] != self.format:
            raise StiltsError(f"The checkpoint is of the format {said['format']}, and {type(self).__name__} is not.")
        if tuple(said["labels"]) != self.labels:
            raise StiltsError(
                f"The checkpoint has the labels {', '.join(said['labels'])}, and the module {', '.join(self.labels)}; "
                "give those of the checkpoint, in their order."
            )

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """Turns canonical rows into features; labels are included where the rows have them."""
        raise NotImplementedError

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """What decoding needs: tensors over units, sequences or tokens of the batch (:attr:`over`)."""
        raise NotImplementedError

    over: ClassVar[str] = "unit"
    """What the first axis of the outputs counts: ``unit``, ``sequence`` or ``token``."""

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> Any:
        """Turns outputs, in the order of the features, into one prediction per row."""
        raise NotImplementedError

    scored: bool = False
    """Whether the outputs also hold what :meth:`records` says beside the answers and the answers do not need."""

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """The answers of :meth:`decode` for people: an object for each row, with its id, the answer and its score."""
        answers = self.decode(rows, features, outputs)
        answers = answers.values() if isinstance(answers, dict) else answers
        return [{"id": key, "prediction": answer} for key, answer in zip(rows["id"], answers, strict=True)]

    @property
    def layered(self) -> bool:
        """Whether it has one output for each layer of the encoder, each of which ``decode`` takes alone."""
        return False

    layer: int = -1
    """The output whose answers are taken where it is :attr:`layered`."""

    def facts(self) -> dict[str, Any]:
        """What stands beside the scores of an evaluation."""
        return {}

    def candidates(self, rows: Columns, tokenizer: Any) -> Features:
        """Features of what queries choose from, for formats that rank."""
        raise NotImplementedError

    def take_candidates(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Takes what queries choose from: ids, and what :meth:`arrays` made of :meth:`candidates`."""
        raise NotImplementedError

    def more_scores(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> dict[str, float]:
        """Scores that the written answers do not tell, in percent."""
        return {}

    def arrays(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """Outputs of a batch as single-precision arrays in memory."""
        return tuple(
            output.float().cpu().numpy() if output.is_floating_point() else output.cpu().numpy()
            for output in self.outputs(batch.to(self.device))
        )

    def head_of(self, name: str) -> HeadModule:
        """This head, whatever the name."""
        return self

    def begin(self, sample: Sample, budget: int) -> None:
        """Told before the rows of a language are predicted; ``budget`` is tokens of a batch at the most."""

    def comparable(self, answers: Any, sample: Sample, stage: str) -> tuple[Any, Any]:
        """Predictions and gold in the form of the metric.

        Args:
            answers: What :meth:`decode` returned.
            sample: The rows.
            stage: ``val`` or ``test``.
        """
        return answers, gold(self.format, sample.rows, self.labels)

    def first_tokens(self, batch: Batch) -> torch.Tensor:
        """Hidden states [S, 1, H] of the first token of every sequence."""
        return self.encoder.first_tokens(batch)[:, None]

    def sequence_logits(self, batch: Batch) -> torch.Tensor:
        """What a head of sequences gives [S, labels]; for multiple choice [S, 1]."""
        assert self.head is not None
        return head_run.of_sequences(self.encoder, self.head, batch)

    def token_outputs(self, batch: Batch, wanted: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """What a head of tokens gives for those at ``wanted`` [N], None for all [T], by Hugging Face's names."""
        assert self.head is not None
        return head_run.of_tokens(self.encoder, self.head, batch, wanted)

    def terms(self, step: Step) -> float:
        """Units of the step: the loss is a mean over examples."""
        return len(step.units)


def _named(place: str) -> Encoder:
    """The encoder of a name, whose checkpoint is also where a fresh head looks for pretrained parts of it."""
    source = source_named(place)
    with quiet():
        return load(source, origin=source)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers from saying what is no news of a model that is loaded, such as that it has no pooler."""
    before, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        if bars:
            transformers_logging.enable_progress_bar()


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The softmax over the last axis of logits [..., N], in double precision."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(-1, keepdims=True)


def segment_ids(tokenizer: Any, config: Any) -> bool:
    """Whether the encoder tells the two sentences of a pair apart by segment ids."""
    return "token_type_ids" in tokenizer.model_input_names and getattr(config, "type_vocab_size", 0) > 1


def flat(sequences: Sequence[Sequence[int]], dtype: Any = np.int32) -> tuple[np.ndarray, np.ndarray]:
    """Lists end to end [T] and their lengths [S]."""
    lengths = np.fromiter((len(sequence) for sequence in sequences), np.int64, len(sequences))
    joined = np.fromiter((value for sequence in sequences for value in sequence), dtype, int(lengths.sum()))
    return joined, lengths


AT_A_TIME = 5_000
"""Texts that a tokenizer is given at a time: it keeps what it cuts off of all of them until it is done."""


def encode(tokenizer: Any, config: Any, first: list[str], second: list[str] | None, max_length: int) -> dict[str, Any]:
    """Ids, lengths and segment ids of single texts or pairs, cut to ``max_length`` by shortening the longer text.

    A pair whose second text is empty is a single text, as it is when a saved model is given one text.
    """
    with_types = segment_ids(tokenizer, config)
    paired = np.fromiter((bool(text) for text in second or [""] * len(first)), bool, len(first))
    ids: list[list[int]] = [[] for _ in first]
    types: list[list[int]] = [[] for _ in first]
    for pairs in (False, True):
        chosen = np.flatnonzero(paired == pairs)
        for begin in range(0, len(chosen), AT_A_TIME):
            some = chosen[begin : begin + AT_A_TIME]
            encoded = tokenizer(
                [first[position] for position in some],
                [second[position] for position in some] if pairs and second is not None else None,
                truncation="longest_first",
                max_length=max_length,
                return_attention_mask=False,
                return_token_type_ids=with_types,
            )
            for at, position in enumerate(some):
                ids[position] = encoded["input_ids"][at]
                if with_types:
                    types[position] = encoded["token_type_ids"][at]
    joined, lengths = flat(ids)
    return {"ids": joined, "lengths": lengths, "types": flat(types, np.int8)[0] if with_types else None}


def grouped_cross_entropy(scores: torch.Tensor, lengths: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """Sum of cross-entropies, each over one group of a flat list of scores.

    Args:
        scores: Scores [N] of all groups, one after the other.
        lengths: Scores in each group [G], on the host.
        gold: Position of the right one within its group [G].
    """
    shape, places = padded_places(lengths)
    padded = torch.full((shape[0] * shape[1],), float("-inf"), device=scores.device)
    padded = padded.index_copy(0, send(places, scores.device), scores.float()).view(shape)
    return nn.functional.cross_entropy(padded, gold, reduction="sum")

"""What every head shares: the training step over micro-batches, the optimiser, and the interface of a task format."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from stilts_xtreme.batch import Batch, Features, fill
from stilts_xtreme.data.schema import Columns
from stilts_xtreme.encoder import Encoder, HeadModel, Source, head_of
from stilts_xtreme.errors import StiltsError

log = logging.getLogger(__name__)

SHORTEST = 8
"""The least ``max_length``: the special tokens of a pair and a few of its own."""


@dataclass(frozen=True)
class HeadOptions:
    """What features and decoding depend on beside the rows; see ``conf/config.yaml`` and :class:`config.Recipe`."""

    max_length: int = 128
    stride: int = 32
    max_query_length: int = 64
    first_token: str = "any"
    n_best: int = 20
    max_answer_length: int = 30
    null_threshold: float | None = None
    layer: int | None = None
    pooling: str = "mean"


@dataclass(frozen=True)
class Optimisation:
    """AdamW with a linear schedule, as every recipe has it."""

    learning_rate: float
    steps: int
    warmup: int
    weight_decay: float
    epsilon: float
    max_grad_norm: float
    seed: int
    budget: int
    accumulation: int | None = None


@dataclass(frozen=True)
class Step:
    """The units of one optimiser step.

    Attributes:
        task: Name of the head they belong to.
        features: The features that they are cut from.
        units: Their positions [U].
        index: Number of the step in the training.
    """

    task: str
    features: Features
    units: np.ndarray
    index: int


class StageModule(pl.LightningModule):
    """A LightningModule whose training step is one optimiser step over as many micro-batches as fit the device.

    Lightning's own accumulation counts batches; here the effective batch is counted in examples and its micro-batches
    are filled by tokens, so optimisation is manual. A step draws its random numbers from (seed, step) alone: a resumed
    run repeats an undisturbed one, and a step that ran out of memory is repeated in smaller pieces.
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder
        self.optimisation: Optimisation | None = None
        self.automatic_optimization = False

    def loss(self, batch: Batch) -> torch.Tensor:
        """Sum of the loss over the batch's terms (examples, windows or labelled tokens)."""
        raise NotImplementedError

    def terms(self, step: Step) -> float:
        """Number of loss terms in a whole step; the loss of the step is the sum divided by it."""
        raise NotImplementedError

    def micro_batches(self, step: Step) -> Iterator[Batch]:
        """The step's units in groups that fit the token budget, or in a fixed number of groups."""
        assert self.optimisation is not None
        if self.optimisation.accumulation:
            groups = [
                group
                for group in np.array_split(np.arange(len(step.units)), self.optimisation.accumulation)
                if len(group)
            ]
        else:
            features = step.features
            groups = fill(features.unit_widest[step.units], features.units[step.units], self.optimisation.budget)
        for group in groups:
            yield step.features.take(step.units[group], step.task)

    def training_step(self, step: Step, index: int) -> torch.Tensor:  # type: ignore[override]
        """Runs one optimiser step and returns its loss, detached."""
        assert self.optimisation is not None
        optimizer: Any = self.optimizers()
        while True:
            torch.manual_seed(self.optimisation.seed * 1_000_003 + step.index)
            optimizer.zero_grad()
            try:
                loss = self._accumulate(step)
                break
            except torch.OutOfMemoryError:
                self._halve(step)
        self.clip_gradients(optimizer, self.optimisation.max_grad_norm, "norm")
        optimizer.step()
        self.lr_schedulers().step()  # type: ignore[union-attr]
        return loss

    def transfer_batch_to_device(self, batch: Step, device: Any, dataloader_idx: int) -> Step:
        """Leaves the step where it is: its micro-batches are moved one at a time."""
        return batch

    def _accumulate(self, step: Step) -> torch.Tensor:
        terms = max(self.terms(step), 1)
        total = torch.zeros((), device=self.device)
        for batch in self.micro_batches(step):
            loss = self.loss(batch.to(self.device)) / terms
            self.manual_backward(loss)
            total += loss.detach()
        return total

    def _halve(self, step: Step) -> None:
        from dataclasses import replace

        assert self.optimisation is not None
        widest = int(step.features.unit_widest[step.units].max())
        budget = self.optimisation.budget
        if self.optimisation.accumulation is None and budget <= widest:
            raise StiltsError(
                f"Out of memory on the device even with one sequence of {widest} tokens at a time; take a smaller "
                "model, recipe.*.max_length or trainer.gradient_checkpointing=true."
            )
        torch.cuda.empty_cache()
        if self.optimisation.accumulation:
            if self.optimisation.accumulation >= len(step.units):
                raise StiltsError(
                    "Out of memory on the device even with one example at a time; take a smaller max_length."
                )
            self.optimisation = replace(self.optimisation, accumulation=2 * self.optimisation.accumulation)
            log.warning("out of memory: now %d micro-batches a step, the same batch", self.optimisation.accumulation)
        else:
            self.optimisation = replace(self.optimisation, budget=budget // 2)
            log.warning("out of memory: micro-batches now hold at most %d tokens, the batch is the same", budget // 2)

    def configure_optimizers(self) -> Any:
        """AdamW without decay on biases and norms; the rate rises linearly, then falls linearly to zero."""
        setting = self.optimisation
        assert setting is not None
        decayed: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        seen: set[int] = set()
        for module in self.modules():
            for name, weight in module.named_parameters(recurse=False):
                if id(weight) in seen or not weight.requires_grad:
                    continue
                seen.add(id(weight))
                exempt = name == "bias" or "norm" in type(module).__name__.lower()
                (plain if exempt else decayed).append(weight)
        groups = [{"params": decayed, "weight_decay": setting.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=setting.learning_rate, eps=setting.epsilon, fused=True)
        warmup, steps = setting.warmup, setting.steps

        def rate(step: int) -> float:
            if step < warmup:
                return step / max(1, warmup)
            return max(0.0, (steps - step) / max(1, steps - warmup))

        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, rate)}


class HeadModule(StageModule):
    """One task format on the shared encoder.

    Attributes:
        format: The format's name, a key of :data:`data.schema.FORMATS`.
        labels: Label names, in the order of the logits.
        head: Hugging Face's head without its encoder; None for retrieval.
    """

    format: ClassVar[str]

    def __init__(
        self,
        encoder: Encoder,
        labels: Sequence[str],
        options: HeadOptions,
        continues: Source | None = None,
        with_head: bool = True,
    ):
        super().__init__(encoder)
        self.labels = tuple(labels)
        self.options = options
        self.head: HeadModel | None = head_of(encoder, self.format, self.labels, continues) if with_head else None
        if options.max_length < SHORTEST:
            raise StiltsError(f"max_length={options.max_length} leaves no room for text; give at least {SHORTEST}.")
        limit = position_limit(encoder)
        if limit is not None and options.max_length > limit:
            raise StiltsError(
                f"max_length={options.max_length} is more than the {limit} tokens that {encoder.config.model_type} "
                "takes."
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

    def predict_step(self, batch: Batch, index: int = 0) -> tuple[np.ndarray, ...]:
        """Outputs of a batch as single-precision arrays in memory."""
        return tuple(
            output.float().cpu().numpy() if output.is_floating_point() else output.cpu().numpy()
            for output in self.outputs(batch.to(self.device))
        )

    def first_tokens(self, batch: Batch) -> torch.Tensor:
        """Hidden states [S, 1, H] of the first token of every sequence."""
        hidden = self.encoder(batch)
        return hidden[torch.cumsum(batch.lengths, 0) - batch.lengths][:, None]

    def terms(self, step: Step) -> float:
        """Units of the step: the loss is a mean over examples."""
        return len(step.units)


class JointModule(StageModule):
    """Several heads on one encoder, each step of one of them."""

    def __init__(self, encoder: Encoder, heads: dict[str, HeadModule]):
        super().__init__(encoder)
        self.names = tuple(heads)
        # a LightningModule inside a ModuleDict must not be taken for the trained one: names carry no dots
        self.heads = nn.ModuleDict({f"head{position}": heads[name] for position, name in enumerate(heads)})

    def head(self, name: str) -> HeadModule:
        """The head of a task."""
        return self.heads[f"head{self.names.index(name)}"]  # type: ignore[return-value]

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of the head that the batch belongs to."""
        return self.head(batch.task).loss(batch)

    def terms(self, step: Step) -> float:
        """Loss terms as the step's head counts them."""
        return self.head(step.task).terms(step)


def position_limit(encoder: Encoder) -> int | None:
    """The longest sequence that an encoder takes; RoBERTa's family spends the positions up to the padding id."""
    limit = getattr(encoder.config, "max_position_embeddings", None)
    table = getattr(getattr(encoder.base, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return limit if limit is None or padding is None else limit - (padding + 1)


def segment_ids(tokenizer: Any, config: Any) -> bool:
    """Whether the encoder tells the two sentences of a pair apart by segment ids."""
    return "token_type_ids" in tokenizer.model_input_names and getattr(config, "type_vocab_size", 0) > 1


def flat(sequences: Sequence[Sequence[int]], dtype: Any = np.int32) -> tuple[np.ndarray, np.ndarray]:
    """Lists end to end [T] and their lengths [S]."""
    lengths = np.fromiter((len(sequence) for sequence in sequences), np.int64, len(sequences))
    joined = np.fromiter((value for sequence in sequences for value in sequence), dtype, int(lengths.sum()))
    return joined, lengths


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
        if not len(chosen):
            continue
        encoded = tokenizer(
            [first[position] for position in chosen],
            [second[position] for position in chosen] if pairs and second is not None else None,
            truncation="longest_first",
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=with_types,
        )
        for at, position in enumerate(chosen):
            ids[position] = encoded["input_ids"][at]
            if with_types:
                types[position] = encoded["token_type_ids"][at]
    joined, lengths = flat(ids)
    return {"ids": joined, "lengths": lengths, "types": flat(types, np.int8)[0] if with_types else None}


def grouped_cross_entropy(scores: torch.Tensor, lengths: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """Sum of cross-entropies, each over one group of a flat list of scores.

    Args:
        scores: Scores [N] of all groups, one after the other.
        lengths: Scores in each group [G].
        gold: Position of the right one within its group [G].
    """
    width = int(lengths.max())
    mask = torch.arange(width, device=lengths.device)[None, :] < lengths[:, None]
    padded = torch.full(mask.shape, float("-inf"), device=scores.device, dtype=torch.float32)
    padded[mask] = scores.float()
    return nn.functional.cross_entropy(padded, gold, reduction="sum")

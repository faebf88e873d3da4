"""The specification of a cell: typed, frozen and plain. :mod:`stilts_xtreme.cell.config` makes and checks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from stilts_xtreme.core.mixing import Merge, Mlm, Sampling, Translation
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.core.shots import Shots


@dataclass(frozen=True)
class ModelSpec:
    """An encoder: a hub id, a local folder, or an architecture that is pretrained here on ``corpus``.

    With both an id and a folder it is the hub's encoder of this revision, brought into the folder.
    ``shipped`` names an encoder of the package with this architecture, pretrained on the synthetic world already.
    ``licence`` is named as the hub does, such as ``mit``; None: it is not known. Not keyed.
    ``weights`` is ``pretrained``, or ``random`` for a floor: the same training from an encoder that knows nothing.
    ``layers`` is the number of its lowest layers that are kept; None: all of them.
    ``languages`` are those that it was pretrained on; None: they are not known. Not keyed. Of an encoder that is
    pretrained here they choose the text, and are keyed; None: all languages of ``corpus``.
    ``root`` is a folder in which an encoder with an id is looked for, as ``OWNER/NAME``. Not keyed.
    """

    name: str
    id: str | None = None
    path: str | None = None
    revision: str | None = None
    corpus: object = None
    architecture: Mapping[str, Any] | None = None
    pretraining: Mapping[str, Any] | None = None
    retrieval_layer: int | None = None
    shipped: str | None = None
    weights: str = "pretrained"
    licence: str | None = None
    layers: int | None = None
    root: str | None = None
    languages: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """What it is called in results: its name, and how many layers are kept where some are left out."""
        return self.name if self.layers is None else f"{self.name}/{self.layers}"


@dataclass(frozen=True)
class Recipe:
    """How one training runs. Every field that changes the weights is part of a stage's key.

    Attributes:
        learning_rate: Peak of the linear schedule.
        epochs: Passes over the training rows.
        max_steps: Optimiser steps at the most, however many the epochs have.
        batch_size: Examples per optimiser step (windows for qa and tagging, as in the example scripts of the field).
        warmup_ratio: Share of the steps in which the rate rises from zero; ``warmup_steps`` wins when set.
        weight_decay: AdamW's decay of every weight but biases and layer norms.
        max_length: Sub-tokens in a sequence, special tokens included.
        stride: Sub-tokens that neighbouring windows of a long context share.
        max_query_length: A longer question is cut to this many sub-tokens; of a ranking, a longer query.
        dropout: Hidden and attention dropout in this training; None is the pretrained encoder's own, whatever the
            trainings before had.
        freeze: What of the encoder is not trained: None is nothing, ``embeddings``, or how many of the lowest layers
            together with them. An encoder with random weights is trained whole all the same.
        lora: The rank of the matrices that are trained in place of those of the layers
            (:mod:`stilts_xtreme.models.low_rank`); None: the layers are trained themselves, as those of an encoder with
            random weights are in any case.
        selection: The weights of the last step (``last``), of the best score on English dev rows (``best``), or the
            mean of the weights at all evaluation points (``average``). A training whose weights are chosen afterwards
            keeps those of all points (``points``).
        eval_every: Optimiser steps between two dev scores; None: once an epoch.
        patience: Dev scores without a new best after which training ends.
        dev_rows: Dev rows used for selection, the first ones in file order.
    """

    learning_rate: float
    epochs: float
    batch_size: int
    max_length: int
    max_steps: int | None = None
    warmup_ratio: float = 0.1
    warmup_steps: int | None = None
    weight_decay: float = 0.01
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    stride: int = 128
    max_query_length: int = 64
    dropout: float | None = None
    freeze: str | int | None = None
    lora: int | None = None
    selection: str = "last"
    eval_every: int | None = None
    patience: int | None = None
    dev_rows: int = 500

    @property
    def selects(self) -> bool:
        """Whether dev scores or the points at which they are made change what a training leaves."""
        return self.selection in ("best", "points")

    def identity(self) -> dict[str, Any]:
        """What of it changes a training: all but how weights are selected where the last ones are taken."""
        found = asdict(self)
        for name in ("freeze", "lora"):
            if found[name] is None:  # as it was before there was a choice
                del found[name]
        if not self.selects:
            for name in ("eval_every", "patience", "dev_rows"):
                del found[name]
        return found


OPTIMISER_FIELDS = (
    "learning_rate",
    "warmup_ratio",
    "warmup_steps",
    "weight_decay",
    "adam_epsilon",
    "max_grad_norm",
    "dropout",
    "freeze",
    "lora",
    "selection",
    "eval_every",
    "patience",
)
"""What the heads of a joint training have in common."""


@dataclass(frozen=True)
class TrainTask:
    """One head and the data sets whose joined rows it learns from.

    ``substitute_for`` names the task of the paper that it stands in for and must not be reported as.
    """

    head: str
    metric: str
    datasets: tuple[DatasetSpec, ...]
    recipe: Recipe
    substitute_for: str | None = None

    @property
    def name(self) -> str:
        """The data sets' names joined with '+': the name of the head's folder in a stage."""
        return "+".join(spec.name for spec in self.datasets)


@dataclass(frozen=True)
class Target:
    """A target task: what it trains on, one after the other, what it is evaluated on, and what a ranking ranks."""

    name: str
    head: str
    metric: str
    train: tuple[TrainTask, ...]
    test: DatasetSpec
    languages: tuple[str, ...]
    recipe: Recipe
    candidates: DatasetSpec | None = None


@dataclass(frozen=True)
class TrainerSpec:
    """The machine: nothing here but the precision may change a result beyond rounding."""

    accelerator: str = "auto"
    precision: str = "auto"
    devices: int = 1
    threads: int | None = None
    micro_batch_tokens: int = 8192
    accumulation: int | None = None
    gradient_checkpointing: bool = False
    packing: bool = True
    compact_embedding: bool = True
    checkpoint_seconds: float = 60
    progress: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallbackSpec:
    """A callback of Lightning's kind that every training of a cell has beside its own.

    Attributes:
        name: Its name in the group ``callbacks``.
        options: ``_target_`` and what it is made with, plain.
        watches: Whether it only watches. Otherwise it is part of the key of every training.
    """

    name: str
    options: Mapping[str, Any]
    watches: bool


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix, fully resolved.

    ``options`` are those of the task formats: group, such as ``tagging``, -> option -> value.

    ``control`` says which control of its intermediate task the cell is: ``placebo`` is the same intermediate training
    with the answers of other rows; ``steps`` has as many more steps of the target's (first) training in its place.
    None: it is none, as always without an intermediate task.

    ``merge`` says how the encoders that are trained on one intermediate task each become one encoder. None: the tasks
    are trained jointly, as is a single one.

    ``shots`` says which rows of each language the model is trained on before it is evaluated there. None: on none,
    which is zero-shot transfer.

    ``kept_weights`` says which trainings keep their weights: ``all``, or those that are ``needed`` by something that is
    still to be made.

    ``synthetic`` says whether the rows that it is scored on (without a target: trained on) are generated.
    """

    model: ModelSpec
    data: DataSpec
    intermediate: tuple[str, ...]
    intermediate_tasks: tuple[TrainTask, ...]
    target: Target | None
    trainer: TrainerSpec
    logger: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    options: Mapping[str, Mapping[str, Any]]
    seed: int
    volume: float | int | None
    volume_steps: str
    sampling: Sampling
    mlm: Mlm
    translation: Translation
    languages: object
    baseline: bool
    output: str
    on_damage: str
    recipe_name: str
    synthetic: bool
    callbacks: tuple[CallbackSpec, ...] = ()
    control: str | None = None
    merge: Merge | None = None
    shots: Shots | None = None
    kept_weights: str = "all"

    def changes(self) -> dict[str, Any]:
        """The callbacks that may change a training, by name: what of them its key depends on."""
        return {spec.name: dict(spec.options) for spec in self.callbacks if not spec.watches}

"""What a training has before its first step: encoder, tokenizer and heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.core.stage import Training
from stilts_xtreme.models import low_rank
from stilts_xtreme.models.encoder import Encoder, Source, load
from stilts_xtreme.models.freezing import freeze
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.tasks.joint import JointModule
from stilts_xtreme.tasks.module import StageModule
from stilts_xtreme.tasks.optimisation import Optimisation
from stilts_xtreme.training.parents import FolderOf, encoder_source, pretrained_source, task_labels


@dataclass
class Parts:
    """The parts of a training.

    Attributes:
        source: Where the encoder is from.
        encoder: The encoder, frozen as the recipe says.
        tokenizer: Its tokenizer.
        heads: Task name -> its module on that encoder.
    """

    source: Source
    encoder: Encoder
    tokenizer: Any
    heads: dict[str, HeadModule]

    def module(self) -> StageModule:
        """What is trained: the only head, or all of them together."""
        return JointModule(self.encoder, self.heads) if len(self.heads) > 1 else next(iter(self.heads.values()))


def build(cell: Cell, stage: Training, folder_of: FolderOf) -> Parts:
    """The parts of a training before its first step; the weights of fresh heads follow from the seed.

    Args:
        cell: The cell that needs it.
        stage: The training.
        folder_of: Gives the folder of a finished stage, such as its parent.
    """
    source, first = encoder_source(stage, folder_of), stage.tasks[0].recipe
    origin = pretrained_source(stage, folder_of)
    encoder = load(
        source,
        cell.trainer.gradient_checkpointing,
        first.dropout,
        None if origin.random else origin,
        cell.trainer.packing,
    )
    freeze(encoder, first.freeze, f"recipe.{stage.phase}.freeze")
    low_rank.adapt(encoder, first.lora, stage.seed, f"recipe.{stage.phase}.lora")
    tokenizer = load_tokenizer(source)
    torch.manual_seed(stage.seed)  # the fresh heads' weights
    heads: dict[str, HeadModule] = {}
    for task in stage.tasks:
        continues = source if stage.head is not None else None
        format = format_of(task.head)
        options = format.head_options(cell, task.recipe, task.metric)
        heads[task.name] = format.module()(encoder, task_labels(cell, task), options, continues)
    return Parts(source, encoder, tokenizer, heads)


def optimisation_of(cell: Cell, recipe: Recipe, steps: int, seed: int) -> Optimisation:
    """How a training of some steps is optimised.

    Args:
        cell: The cell, for its machine.
        recipe: The recipe.
        steps: All steps of the training.
        seed: Of the training.
    """
    return Optimisation(
        learning_rate=recipe.learning_rate,
        steps=steps,
        warmup=recipe.warmup_steps if recipe.warmup_steps is not None else int(recipe.warmup_ratio * steps),
        weight_decay=recipe.weight_decay,
        epsilon=recipe.adam_epsilon,
        max_grad_norm=recipe.max_grad_norm,
        seed=seed,
        budget=cell.trainer.micro_batch_tokens,
        accumulation=cell.trainer.accumulation,
    )

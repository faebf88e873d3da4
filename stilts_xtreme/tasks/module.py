"""The training step over micro-batches, and its optimiser: the part of a LightningModule that knows no task."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from stilts_xtreme.core.checks import check, number, whole
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.batch import Batch, Features, fill
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.models.sparse_embedding import CompactEmbedding

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Optimisation:
    """AdamW with a linear schedule, as every recipe has it.

    With ``muon_learning_rate`` the matrices between layers are left to Muon (Jordan et al. 2024,
    https://kellerjordan.github.io/posts/muon/), its updates scaled to the size of AdamW's (Liu et al. 2025, arXiv
    2502.16982).

    Attributes:
        learning_rate: Peak of the schedule; fine-tuning XLM-R takes 1e-5 to 3e-5, the small ``mini`` about 5e-4.
        steps: Optimiser steps after which the rate is zero; None: those that the trainer will take, by its
            ``max_epochs`` or ``max_steps``.
        warmup: Steps in which the rate rises from zero; None: the share ``warmup_ratio`` of all steps.
        warmup_ratio: See ``warmup``.
        weight_decay: Of every weight but biases and norms.
        epsilon: AdamW's.
        max_grad_norm: Longer gradients are cut to this norm.
        seed: Decides, with the number of a step, all random draws of that step.
        budget: Tokens of a micro-batch at the most, padding included; it changes speed and memory, not the result.
        accumulation: Micro-batches of a step in the place of ``budget``.
        muon_learning_rate: Learning rate of Muon; None leaves all weights to AdamW.

    Raises:
        StiltsError: For a number that is out of range.
    """

    learning_rate: float
    steps: int | None = None
    warmup: int | None = None
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    seed: int = 0
    budget: int = 8192
    accumulation: int | None = None
    muon_learning_rate: float | None = None
    warmup_ratio: float = 0.1

    def __post_init__(self) -> None:
        option = "Optimisation.{}".format
        for name in ("learning_rate", "epsilon", "max_grad_norm"):
            number(option(name), getattr(self, name), 0, strict=True)
        for name in ("weight_decay", "warmup_ratio"):
            number(option(name), getattr(self, name), 0)
        check(self.warmup_ratio <= 1, option("warmup_ratio"), self.warmup_ratio, "it is a share, at most 1")
        number(option("muon_learning_rate"), self.muon_learning_rate, 0, strict=True, optional=True)
        for name, least in (("steps", 1), ("warmup", 0), ("accumulation", 1)):
            whole(option(name), getattr(self, name), least, optional=True)
        whole(option("budget"), self.budget, 1)
        whole(option("seed"), self.seed, 0)


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

    Attributes:
        encoder: The encoder, which heads of a joint training share.
        optimisation: How it is trained; None for a module that only predicts.
        steps: Optimiser steps of the training in progress, known once its optimisers are there.
    """

    def __init__(self, encoder: Encoder, optimisation: Optimisation | None = None):
        super().__init__()
        self.encoder = encoder
        self.optimisation = optimisation
        self.steps = 0
        self.automatic_optimization = False

    def setting(self) -> Optimisation:
        """How it is trained.

        Raises:
            StiltsError: When it was not said.
        """
        if self.optimisation is None:
            raise StiltsError(
                f"{type(self).__name__} has no optimisation; to train it give "
                "optimisation=Optimisation(learning_rate=...)."
            )
        return self.optimisation

    def loss(self, batch: Batch) -> torch.Tensor:
        """Sum of the loss over the batch's terms (examples, windows or labelled tokens)."""
        raise NotImplementedError

    def terms(self, step: Step) -> float:
        """Number of loss terms in a whole step; the loss of the step is the sum divided by it."""
        raise NotImplementedError

    def micro_batches(self, step: Step) -> Iterator[Batch]:
        """The step's units in groups that fit the token budget, or in a fixed number of groups."""
        setting = self.setting()
        if setting.accumulation:
            groups = [group for group in np.array_split(np.arange(len(step.units)), setting.accumulation) if len(group)]
        else:
            features = step.features
            groups = fill(features.unit_widest[step.units], features.units[step.units], setting.budget)
        for group in groups:
            yield step.features.take(step.units[group], step.task)

    def training_step(self, step: Step, index: int) -> torch.Tensor:  # type: ignore[override]
        """Runs one optimiser step and returns its loss, detached."""
        setting = self.setting()
        optimizers: Any = self.optimizers()
        first, *others = optimizers if isinstance(optimizers, list) else [optimizers]
        while True:
            torch.manual_seed(setting.seed * 1_000_003 + step.index)
            self.zero_grad()
            try:
                loss = self._accumulate(step)
                break
            except torch.OutOfMemoryError:
                self._halve(step)
        # not Lightning's clipping, which refuses fused optimisers in mixed precision: bfloat16 has no scale to undo
        weights = [weight for some in (first, *others) for group in some.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, setting.max_grad_norm)
        group = first.param_groups[0]
        compact = self.encoder.base.get_input_embeddings()
        if isinstance(compact, CompactEmbedding):
            compact.decay(1 - group["lr"] * group["weight_decay"])
        first.step()
        for other in others:
            other.optimizer.step()  # past Lightning, which would count a second step
        for scheduler in self.schedules():
            scheduler.step()
        return loss

    def schedules(self) -> list[Any]:
        """The schedules of the learning rates, AdamW's first."""
        found: Any = self.lr_schedulers()
        return found if isinstance(found, list) else [found]

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
        setting = self.setting()
        widest = int(step.features.unit_widest[step.units].max())
        budget = setting.budget
        if setting.accumulation is None and budget <= widest:
            raise StiltsError(
                f"Out of memory on the device even with one sequence of {widest} tokens at a time; take a smaller "
                "model, recipe.*.max_length or trainer.gradient_checkpointing=true."
            )
        torch.cuda.empty_cache()
        if setting.accumulation:
            if setting.accumulation >= len(step.units):
                raise StiltsError(
                    "Out of memory on the device even with one example at a time; take a smaller max_length."
                )
            self.optimisation = replace(setting, accumulation=2 * setting.accumulation)
            log.warning("out of memory: now %d micro-batches a step, the same batch", self.optimisation.accumulation)
        else:
            self.optimisation = replace(setting, budget=budget // 2)
            log.warning("out of memory: micro-batches now hold at most %d tokens, the batch is the same", budget // 2)

    def configure_optimizers(self) -> Any:
        """AdamW without decay on biases and norms; the rate rises linearly, then falls linearly to zero."""
        setting = self.setting()
        self.steps = setting.steps if setting.steps is not None else self._steps_of_trainer()
        decayed: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        matrices: list[nn.Parameter] = []
        seen: set[int] = set()
        if setting.muon_learning_rate:
            embeddings = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
            for module in self.modules():
                if (
                    isinstance(module, nn.Linear)
                    and module.weight.requires_grad
                    and id(module.weight) not in embeddings
                ):
                    matrices.append(cast(nn.Parameter, module.weight))
            seen = {id(weight) for weight in matrices}
        for module in self.modules():
            for name, weight in module.named_parameters(recurse=False):
                if id(weight) in seen or not weight.requires_grad:
                    continue
                seen.add(id(weight))
                exempt = name == "bias" or "norm" in type(module).__name__.lower()
                (plain if exempt else decayed).append(weight)
        groups = [{"params": decayed, "weight_decay": setting.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizers: list[Any] = [torch.optim.AdamW(groups, lr=setting.learning_rate, eps=setting.epsilon, fused=True)]
        if matrices:
            rate_of_muon = setting.muon_learning_rate
            assert rate_of_muon is not None
            decay = setting.weight_decay
            optimizers.append(
                torch.optim.Muon(matrices, lr=rate_of_muon, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            )
        steps = self.steps
        warmup = setting.warmup if setting.warmup is not None else int(setting.warmup_ratio * steps)

        def rate(step: int) -> float:
            if step < warmup:
                return step / max(1, warmup)
            return max(0.0, (steps - step) / max(1, steps - warmup))

        return [
            {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, rate)}
            for optimizer in optimizers
        ]

    def _steps_of_trainer(self) -> int:
        """The optimiser steps that the trainer will take, which is one for every batch of its loader."""
        steps = float(self.trainer.estimated_stepping_batches)
        if not 1 <= steps < math.inf:
            raise StiltsError(
                "The number of optimiser steps is not known, and the learning rate falls to zero at the last one; give "
                "pl.Trainer(max_epochs=...) or max_steps=..., or Optimisation(steps=...)."
            )
        return int(steps)

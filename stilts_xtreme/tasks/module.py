"""The training step over micro-batches, and its optimiser: the part of a LightningModule that knows no task."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

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
    """

    learning_rate: float
    steps: int
    warmup: int
    weight_decay: float
    epsilon: float
    max_grad_norm: float
    seed: int
    budget: int
    accumulation: int | None = None
    muon_learning_rate: float | None = None


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
        optimizers: Any = self.optimizers()
        first, *others = optimizers if isinstance(optimizers, list) else [optimizers]
        while True:
            torch.manual_seed(self.optimisation.seed * 1_000_003 + step.index)
            self.zero_grad()
            try:
                loss = self._accumulate(step)
                break
            except torch.OutOfMemoryError:
                self._halve(step)
        # not Lightning's clipping, which refuses fused optimisers in mixed precision: bfloat16 has no scale to undo
        weights = [weight for some in (first, *others) for group in some.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, self.optimisation.max_grad_norm)
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
        warmup, steps = setting.warmup, setting.steps

        def rate(step: int) -> float:
            if step < warmup:
                return step / max(1, warmup)
            return max(0.0, (steps - step) / max(1, steps - warmup))

        return [
            {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, rate)}
            for optimizer in optimizers
        ]

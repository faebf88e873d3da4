"""The training step over micro-batches, and the steps of validation and testing: a LightningModule of no one task."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.models.batch import Batch, Features, fill
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.models.sparse_embedding import CompactEmbedding
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.evaluation import Portion, Predictor, Sample, Scoring, outputs_of
from stilts_xtreme.tasks.metrics.official import OfficialMetric
from stilts_xtreme.tasks.optimisation import Optimisation, optimizers

log = logging.getLogger(__name__)

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
"""Precisions of ``pl.Trainer`` that the steps work in; the last one only to predict."""


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
        logs_loss: Whether the loss of every step is logged as ``train/loss``.
    """

    def __init__(self, encoder: Encoder, optimisation: Optimisation | None = None):
        super().__init__()
        self.encoder = encoder
        self.optimisation = optimisation
        self.steps = 0
        self.logs_loss = True
        self.automatic_optimization = False
        self._scoring = Scoring()

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

    def head_of(self, name: str) -> Predictor:
        """The head of a task: of several the named one."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Refuses a training that was not described, or what these steps cannot do.

        Raises:
            StiltsError: For a compiled module or weights in another precision; and to be trained without an
                optimisation, on several devices, or in half precision with a scaled loss.
        """
        if getattr(self, "_compiler_ctx", None) is not None:  # Lightning's note of torch.compile
            raise StiltsError(
                f"torch.compile({type(self).__name__}) is not supported, since every batch has another shape; give the "
                "module itself."
            )
        if self.trainer.precision not in PRECISIONS:
            raise unknown("precision of pl.Trainer", str(self.trainer.precision), PRECISIONS)
        if stage != "fit":
            return
        self.setting()
        if self.trainer.world_size > 1:
            raise StiltsError(
                f"pl.Trainer(devices=...) gives {self.trainer.world_size} processes; a training is one process on one "
                "device, take devices=1."
            )
        if self.trainer.precision == "16-mixed":
            raise StiltsError("pl.Trainer(precision='16-mixed') scales the loss, which is not done; take bf16-mixed.")
        self.train()  # a model comes from its checkpoint without dropout, and Lightning leaves it so

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
        _expect(step, Step)
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
        if self.logs_loss:
            self.log("train/loss", loss, prog_bar=True, batch_size=len(step.units))
        return loss

    def schedules(self) -> list[Any]:
        """The schedules of the learning rates, AdamW's first."""
        found: Any = self.lr_schedulers()
        return found if isinstance(found, list) else [found]

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Leaves a step where it is: its micro-batches are moved one at a time."""
        return batch

    def on_validation_epoch_start(self) -> None:
        """Begins to collect outputs."""
        self._scoring = Scoring()

    def on_test_epoch_start(self) -> None:
        """Begins to collect outputs."""
        self._scoring = Scoring()

    def validation_step(self, batch: Portion, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Collects the outputs of a portion; what they are worth is known when a language is complete."""
        self._collect(batch)

    def test_step(self, batch: Portion, batch_idx: int, dataloader_idx: int = 0) -> None:
        """As :meth:`validation_step`."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/<task>/<language>/<metric>`` in percent, and the mean over languages as ``val/<task>/mean``."""
        if not self.trainer.sanity_checking:
            self._score("val")

    def on_test_epoch_end(self) -> None:
        """Logs ``test/<task>/<language>/<metric>`` and ``test/<task>/mean``."""
        self._score("test")

    def predict_step(self, batch: Sample, batch_idx: int = 0, dataloader_idx: int = 0) -> Any:
        """The answers of a whole language, one for each row, in the form of the head's ``decode``."""
        _expect(batch, Sample)
        head = self.head_of(batch.head)
        head.begin(batch, self._budget())
        return head.decode(batch.rows, batch.features, outputs_of(head, batch.features, self._budget()))

    def _budget(self) -> int:
        """Tokens of a batch that is only predicted: twice those of a training, as no gradients are held."""
        return 2 * (self.optimisation.budget if self.optimisation is not None else Optimisation.budget)

    def _collect(self, portion: Portion) -> None:
        _expect(portion, Portion)
        head = self.head_of(portion.sample.head)
        if not self._scoring.begun(portion.sample):
            head.begin(portion.sample, self._budget())
        found = head.arrays(portion.sample.features.take(portion.units))
        self._scoring.put(portion, head.over, found)

    def _score(self, stage: str) -> None:
        """Logs the scores of every language whose rows were all predicted."""
        mains: dict[str, list[float]] = {}
        for sample, outputs in self._scoring:
            if outputs.missing:
                log.warning(
                    "%s has no score: %d of its %d units were left out; limit the rows of the data module instead.",
                    *(f"{stage}/{sample.name}", outputs.missing, len(sample.features)),
                )
                continue
            head = self.head_of(sample.head)
            answers = head.decode(sample.rows, sample.features, outputs.arrays)
            own = format_of(head.format).metric(sample.metric)
            metric = OfficialMetric(own, sample.language)
            metric.update(*head.comparable(answers, sample, stage))
            scores = metric.scores()
            for name, value in scores.items():
                self.log(f"{stage}/{sample.name}/{name}", torch.tensor(value, dtype=torch.float64))
            mains.setdefault(sample.task, []).append(own.headline(scores))
        for task, values in mains.items():
            mean = torch.tensor(sum(values) / len(values), dtype=torch.float64)
            self.log(f"{stage}/{task}/mean", mean, prog_bar=True)
        self._scoring = Scoring()

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
        return optimizers(self, setting, self.steps)

    def _steps_of_trainer(self) -> int:
        """The optimiser steps that the trainer will take, which is one for every batch of its loader."""
        steps = float(self.trainer.estimated_stepping_batches)
        if not 1 <= steps < math.inf:
            raise StiltsError(
                "The number of optimiser steps is not known, and the learning rate falls to zero at the last one; give "
                "pl.Trainer(max_epochs=...) or max_steps=..., or Optimisation(steps=...)."
            )
        return int(steps)


def _expect(batch: Any, kind: type) -> None:
    """Refuses batches of a loader that is not a data module's.

    Raises:
        StiltsError: When the batch is something else.
    """
    if not isinstance(batch, kind):
        raise StiltsError(
            f"The loader gives batches of {type(batch).__name__}; the modules of this package take those of a "
            "TaskDataModule."
        )

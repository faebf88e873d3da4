"""Outputs of a head for many examples, as one stream sorted by length."""

from __future__ import annotations

import contextlib
import logging

import numpy as np
import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.progress import Phase
from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.models.batch import Features
from stilts_xtreme.tasks.evaluation import outputs_of
from stilts_xtreme.tasks.head import HeadModule


def precision_context(spec: TrainerSpec) -> contextlib.AbstractContextManager:
    """The arithmetic of prediction, the same as in training."""
    if spec.precision.startswith("bf16"):
        return torch.autocast(device_of(spec), dtype=torch.bfloat16)
    return contextlib.nullcontext()


log = logging.getLogger(__name__)


def predict(head: HeadModule, features: Features, spec: TrainerSpec, bar: Phase | None) -> list[np.ndarray]:
    """The head's outputs for all units, as one length-sorted stream, in the order of the features.

    Args:
        head: The head, on its device.
        features: The units.
        spec: The machine.
        bar: Moved on by finished units.

    Returns:
        The arrays of ``head.outputs``, each over all units, sequences or tokens; without units each has length 0.
    """
    was_training = head.training
    head.eval()
    budget = 2 * spec.micro_batch_tokens  # no gradients are held
    try:
        while True:
            try:
                return _predict(head, features, spec, budget, bar)
            except torch.OutOfMemoryError:
                pass
            # outside of the handler, whose traceback holds the tensors
            widest = int((features.unit_widest * features.units).max())
            if budget <= widest:
                raise StiltsError(
                    f"Out of memory on the device even with one example of {widest} tokens at a time; take a smaller "
                    "model or recipe.*.max_length."
                )
            budget //= 2
            torch.cuda.empty_cache()
            log.warning("out of memory: batches of prediction now hold at most %d tokens", budget)
    finally:
        head.train(was_training)


def _predict(
    head: HeadModule, features: Features, spec: TrainerSpec, budget: int, bar: Phase | None
) -> list[np.ndarray]:
    done = 0

    def advance(units: int) -> None:
        nonlocal done
        done += units
        if bar is not None:
            bar.advance(units)

    try:
        with torch.inference_mode(), precision_context(spec):
            found = outputs_of(head, features, budget, advance)
    except torch.OutOfMemoryError:
        if bar is not None:
            bar.advance(-done)
        raise
    if bar is not None:
        bar.advance(0, tokens=int(features.lengths.sum()))
    return found


def device_of(spec: TrainerSpec) -> str:
    """The torch device of a trainer."""
    return "cuda" if spec.accelerator == "gpu" else "cpu"

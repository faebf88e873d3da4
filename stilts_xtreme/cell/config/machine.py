"""The devices, launchers and memory that a cell runs on, here or on a machine that a sweep sends it to."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from stilts_xtreme.cell.config.extensions import check_extra
from stilts_xtreme.core.checks import check, choice, make, number, switch, whole
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import TrainerSpec

PRECISIONS = ("auto", "32-true", "bf16-mixed")

_ELSEWHERE: ContextVar[tuple[bool, str] | None] = ContextVar("elsewhere", default=None)


@contextmanager
def elsewhere(gpu: bool, without: str = "") -> Iterator[None]:
    """Checks cells for another machine than this one while the block runs.

    Args:
        gpu: Whether there is a GPU for each stage.
        without: Why there is none, and what to do, as half a sentence.
    """
    token = _ELSEWHERE.set((gpu, without))
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def gpu_visible() -> bool:
    """Whether a CUDA device is visible, found without importing torch (which takes seconds)."""
    there = _ELSEWHERE.get()
    if there is not None:
        return there[0]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return hidden not in ("", "-1") and os.path.exists("/dev/nvidiactl")


def make_trainer(values: Mapping[str, Any]) -> TrainerSpec:
    """The trainer, its ``auto`` resolved.

    Raises:
        StiltsError: For an unknown field, a value out of range, or a GPU where there is none.
    """
    trainer = make(TrainerSpec, "trainer", values)
    choice("trainer.accelerator", trainer.accelerator, ("auto", "cpu", "gpu"))
    choice("trainer.precision", trainer.precision, PRECISIONS)
    check(trainer.devices == 1, "trainer.devices", trainer.devices, "a cell is one process on one device")
    whole("trainer.micro_batch_tokens", trainer.micro_batch_tokens, 1)
    whole("trainer.accumulation", trainer.accumulation, 1, optional=True)
    whole("trainer.threads", trainer.threads, 1, optional=True)
    for name in ("gradient_checkpointing", "packing", "compact_embedding", "progress"):
        switch(f"trainer.{name}", getattr(trainer, name))
    number("trainer.checkpoint_seconds", trainer.checkpoint_seconds, 0)
    check_extra(trainer.extra or {})
    gpu = gpu_visible()
    accelerator = trainer.accelerator if trainer.accelerator != "auto" else ("gpu" if gpu else "cpu")
    if accelerator == "gpu" and not gpu:
        there = _ELSEWHERE.get()
        without = there[1] if there else "no CUDA device is visible here; take trainer=cpu or trainer=auto"
        raise StiltsError(f"trainer.accelerator=gpu, but {without}.")
    precision = (
        trainer.precision if trainer.precision != "auto" else ("bf16-mixed" if accelerator == "gpu" else "32-true")
    )
    return dataclasses.replace(trainer, accelerator=accelerator, precision=precision)

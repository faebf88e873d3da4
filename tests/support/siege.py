"""Trainings that are interrupted."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.training import callbacks
from support.cells import TINY, cell_of

OFTEN = "trainer.checkpoint_seconds=0"


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_step(label: str, step: int, callback: str) -> None:
    """Kills this process in a training step, before (Guard) or after (Checkpoint) its checkpoint is written."""
    kind = getattr(callbacks, callback)
    original = kind.on_train_batch_end

    def on_train_batch_end(self: Any, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        original(self, trainer, module, outputs, batch, index)
        guard = self if callback == "Guard" else self.guard
        if guard.label == label and batch.index + 1 == step:
            kill()

    kind.on_train_batch_end = on_train_batch_end


def trained(output: Path, *arguments: str) -> dict[str, bytes]:
    """Weights and curves of a cell's stages, byte for byte."""
    found = {}
    for stage in plan(cell_of(*TINY, *arguments)).stages():
        folder = Store(output).open(stage.key)
        for file in sorted([*folder.rglob("*.safetensors"), *folder.rglob("curve.jsonl"), *folder.rglob("test-*")]):
            found[f"{stage.label}/{file.relative_to(folder)}"] = file.read_bytes()
    return found


def siege(launch: Callable[..., Any], output: Path, arguments: tuple[str, ...], moments: list[tuple[Any, ...]]) -> None:
    """Gives the same command again and again; each time but the last it is killed at another moment."""
    command = [*TINY, *arguments, OFTEN, f"output={output}"]
    log = output.parent / "log.txt"
    for patch, *values in moments:
        process = launch(command, log, patch, *values)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, (patch, values, log.read_text() if log.exists() else "")
    process = launch(command, log)
    process.join(120)
    assert process.exitcode == 0, log.read_text()

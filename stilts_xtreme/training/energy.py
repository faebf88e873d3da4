"""The energy of a training, where the machine tells."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as pl

from stilts_xtreme.models.meters import EnergyMeter, energy_meter

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two readings; a counter of a processor begins anew within minutes."""


class Energy(pl.Callback):
    """Adds up the energy of a training over all its parts, killed ones up to their last checkpoint.

    Attributes:
        joules: What the training has used; None where a part of it was not counted.
    """

    def __init__(self, meter: EnergyMeter | None):
        self.meter = meter
        self.joules: float | None = None if meter is None else 0.0
        self._before = self.joules  # what earlier parts have used
        self._continues = False
        self._read_at = time.monotonic()

    @classmethod
    def of_device(cls, gpu: bool) -> Energy:
        """A callback that reads the counter of the first CUDA device, or of the processors."""
        return cls(energy_meter(gpu)[0])

    def found(self) -> dict[str, Any]:
        """What a manifest says: ``joules``, and ``energy_of``, what was counted; empty where it is not known."""
        if self.joules is None or self.meter is None:
            return {}
        return {"joules": self.joules, "energy_of": self.meter.source}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Knows nothing of a training of which an earlier version made the first part."""
        if trainer.global_step and not self._continues:
            self.joules = self._before = None

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Reads the counter now and then."""
        if time.monotonic() - self._read_at >= EVERY:
            self._read()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reads the counter for the last time."""
        self._read()

    def _read(self) -> None:
        self._read_at = time.monotonic()
        if self.meter is None or self._before is None:
            return
        try:
            self.joules = self._before + self.meter.joules()
        except Exception as error:  # each meter has errors of its own, and none of them is worth a training
            log.warning("The energy of this training is not known: the counter could not be read (%s).", error)
            self.joules = self._before = None

    def state_dict(self) -> dict[str, Any]:
        """What the parts until now have used."""
        self._read()
        return {"joules": self.joules}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from an earlier part; of one that was not counted nothing is known."""
        self._continues = True
        self.joules = self._before = state_dict["joules"] if self.meter is not None else None

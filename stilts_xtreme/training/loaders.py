"""Loaders for Lightning: the steps of a training, and a language in portions or as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from stilts_xtreme.models.batch import Features, fill, order
from stilts_xtreme.tasks.evaluation import Portion, Sample
from stilts_xtreme.tasks.module import Step


class Epochs:
    """The steps of a training on one task, epoch after epoch, as a loader that Lightning can resume in the middle.

    The units of a step are a function of (seed, name, step): they are those of the command line's training on the data
    set of that name. A step's number counts on over epochs.

    Args:
        name: Name of the training set.
        features: Its features.
        batch_size: Units of a step.
        seed: Decides the order.
        done: Tells how many steps were taken, when an epoch begins. Lightning makes its loaders before it hands on the
            state of a checkpoint to them, so what the trainer has counted is asked, not the loader's own state.
    """

    def __init__(
        self, name: str, features: Features, batch_size: int, seed: int, done: Callable[[], int] | None = None
    ):
        self.name, self.features, self.batch_size, self.seed, self.done = name, features, batch_size, seed, done
        self.next = 0

    def __len__(self) -> int:
        return math.ceil(len(self.features) / self.batch_size)

    def step(self, index: int) -> Step:
        """The units of step ``index``."""
        epoch, batch = divmod(index, len(self))
        drawn = order(self.seed, self.name, epoch, len(self.features))
        return Step(self.name, self.features, drawn[batch * self.batch_size : (batch + 1) * self.batch_size], index)

    def __iter__(self) -> Iterator[Step]:
        if self.done is not None:
            self.next = self.done()
        end = (self.next // len(self) + 1) * len(self)
        while self.next < end:
            self.next += 1
            yield self.step(self.next - 1)

    def state_dict(self) -> dict[str, int]:
        """Where the training is."""
        return {"next": self.next}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes on from where a training was."""
        self.next = int(state["next"])


class Portions:
    """A language as a loader: its units sorted by length, as many at a time as fit."""

    def __init__(self, sample: Sample, budget: int):
        self.sample = sample
        features = sample.features
        self.groups = fill(features.unit_widest, features.units, budget)

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Portion]:
        for group in self.groups:
            yield Portion(self.sample, group)


class Whole:
    """A language as a loader of one batch."""

    def __init__(self, sample: Sample):
        self.sample = sample

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Sample]:
        yield self.sample

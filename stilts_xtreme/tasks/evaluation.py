"""Rows that are predicted and scored together: what Lightning's validation, test and prediction steps are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features, stream


@dataclass(frozen=True)
class Candidates:
    """What the queries of a ranking choose from.

    Attributes:
        ids: One id per candidate.
        features: One unit per candidate.
    """

    ids: Sequence[str]
    features: Features


@dataclass(frozen=True)
class Sample:
    """The rows of a task in one language.

    Attributes:
        task: Name of the task, as it is logged.
        language: Language of the rows.
        metric: Name of a metric of the format.
        rows: Canonical columns.
        features: Their features.
        head: Name of the head of a joint training; any name for a module of one head.
        candidates: What a ranking chooses from; None: the right candidates of the rows.
    """

    task: str
    language: str
    metric: str
    rows: Columns
    features: Features
    head: str = ""
    candidates: Candidates | None = None

    @property
    def name(self) -> str:
        """Task and language, as in ``xnli/sw``."""
        return f"{self.task}/{self.language}"


@dataclass(frozen=True)
class Portion:
    """Units of a sample that are predicted at a time.

    Attributes:
        sample: The sample.
        units: Positions of the units [U].
    """

    sample: Sample
    units: np.ndarray


class Predictor(Protocol):
    """What predicts a sample: a head (:class:`tasks.head.HeadModule`)."""

    format: ClassVar[str]
    over: ClassVar[str]

    def begin(self, sample: Sample, budget: int) -> None:
        """Told before the sample is predicted."""

    def arrays(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """Outputs of a batch."""

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> Any:
        """One answer per row."""

    def comparable(self, answers: Any, sample: Sample, stage: str) -> tuple[Any, Any]:
        """Predictions and gold in the form of the metric."""


class Outputs:
    """The outputs of a head for features, put in their places whatever the order in which they come.

    Attributes:
        arrays: One array per output, over all units, sequences or tokens; empty until the first units are put.
        missing: Units that have no outputs yet.
    """

    def __init__(self, features: Features, over: str):
        self.features, self.over = features, over
        self.arrays: list[np.ndarray] = []
        self._seen = np.zeros(len(features), bool)

    @property
    def missing(self) -> int:
        """Units that have no outputs yet."""
        return int((~self._seen).sum())

    def put(self, units: np.ndarray, found: Sequence[np.ndarray]) -> None:
        """Adds the outputs of units [U], which stand in the order of :meth:`Features.take`."""
        if not self.arrays:
            size = self.features.count(self.over)
            self.arrays = [np.zeros((size, *part.shape[1:]), part.dtype) for part in found]
        where = self.features.positions(units, self.over)
        for array, part in zip(self.arrays, found, strict=True):
            array[where] = part
        self._seen[units] = True


def outputs_of(
    head: Predictor, features: Features, budget: int, advance: Callable[[int], None] | None = None
) -> list[np.ndarray]:
    """The outputs of all units, in the order of the features, as one length-sorted stream.

    Args:
        head: The head, on its device and in evaluation mode.
        features: The units.
        budget: Tokens of a batch at the most, padding included.
        advance: Told the number of units of every batch that is done.

    Returns:
        The arrays of the head's ``outputs``; without units each has length 0.
    """
    if not len(features):  # what the outputs look like, a made-up unit tells
        one = Features(ids=np.zeros(1, np.int32), lengths=np.ones(1, np.int64), units=np.ones(1, np.int64))
        return [array[:0] for array in outputs_of(head, one, budget)]
    outputs = Outputs(features, head.over)
    for units, batch in stream(features, budget):
        outputs.put(units, head.arrays(batch))
        if advance is not None:
            advance(len(units))
    return outputs.arrays


class Scoring:
    """Collects the outputs of an epoch of validation or testing, sample by sample."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Sample, Outputs]] = {}

    def begun(self, sample: Sample) -> bool:
        """Whether it has outputs of the sample."""
        return sample.name in self._found

    def put(self, portion: Portion, over: str, found: Sequence[np.ndarray]) -> None:
        """Adds the outputs of a portion."""
        sample = portion.sample
        _, outputs = self._found.setdefault(sample.name, (sample, Outputs(sample.features, over)))
        outputs.put(portion.units, found)

    def __iter__(self) -> Iterator[tuple[Sample, Outputs]]:
        return iter(self._found.values())

"""The official metrics as ``torchmetrics``: the same pure functions, behind the interface that Lightning users know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torchmetrics import Metric as TorchMetric
from torchmetrics.utilities import dim_zero_cat

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric


class OfficialMetric(TorchMetric):
    """One metric of :data:`METRICS`, computed over everything that it was updated with.

    It keeps predictions and gold and scores them at the end with the function that scores files, so that its values
    are those of ``python -m stilts_xtreme.score``. What it keeps are tensors of bytes in list states, which are
    concatenated over processes; the order of the processes is the order of the rows.

    The metrics of ``torchmetrics`` itself with the same names are others:

    - ``torchmetrics.text.SQuAD`` gives an F1 of 100 where prediction and answer both normalise to nothing, as with
      "the" and "a"; SQuAD's own script gives 0, and so does this class. On the exact match they agree.
    - ``torchmetrics.retrieval.RetrievalMAP(top_k=20)`` divides by the right candidates that were found among the first
      20; XTREME-R divides by those that could have been there, so that one that is missed costs something.
    - ``RetrievalMAP`` takes candidates with a score of 0 or below for wrong ones, so that cosines, which may be
      negative, lose right candidates. Here the ranks alone count.

    Args:
        metric: A key of :data:`METRICS`, such as ``accuracy``, ``squad`` or ``map_at_20``, or a metric of your own.
        language: Language of the rows; only ``mlqa`` looks at it.
        kwargs: What every ``torchmetrics.Metric`` takes.

    Example:
        >>> metric = OfficialMetric("accuracy")
        >>> metric.update(["yes", "no"], ["yes", "yes"])
        >>> {name: float(value) for name, value in metric.compute().items()}
        {'accuracy': 50.0}

    Raises:
        StiltsError: For a metric that is not known.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    text: list[torch.Tensor]
    sizes: list[torch.Tensor]

    def __init__(self, metric: str | Metric, language: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(metric, str) and metric not in METRICS:
            raise unknown("metric", metric, METRICS)
        self.metric = METRICS[metric] if isinstance(metric, str) else metric
        self.language = language
        self.add_state("text", default=[], dist_reduce_fx="cat")
        self.add_state("sizes", default=[], dist_reduce_fx="cat")

    def update(self, predictions: Any, gold: Any) -> None:
        """Adds rows.

        Args:
            predictions: What the metric's function takes: labels, tags by sentence, ``{id: text}``, ``{id: ids}``, or
                pairs of ids.
            gold: The same of the reference; of questions ``{id: accepted answers}``.

        Raises:
            StiltsError: When they are made of something else than text and numbers.
        """
        try:
            packed = json.dumps([_plain(predictions), _plain(gold)]).encode("ascii")
        except TypeError as error:
            raise StiltsError(f"The metric {self.metric.name} takes text and numbers: {error}.") from error
        self.text.append(torch.frombuffer(bytearray(packed), dtype=torch.uint8).to(self.device))
        self.sizes.append(torch.tensor([len(packed)], device=self.device))

    def compute(self) -> dict[str, torch.Tensor]:
        """All scores of the metric over all rows, in percent and in double precision.

        Raises:
            StiltsError: For no rows, or for predictions that do not fit the gold.
        """
        scores = self.scores()
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in scores.items()}

    def scores(self) -> dict[str, float]:
        """The same as plain numbers."""
        pairs = []
        if len(self.sizes):
            sizes = dim_zero_cat(self.sizes).long().tolist()
            packed = dim_zero_cat(self.text).to(torch.uint8).cpu().split(sizes)
            pairs = [json.loads(bytes(part.numpy())) for part in packed]
        predictions, gold = (_joined([pair[side] for pair in pairs]) for side in (0, 1))
        return self.metric.score(predictions, gold, self.language)

    def headline(self) -> float:
        """The one number that tables show: the mean of the metric's main scores."""
        return self.metric.headline(self.scores())


def _plain(values: Any) -> Any:
    """Mappings, sequences and numbers of numpy as those of JSON."""
    if isinstance(values, Mapping):
        return {str(key): _plain(value) for key, value in values.items()}
    if isinstance(values, str) or values is None:
        return values
    if hasattr(values, "tolist"):  # arrays and numbers of numpy and torch
        return values.tolist()
    return [_plain(value) for value in values] if hasattr(values, "__iter__") else values


def _joined(parts: list[Any]) -> Any:
    """The rows of all updates as one; pairs are tuples again.

    Raises:
        StiltsError: When an id was added twice.
    """
    if parts and all(isinstance(part, Mapping) for part in parts):
        whole: dict[str, Any] = {}
        for part in parts:
            twice = whole.keys() & part.keys()
            if twice:
                raise StiltsError(f"{len(twice)} ids were added more than once, first '{min(twice)}'.")
            whole.update(part)
        return whole
    if any(not isinstance(part, list) for part in parts):
        return parts[0] if len(parts) == 1 else parts
    return [tuple(row) if isinstance(row, list) else row for part in parts for row in part]

"""A metric as task files name it, and the registry of those of the benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks.metrics import scores
from stilts_xtreme.tasks.metrics.ranking import map_at_20

if TYPE_CHECKING:
    from stilts_xtreme.tasks.metrics.items import Items


@dataclass(frozen=True)
class Metric:
    """One metric as task files name it.

    Attributes:
        name: Its key in :data:`METRICS`.
        main: The scores whose mean is the headline.
        function: ``(predictions, gold, language) -> scores in percent``.
        items: The headline as a share of sums over items (:mod:`stilts_xtreme.tasks.metrics.items`); None: it is none.
    """

    name: str
    main: tuple[str, ...]
    function: Callable[[Any, Any, str | None], dict[str, float]]
    items: Callable[[Any, Any, str | None], Items] | None = None

    def score(self, predictions: Any, gold: Any, language: str | None = None) -> dict[str, float]:
        """Scores predictions.

        Raises:
            StiltsError: Malformed predictions or gold; the text says what and how many.
        """
        return self.function(predictions, gold, language)

    def headline(self, scores: Mapping[str, float]) -> float:
        """The one number that tables show: the mean of the main scores.

        Args:
            scores: What :meth:`score` returned.

        Raises:
            StiltsError: A main score is missing.
        """
        lacking = [key for key in self.main if key not in scores]
        if lacking:
            raise StiltsError(f"{len(lacking)} main scores of '{self.name}' are missing: {', '.join(lacking)}.")
        return sum(scores[key] for key in self.main) / len(self.main)

    def main_score(self, predictions: Any, gold: Any, language: str | None = None) -> float:
        """The headline of predictions."""
        return self.headline(self.score(predictions, gold, language))


def _plain(name: str, main: tuple[str, ...], function: Callable[[Any, Any], dict[str, float]], items: str) -> Metric:
    """A metric that does not look at the language; of partials, which can be pickled."""
    return Metric(name, main, partial(_without_language, function), partial(_without_language, partial(_items, items)))


def _answers(name: str, function: Callable[[Any, Any, str | None], dict[str, float]]) -> Metric:
    """A metric of answer texts."""
    return Metric(name, ("exact_match", "f1"), function, partial(_items, "answer_items", name))


def _without_language(function: Callable[[Any, Any], Any], predictions: Any, gold: Any, language: str | None) -> Any:
    return function(predictions, gold)


def _items(function: str, *arguments: Any) -> Items:
    """A function of :mod:`stilts_xtreme.tasks.metrics.items`, which needs numpy; scoring starts without it."""
    from stilts_xtreme.tasks.metrics import items

    return getattr(items, function)(*arguments)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _plain("accuracy", ("accuracy",), scores.accuracy, "label_items"),
        _plain("chunk_f1", ("f1",), scores.chunk_f1, "chunk_items"),
        _plain("pos_f1", ("f1",), scores.pos_f1, "chunk_items"),
        _plain("token_accuracy", ("token_accuracy",), scores.token_accuracy, "token_items"),
        _answers("squad", scores.squad),
        _answers("squad_v2", scores.squad_v2),
        _answers("mlqa", scores.mlqa),
        _plain("retrieval_accuracy", ("accuracy",), scores.retrieval_accuracy, "label_items"),
        _plain("bitext_f1", ("f1",), scores.bitext_f1, "pair_items"),
        _plain("map_at_20", ("map_at_20",), map_at_20, "query_items"),
    )
}
"""Name in task files -> metric."""

"""How many seeds a gain needs, by the noise between seeds: of finished cells, or as it was published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import variance

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.finished import is_there, read_result
from stilts_xtreme.report.labels import Result, identity, meaningless, row_name
from stilts_xtreme.report.statistics.power import SEED_NOISE, seeds_needed

LEAST = 3
"""So many seeds of one cell tell the noise between them."""

EFFECT = 1.0
"""The gain that is asked for, in points."""


@dataclass(frozen=True)
class Noise:
    """The noise between seeds of a target.

    Attributes:
        value: Standard deviation over seeds of the zero-shot mean, in points.
        seeds: The seeds of the finished cells that it was taken from; 0: it was published.
    """

    value: float
    seeds: int

    @property
    def words(self) -> str:
        """Where it is from."""
        whose = f"{self.seeds} finished cells" if self.seeds else "published for XLM-R large, not checked here"
        return f"noise of {self.value:.2f} points, {whose}"


def noise_of(results: Iterable[Result]) -> Noise | None:
    """The noise between seeds of finished cells of one target and encoder.

    Args:
        results: What their ``result.json`` hold. Cells that differ in more than the seed have means of their own, and
            their variances are put together. Cells that collapsed are left out.

    Returns:
        The noise; None where no cell has three seeds.
    """
    groups: dict[tuple[object, ...], dict[int, float]] = {}
    for result in results:
        averages = result["averages"]
        value = averages.get("zero_shot_value", averages.get("all_value"))
        if value is not None and not meaningless(result):
            same = row_name(result), identity(result, "encoder"), identity(result, "before"), identity(result, "rest")
            groups.setdefault(same, {})[result["seed"]] = value
    kept = [list(found.values()) for found in groups.values() if len(found) >= LEAST]
    if not kept:
        return None
    free = sum(len(values) - 1 for values in kept)
    return Noise((sum(variance(v) * (len(v) - 1) for v in kept) / free) ** 0.5, sum(map(len, kept)))


def published(target: str) -> Noise | None:
    """The published noise of a target; None where there is none."""
    return Noise(SEED_NOISE[target], 0) if target in SEED_NOISE else None


def finished(folder: Path, model: str, target: str) -> tuple[list[Result], list[str]]:
    """The finished cells of an encoder and a target in an output folder, and why others cannot be read."""
    results: list[Result] = []
    refused = []
    for place in sorted((folder / "cells").glob(f"{model}-*-{target}-seed*")):
        if is_there(place):
            try:
                results.append(read_result(place))
            except StiltsError as error:
                refused.append(str(error))
    return [found for found in results if (found["model"], found["target"]) == (model, target)], refused


def advice(known: Mapping[str, Noise | None], planned: Mapping[str, Sequence[int]]) -> str:
    """How many seeds each target needs, in one paragraph.

    Args:
        known: Target -> its noise; None where it is not known.
        planned: Target -> the seeds that are planned.
    """
    parts = [
        f"{target} needs about {seeds_needed(noise.value, EFFECT)} ({noise.words}; planned: {len(planned[target])})"
        for target, noise in known.items()
        if noise is not None
    ]
    said = []
    if parts:
        said.append(f"To show a gain of {EFFECT:g} point in four of five experiments, in seeds: {', '.join(parts)}.")
    unknown = [target for target, noise in known.items() if noise is None]
    if unknown:
        said.append(f"The noise between seeds of {', '.join(unknown)} is not known: {LEAST} seeds of one cell tell it.")
    return " ".join(said)

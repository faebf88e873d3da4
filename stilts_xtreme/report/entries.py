"""The entries of the transfer matrix: results of cells by row, column and seed, and the gains between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BASELINE = "none"
"""The row of cells without an intermediate task."""


@dataclass
class Entry:
    """One cell of the matrix over its seeds.

    Attributes:
        zero_shot: Seed -> mean score over the languages other than the source.
        source: Seed -> score in the source language (absent where a target has none).
        floor: Mean over the same languages of the best score without a model.
        collapsed: Seeds of which a training ended at the loss of guessing.
    """

    zero_shot: dict[int, float] = field(default_factory=dict)
    source: dict[int, float] = field(default_factory=dict)
    floor: float | None = None
    collapsed: set[int] = field(default_factory=set)


@dataclass
class Matrix:
    """The entries by (row, column), rows and columns in the order of the results.

    ``substitutes`` has the tasks that stand in for another one, which they must not be reported as; ``baselines`` the
    row without an intermediate task that each row is compared with.
    """

    rows: list[str]
    columns: list[str]
    entries: dict[tuple[str, str], Entry]
    synthetic: bool
    substitutes: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, str] = field(default_factory=dict)

    def gain(self, row: str, column: str, of: str = "zero_shot") -> dict[int, float]:
        """Seed -> a score less the baseline's with the same seed; empty where one is missing.

        Args:
            row: A row.
            column: A column.
            of: ``zero_shot`` or ``source``.
        """
        own, base = self.entries.get((row, column)), self.entries.get((self.baselines[row], column))
        if own is None or base is None or own is base:
            return {}
        mine, other = getattr(own, of), getattr(base, of)
        return {seed: mine[seed] - other[seed] for seed in mine if seed in other}


def row_name(result: Mapping[str, Any]) -> str:
    """What a cell did before the target: the intermediate tasks, none, or nothing at all with random weights."""
    tasks = result["intermediate"]
    substitutes = result.get("substitutes") or {}
    name = "all nine" if len(tasks) == 9 and not substitutes else "+".join(tasks) or BASELINE
    if substitutes:
        name += "‡"
    if result.get("mlm"):
        name += f" + MLM x{result['mlm']:g}"
    if result.get("translation"):
        name += f" translated {result['translation']}"
    if tasks and result.get("volume") is not None:  # without intermediate tasks there is nothing to take less of
        volume = result["volume"]
        again = ", steps of all" if result.get("volume_steps") == "whole" else ""
        name += f" ({volume:.3g} of it{again})" if isinstance(volume, float) else f" ({volume:,} examples{again})"
    return name if result.get("weights", "pretrained") == "pretrained" else f"random init, {name}"


def _told_apart(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The options in which cells differ that would otherwise stand in one place of the matrix."""
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        place = (result["model"], row_name(result), result["target"], result["seed"])
        alike.setdefault(place, []).append(result.get("settings") or {})
    options = {option for found in alike.values() for settings in found for option in settings}
    return sorted(
        option
        for option in options
        if any(found[0].get(option) != other.get(option) for found in alike.values() for other in found[1:])
    )


def _set_to(result: Mapping[str, Any], options: Sequence[str], *without: str) -> str:
    settings = result.get("settings") or {}
    shown = [option for option in options if option in settings and not option.startswith(without or ("\0",))]
    return "".join(f", {option}={settings[option]}" for option in shown)


def build(results: Sequence[Mapping[str, Any]]) -> Matrix:
    """Arranges results as a matrix.

    Args:
        results: What cells returned, or what their ``result.json`` holds; those without a target are passed over.

    Returns:
        The matrix. With several encoders, rows begin with the encoder's name; where cells of one row, target and seed
        were set differently, such as in a sweep over learning rates, rows end with the options that differ.
    """
    results = [result for result in results if result["target"]]
    several = len({result["model"] for result in results}) > 1
    told = _told_apart(results)
    holder: dict[tuple[str, str, int], str] = {}
    matrix = Matrix([], [], {}, any(result["synthetic"] for result in results))
    for result in results:
        model = f"{result['model']} / " if several else ""
        row = model + row_name(result) + _set_to(result, told)
        cell = result.get("cell", "")
        if holder.setdefault((row, result["target"], result["seed"]), cell) != cell:
            row += f" ({cell[-8:]})"  # they differ in something that is no option of a run, such as a data set's
        if row not in matrix.rows:
            matrix.rows.append(row)
            matrix.baselines[row] = model + BASELINE + _set_to(result, told, "recipe.intermediate.", "sampling.")
        if result["target"] not in matrix.columns:
            matrix.columns.append(result["target"])
        entry = matrix.entries.setdefault((row, result["target"]), Entry())
        matrix.substitutes |= result.get("substitutes") or {}
        averages, seed = result["averages"], result["seed"]
        value = averages.get("zero_shot_value", averages.get("all_value"))
        if value is not None:
            entry.zero_shot[seed] = value
        entry.floor = averages.get("zero_shot_floor", averages.get("all_floor"))
        languages = {line["language"]: line["value"] for line in result["comparison"]}
        source = result.get("source_language")
        if source in languages:
            entry.source[seed] = languages[source]
        if result["collapsed"]:
            entry.collapsed.add(seed)
    return matrix

"""The transfer matrix: intermediate by target tasks, zero-shot means over languages, with intervals over seeds."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.report import ladder

T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t at 0.975 for 1 to 10 degrees of freedom (any statistical table); beyond that the normal's 1.96."""
BASELINE = "none"


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


def mean_interval(values: Iterable[float]) -> tuple[float, float | None]:
    """The mean, and half the width of its 95 % interval (Student's t over seeds); None for a single value."""
    found = list(values)
    mean = sum(found) / len(found)
    if len(found) < 2:
        return mean, None
    deviation = math.sqrt(sum((value - mean) ** 2 for value in found) / (len(found) - 1))
    t = T_975[len(found) - 2] if len(found) - 2 < len(T_975) else 1.96
    return mean, t * deviation / math.sqrt(len(found))


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


def markdown(matrix: Matrix) -> str:
    """The matrix as tables: zero-shot means with intervals, gains over the baseline, source-language scores."""
    note = "**Synthetic data: of no meaning beyond this program.**\n\n" if matrix.synthetic else ""
    seeds = sorted({seed for entry in matrix.entries.values() for seed in entry.zero_shot})
    over = (
        f"seeds {', '.join(map(str, seeds))}; ± is a 95 % interval over seeds (Student's t)" if len(seeds) > 1 else ""
    )
    about = over or f"seed {seeds[0] if seeds else '-'} alone: no interval"
    parts = [
        f"{note}Mean over the languages that are not trained on, {about}. † a training collapsed.",
        _table(matrix, "after", lambda row, column: _mean(matrix.entries.get((row, column)), "zero_shot"), True),
        "Gain over no intermediate task, same seeds:",
        _table(matrix, "after", lambda row, column: _signed(matrix.gain(row, column).values()), False),
    ]
    if any(entry.source for entry in matrix.entries.values()):
        parts += [
            "In the source language:",
            _table(matrix, "after", lambda row, column: _mean(matrix.entries.get((row, column)), "source"), False),
            "Gain in the source language:",
            _table(matrix, "after", lambda row, column: _signed(matrix.gain(row, column, "source").values()), False),
        ]
    for name, what in matrix.substitutes.items():
        parts.append(f"‡ {name} is a free substitute, not {what.upper()}, and is not to be reported under that name.")
    return "\n\n".join(parts) + "\n"


def _mean(entry: Entry | None, name: str) -> str:
    values = getattr(entry, name).values() if entry else ()
    if not values:
        return ""
    mean, half = mean_interval(values)
    mark = "†" if entry is not None and entry.collapsed else ""
    return f"{mean:.1f}" + (f" ±{half:.1f}" if half is not None else "") + mark


def _signed(values: Iterable[float]) -> str:
    found = list(values)
    if not found:
        return ""
    mean, half = mean_interval(found)
    return f"{mean:+.1f}" + (f" ±{half:.1f}" if half is not None else "")


def _table(matrix: Matrix, corner: str, cell: Any, floors: bool) -> str:
    lines = [f"| {corner} | " + " | ".join(matrix.columns) + " |", "|---" * (len(matrix.columns) + 1) + "|"]
    for row in matrix.rows:
        lines.append(f"| {row} | " + " | ".join(cell(row, column) for column in matrix.columns) + " |")
    found = [_floor(matrix, column) for column in matrix.columns] if floors else []
    if any(f is not None for f in found):
        lines.append("| *best floor* | " + " | ".join("" if f is None else f"*{f:.1f}*" for f in found) + " |")
    return "\n".join(lines)


def _floor(matrix: Matrix, column: str) -> float | None:
    return next((e.floor for (_, c), e in matrix.entries.items() if c == column and e.floor is not None), None)


def page(matrix: Matrix, results: Sequence[Mapping[str, Any]]) -> str:
    """The tables of a matrix, and below them how far its baselines are above their floors."""
    rungs = ladder.markdown(results)
    about = "Without an intermediate task, by share of pretraining text; in brackets the best floor of each language:"
    return markdown(matrix) + (f"\n{about}\n\n{rungs}\n" if rungs else "")


def tidy(results: Sequence[Mapping[str, Any]]) -> str:
    """All rows of all results as CSV, one line per (cell, language, metric)."""
    rows = [{**row, "weights": result.get("weights", "pretrained")} for result in results for row in result["rows"]]
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def write(results: Sequence[Mapping[str, Any]], folder: Path) -> Matrix:
    """Writes ``matrix.md``, ``rows.csv`` and ``matrix.png`` of many cells.

    Args:
        results: The cells' results.
        folder: Made if it is not there.

    Returns:
        The matrix.
    """
    from stilts_xtreme.report.heatmap import draw

    matrix = build(results)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "matrix.md", page(matrix, results))
    write_atomic(folder / "rows.csv", tidy(results))
    draw(matrix, folder / "matrix.png")
    return matrix

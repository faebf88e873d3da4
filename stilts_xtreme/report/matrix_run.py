"""The run of a tracker at the end of a sweep: its matrix, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.report import entries
from stilts_xtreme.report.entries import Matrix
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.runs import AXES, LONGEST_NAME, REPORT, Run, flat, of_cell, report_id, shortened, tags_of

COLUMNS = (
    *("row", "target", "zero_shot_value", "zero_shot_gain", "interval", "seeds", "collapsed_seeds", "floor"),
    "control",
)
"""Of the table: a line for each row and column of the matrix."""
ENOUGH = 2
"""Cells with a target that make a matrix."""


def matrix_of(results: Sequence[Mapping[str, Any]]) -> Matrix | None:
    """The matrix of a sweep; None where there is none: of fewer than two cells with a target.

    Args:
        results: Of its cells.
    """
    return entries.build(results) if sum(bool(result["target"]) for result in results) >= ENOUGH else None


def of_sweep(sweep: str, results: Sequence[Mapping[str, Any]], matrix: Matrix) -> Run:
    """The run of a sweep's matrix.

    The axes that all cells share are in its configuration. Its summary has ``cells``, ``collapsed``, and
    ``value_<row>_<target>`` and ``gain_<row>_<target>``, the means over seeds.

    Args:
        sweep: The name of the sweep.
        results: Of its cells.
        matrix: Their matrix.
    """
    cells = [of_cell(result) for result in results]
    axes = {name: _shared([cell.config.get(name) for cell in cells]) for name in AXES}
    numbers: dict[str, Any] = {"cells": len(cells), "collapsed": sum(cell.summary["collapsed"] for cell in cells)}
    for row, target, value, gain, *_ in table(matrix):
        numbers |= {f"value_{row}_{target}": value, f"gain_{row}_{target}": gain}
    return Run(
        id=report_id(sweep),
        name=shortened(f"matrix {sweep}", LONGEST_NAME),
        job_type=REPORT,
        config={**axes, "kind": REPORT, "phase": REPORT, "sweep": sweep, "synthetic": matrix.synthetic},
        tags=tags_of(tag for cell in cells for tag in cell.tags),
        summary=flat(numbers),
    )


def table(matrix: Matrix) -> list[list[Any]]:
    """The lines of a matrix by :data:`COLUMNS`; what is not known is None.

    Args:
        matrix: The matrix.
    """
    found = []
    for (row, column), entry in matrix.entries.items():
        gain, half = mean_interval(gains.values()) if (gains := matrix.gain(row, column)) else (None, None)
        value = mean_interval(entry.zero_shot.values())[0] if entry.zero_shot else None
        seeds = len(entry.zero_shot)
        found.append([row, column, value, gain, half, seeds, len(entry.collapsed), entry.floor, row in matrix.controls])
    return found


def draw(matrix: Matrix, path: Path) -> None:
    """Draws the matrix as PNG.

    Args:
        matrix: The matrix.
        path: The file.
    """
    from stilts_xtreme.report.heatmap import draw as drawn  # matplotlib takes half a second

    drawn(matrix, path)


def _shared(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else None

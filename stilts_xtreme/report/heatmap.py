"""The transfer matrix as a picture: gains over the baseline in colour, scores in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure  # without pyplot: no display is asked for

from stilts_xtreme.core.text import picture_name
from stilts_xtreme.report.entries import Matrix
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.png import png, write

INCHES = 0.1
"""Of a character in a name beside the matrix, at the most."""
LONG = 12
"""Names of targets with more characters are turned."""


class Picture:
    """A matrix as a picture that a notebook shows."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix

    def _repr_png_(self) -> bytes:
        return png(figure(self.matrix))


def draw(matrix: Matrix, path: Path) -> None:
    """Draws a matrix as PNG: the whole file or nothing."""
    write(figure(matrix), path)


def reach(gains: Sequence[float]) -> float:
    """Where a scale of colours ends that is centred at zero: nine of ten gains are inside, in whole points.

    One large loss does not make all other entries pale.

    Args:
        gains: In points.
    """
    sizes = sorted(map(abs, gains))
    return max(1.0, float(math.ceil(sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))]))) if sizes else 1.0


def figure(matrix: Matrix) -> Figure:
    """Draws a matrix.

    Red is worse than no intermediate task, blue is better; the baseline and the rows of random weights stay white. The
    number is the zero-shot mean, the small one below it the gain with its interval, bold where that leaves out zero.

    Args:
        matrix: What to draw.

    Returns:
        The figure.
    """
    gains = {
        (row, column): mean_interval(found.values())
        for row in matrix.rows
        for column in matrix.columns
        if (found := matrix.gain(row, column)) and row not in matrix.controls
    }
    most = reach([value for value, _ in gains.values()])
    colours, scale = colormaps["RdBu"], Normalize(-most, most)
    rows, columns = [picture_name(name) for name in matrix.rows], [picture_name(name) for name in matrix.columns]
    names = INCHES * max(map(len, rows), default=0)  # beside the entries; those of targets stand below, turned if long
    turned = any(len(name) > LONG for name in columns)
    width, height = max(6.0, 1.5 + 0.95 * len(columns) + max(0.0, names - 1)), 1.4 + 0.5 * len(rows)
    height += INCHES * max(map(len, columns), default=0) if turned else 0
    drawn = Figure(figsize=(width, height), dpi=160, layout="constrained")
    axes = drawn.add_subplot()
    grid = [[gains.get((row, column), (0.0, None))[0] for column in matrix.columns] for row in matrix.rows]
    image = axes.imshow(grid, cmap=colours, norm=scale, aspect="auto")
    for y, row in enumerate(matrix.rows):
        for x, column in enumerate(matrix.columns):
            entry = matrix.entries.get((row, column))
            if entry is None or not (entry.zero_shot or entry.collapsed):
                continue
            gain, half = gains.get((row, column), (None, None))
            red, green, blue, _ = colours(scale(gain or 0.0))
            ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "black"  # by luma, ITU-R BT.601
            centred: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
            mean = f"{mean_interval(entry.zero_shot.values())[0]:.1f}" if entry.zero_shot else ""
            text = mean + "†" * bool(entry.collapsed) + "?" * bool(entry.unsure)
            axes.text(x, y - (0.12 if gain is not None else 0.0), text, fontsize=9, **centred)
            if gain is not None:
                small = f"{gain:+.1f}" + ("" if half is None else f" ±{half:.1f}")
                weight = "bold" if half is not None and abs(gain) > half else "normal"
                axes.text(x, y + 0.26, small, fontsize=6.5, weight=weight, **centred)
    axes.set_xticks(range(len(columns)), columns)
    if turned:
        axes.tick_params(axis="x", labelrotation=90)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylabel("intermediate task")
    synthetic = "SYNTHETIC data: " if matrix.synthetic else ""
    drawn.suptitle(f"{synthetic}zero-shot mean after each intermediate task", fontsize=10)
    drawn.colorbar(image, ax=axes, label="gain over none", extend="both")
    return drawn

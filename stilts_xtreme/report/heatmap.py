"""The transfer matrix as a picture: gains over the baseline in colour, scores in numbers."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure  # without pyplot: no display is asked for

from stilts_xtreme.files import whole
from stilts_xtreme.report.matrix import Matrix, mean_interval


class Picture:
    """A matrix as a picture that a notebook shows."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as file:
            figure(self.matrix).savefig(file, format="png")
            return file.getvalue()


def draw(matrix: Matrix, path: Path) -> None:
    """Draws a matrix as PNG: the whole file or nothing."""
    with whole(path) as scratch:
        figure(matrix).savefig(scratch, format="png")


def figure(matrix: Matrix) -> Figure:
    """Draws a matrix.

    Red is worse than no intermediate task, blue is better; the baseline and the controls stay white. The number is the
    zero-shot mean, the small one below it the gain.

    Args:
        matrix: What to draw.

    Returns:
        The figure.
    """
    gains = {
        (row, column): mean_interval(found.values())[0]
        for row in matrix.rows
        for column in matrix.columns
        if (found := matrix.gain(row, column)) and "random init" not in row
    }
    most = max(1.0, *(abs(value) for value in gains.values())) if gains else 1.0
    colours, scale = colormaps["RdBu"], Normalize(-most, most)
    width, height = max(6.0, 1.5 + 0.95 * len(matrix.columns)), 1.4 + 0.5 * len(matrix.rows)
    drawn = Figure(figsize=(width, height), dpi=160, layout="constrained")
    axes = drawn.add_subplot()
    grid = [[gains.get((row, column), 0.0) for column in matrix.columns] for row in matrix.rows]
    image = axes.imshow(grid, cmap=colours, norm=scale, aspect="auto")
    for y, row in enumerate(matrix.rows):
        for x, column in enumerate(matrix.columns):
            entry = matrix.entries.get((row, column))
            if entry is None or not entry.zero_shot:
                continue
            gain = gains.get((row, column))
            dark = gain is not None and abs(gain) > 0.65 * most
            text = f"{mean_interval(entry.zero_shot.values())[0]:.1f}{'†' if entry.collapsed else ''}"
            shift = 0.12 if gain is not None else 0.0
            axes.text(x, y - shift, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
            if gain is not None:
                small = f"{gain:+.1f}"
                axes.text(
                    x, y + 0.26, small, ha="center", va="center", fontsize=6.5, color="white" if dark else "dimgrey"
                )
    axes.set_xticks(range(len(matrix.columns)), matrix.columns)
    axes.set_yticks(range(len(matrix.rows)), matrix.rows)
    axes.set_ylabel("intermediate task")
    synthetic = "SYNTHETIC data: " if matrix.synthetic else ""
    drawn.suptitle(f"{synthetic}zero-shot mean after each intermediate task", fontsize=10)
    drawn.colorbar(image, ax=axes, label="gain over none")
    return drawn

"""The figures of the page by matplotlib: gains with intervals, gaps to the source language, cost beside gain.

On the page they are SVG whose text is text and whose ink is that of the page, so that they can be read in the dark and
by a screen reader. Beside the page they are files, SVG and PNG.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any
from xml.sax.saxutils import quoteattr

from matplotlib import rc_context
from matplotlib.figure import Figure

from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.text import picture_name
from stilts_xtreme.report.png import write as write_png

INK = "#010203"
"""Stands in the SVG where the page's own colour of text is to be."""
BETTER, WORSE, NEITHER = "#2b7fbf", "#d1603d", "#808080"
ROWS = 30
"""A figure shows so many rows at the most."""
COLUMNS = 3
INCHES = 0.075
"""Of a character in a name at the side of a panel, at the most."""

Cell = Mapping[str, Any]


def drawn(data: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures that results allow.

    Args:
        data: What the page holds (:func:`stilts_xtreme.report.page.build.content`).

    Returns:
        Title -> figure.
    """
    cells = data["views"][0]["cells"]
    controls = set(data["random"])  # a placebo is worth seeing beside its task
    gains = [cell for cell in cells if cell["gain"] is not None and cell["row"] not in controls]
    found = {}
    if gains:
        found["Gains with intervals of 95 %"] = _panels(gains, data["columns"], _gain, lambda cell: cell["gain"])
    gaps = [cell for cell in gains if cell["gap"] is not None and cell["gap_before"] is not None]
    if gaps:
        title = "Gap to the source language, without (circle) and with (dot) the intermediate task"
        found[title] = _panels(gaps, data["columns"], _gap, lambda cell: cell["gap_before"] - cell["gap"])
    costs = _costs(data, gains)
    if costs:
        found["Training time beside the mean gain"] = _cost(costs)
    return found


def _panels(
    cells: Sequence[Cell],
    columns: Sequence[str],
    draw: Callable[[Any, float, Cell], None],
    key: Callable[[Cell], float],
) -> Figure:
    """A panel for each target, its rows from the best to the worst."""
    by_column = {column: sorted((c for c in cells if c["column"] == column), key=key) for column in columns}
    by_column = {column: found[-ROWS:] for column, found in by_column.items() if found}
    across = min(COLUMNS, len(by_column))
    down = -(-len(by_column) // across)
    most = max(map(len, by_column.values()))
    longest = max(len(picture_name(cell["row"])) for of in by_column.values() for cell in of)
    wide = max(3.6, 2.2 + INCHES * longest)
    figure = Figure(figsize=(0.6 + wide * across, 0.4 + down * (0.8 + 0.24 * most)), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (column, found) in zip(panels, by_column.items(), strict=False):
        axes.axvline(0, color=NEITHER, linewidth=0.8)
        for y, cell in enumerate(found):
            draw(axes, y, cell)
        axes.set_yticks(range(len(found)), [picture_name(cell["row"]) for cell in found], fontsize=8)
        cut = sum(cell["column"] == column for cell in cells) - len(found)
        axes.set_title(picture_name(column) + (f" (without {cut} more rows)" if cut else ""), fontsize=9)
    for axes in panels[len(by_column) :]:
        axes.set_visible(False)
    figure.supxlabel("points", fontsize=8)
    return figure


def _gain(axes: Any, y: float, cell: Cell) -> None:
    said = str(cell.get("verdict") or "")
    colour = BETTER if said.startswith("helps") else WORSE if said.startswith("harms") else NEITHER
    if cell["low"] is not None:
        axes.plot([cell["low"], cell["high"]], [y, y], color=colour, linewidth=1.4)
    axes.plot(cell["gain"], y, "o", color=colour, markersize=5)


def _gap(axes: Any, y: float, cell: Cell) -> None:
    before, after = cell["gap_before"], cell["gap"]
    colour = BETTER if after < before else WORSE
    axes.plot([before, after], [y, y], color=colour, linewidth=1.4)
    axes.plot(before, y, "o", markerfacecolor="none", markeredgecolor=colour, markersize=5)
    axes.plot(after, y, "o", color=colour, markersize=5)


def _costs(data: Mapping[str, Any], gains: Sequence[Cell]) -> dict[str, tuple[float, float]]:
    """Row -> mean seconds of training, and mean gain over its targets."""
    found = {}
    for row in dict.fromkeys(cell["row"] for cell in gains):
        times = [line["seconds"] for line in data["lineage"] if line["row"] == row and line["seconds"] is not None]
        if times and fmean(times) > 0:
            found[row] = fmean(times), fmean(cell["gain"] for cell in gains if cell["row"] == row)
    return found


def _cost(costs: Mapping[str, tuple[float, float]]) -> Figure:
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=NEITHER, linewidth=0.8)
    for row, (seconds, gain) in costs.items():
        axes.plot(seconds, gain, "o", color=BETTER if gain > 0 else WORSE, markersize=6)
        axes.annotate(picture_name(row), (seconds, gain), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.margins(x=0.2, y=0.1)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds of training, mean over targets and seeds", fontsize=8)
    axes.set_ylabel("mean gain in points", fontsize=8)
    return figure


def svg(figure: Figure, title: str, ink: str = "currentColor") -> str:
    """A figure as SVG.

    Args:
        figure: The figure.
        title: What a screen reader says of it; makes the ids of its parts different from those of another figure.
        ink: The colour of text and axes; the page's own by default.
    """
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}
    with rc_context(settings), io.StringIO() as file:
        for axes in figure.axes:
            axes.tick_params(color=INK, labelcolor=INK)
            axes.title.set_color(INK)
            axes.xaxis.label.set_color(INK)
            axes.yaxis.label.set_color(INK)
            axes.set_facecolor("none")
            for spine in axes.spines.values():
                spine.set_color(INK)
            for label in axes.texts:
                label.set_color(INK)
        if figure.get_supxlabel():
            figure.supxlabel(figure.get_supxlabel(), color=INK, fontsize=8)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style type=\"text/css\">.*?</style>", "", text, flags=re.DOTALL)
    return text.replace(INK, ink).replace("<svg ", f'<svg role="img" aria-label={quoteattr(title)} ', 1)


def write(figures: Mapping[str, Figure], folder: Path) -> None:
    """Writes each figure as SVG and as PNG, named by the first words of its title.

    Args:
        figures: Title -> figure.
        folder: Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for title, figure in figures.items():
        name = re.sub(r"\W+", "-", title.partition(",")[0].lower()).strip("-")
        write_png(figure, folder / f"{name}.png")
        declared = '<?xml version="1.0" encoding="utf-8"?>\n'
        write_atomic(folder / f"{name}.svg", declared + svg(figure, title, ink="#16191d"))

"""Builds the page: its data as JSON, its figures, and one file that holds them with style and script."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from stilts_xtreme import __version__
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.text import visible
from stilts_xtreme.report.entries import Matrix
from stilts_xtreme.report.evidence import REGION, Findings
from stilts_xtreme.report.page import examples as browser
from stilts_xtreme.report.page.changes import RIGHT
from stilts_xtreme.report.page.lineage import lineage
from stilts_xtreme.report.page.pretraining_text import CLASSES, in_order
from stilts_xtreme.report.page.runs import Run, runs
from stilts_xtreme.report.page.views import views
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.power import ALPHA

PAGE = "report.html"
SCRIPTS = ("dom.js", "matrix.js", "languages.js", "examples.js")
"""In the order in which they are joined; each knows those before it."""


def content(cells: Sequence[FinishedCell], matrix: Matrix, found: Findings, texts: bool = True) -> dict[str, Any]:
    """All that the page shows, as plain JSON.

    Args:
        cells: The cells.
        matrix: Their matrix.
        found: What its gains show.
        texts: Whether the texts of test rows are among the examples.
    """
    placed = runs(cells)
    trained = lineage(placed)
    codes = {code for run in placed for code in run.scores()}
    data = {
        "rows": matrix.rows,
        "columns": matrix.columns,
        "controls": sorted(matrix.controls | {run.row for run in placed if run.result.get("control")}),
        "random": sorted(matrix.controls),
        "synthetic": matrix.synthetic,
        "languages": [vars(language) for language in in_order(codes)],
        "classes": CLASSES,
        "sources": _sources(placed),
        "views": views(placed, matrix, found),
        "lineage": trained,
        "examples": browser.examples(placed, texts),
        "missing": matrix.missing[:1],
        "notes": [*_notes(matrix, found), *_published(trained)],
        "cells": len(cells),
        "right": RIGHT,
        "region": REGION,
        "alpha": ALPHA,
    }
    return {name: _named(value) for name, value in data.items()}


def _named(value: Any) -> Any:
    """The same with names whose hidden characters are seen; answers and texts of rows stay as they are.

    A character that turns the direction of writing would turn the sentence around the name, too.
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {_named(key): inner if key == "words" else _named(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_named(inner) for inner in value]
    return value


def _sources(placed: Sequence[Run]) -> dict[str, str | None]:
    return {run.column: run.source for run in placed}


def _notes(matrix: Matrix, found: Findings) -> list[str]:
    lost = [f"Left out of every mean and gain: {line}" for line in matrix.lost]
    substitutes = [
        f"‡ {name} is a free substitute, not {what.upper()}, and is not to be reported under that name."
        for name, what in matrix.substitutes.items()
    ]
    if not found.entries:
        lost.append(
            "No gains: each needs a cell with an intermediate task and one without, of one target and seed, and none "
            "of the two collapsed."
        )
    return [*matrix.missing, *lost, *found.notes, *filter(None, [matrix.note]), *substitutes]


def _published(trained: Sequence[Mapping[str, Any]]) -> list[str]:
    """In which entries published numbers stand: nobody opens all of them to look."""
    found = dict.fromkeys(f"{line['row']} > {line['column']}" for line in trained if line["published"])
    if not found:
        return []
    return [f"Published numbers of the same setting stand beside those of {', '.join(found)}: open the entry."]


def html(data: Mapping[str, Any], figures: Mapping[str, str]) -> str:
    """The page.

    Args:
        data: What :func:`content` gave.
        figures: Title -> SVG.
    """
    script = "(() => {\n" + "\n".join(_file(name) for name in SCRIPTS) + "})();\n"
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("stilts_xtreme.report.page", "."), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html").render(
        data=data,
        # "<", ">", "&" and "'" are written as escapes, so that no name or answer ends the element
        json=htmlsafe_json_dumps(_finite(data), ensure_ascii=False, separators=(",", ":")),
        style=Markup(_file("page.css")),
        script=Markup(script),
        hashed=hashed,
        figures={title: Markup(svg) for title, svg in figures.items()},
        version=__version__,
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _finite(value: Any) -> Any:
    """The same with rounded numbers; what is not a number is null, for JSON has no word for it."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def write(cells: Sequence[FinishedCell], matrix: Matrix, found: Findings, folder: Path, texts: bool = True) -> Path:
    """Writes ``report.html``, and its figures as files into ``figures``.

    Args:
        cells: The cells.
        matrix: Their matrix.
        found: What its gains show.
        folder: A folder that is there.
        texts: Whether the texts of test rows are among the examples.

    Returns:
        The file.

    Raises:
        StiltsError: Files of answers are damaged.
    """
    from stilts_xtreme.report.page import figures

    data = content(cells, matrix, found, texts)
    drawn = figures.drawn(data)
    write_atomic(folder / PAGE, html(data, {title: figures.svg(figure, title) for title, figure in drawn.items()}))
    figures.write(drawn, folder / "figures")
    return folder / PAGE

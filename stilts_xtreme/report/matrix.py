"""The transfer matrix as tables and files: zero-shot means over languages, gains, intervals over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.text import csv_table
from stilts_xtreme.core.text import markdown as escaped
from stilts_xtreme.report import ladder, learnt, rules
from stilts_xtreme.report.entries import Entry, Matrix, build
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.labels import tidy_rows
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.sweeps import unfinished
from stilts_xtreme.report.sweeps.unfinished import Missing

if TYPE_CHECKING:
    from stilts_xtreme.report.evidence import Findings
    from stilts_xtreme.report.statistics.mixed import Overall

MARKS = (
    "† a training collapsed or found nothing; ? an earlier version called it collapsed by its loss alone, so that it "
    "is not known."
)


def markdown(matrix: Matrix, found: Findings | None = None) -> str:
    """The matrix as tables: zero-shot means with intervals, gains over the baseline, source-language scores.

    Args:
        matrix: The matrix.
        found: The evidence of its gains; without it their intervals are over seeds alone.
    """
    note = "**Synthetic data: of no meaning beyond this program.**\n\n" if matrix.synthetic else ""
    seeds = sorted({seed for entry in matrix.entries.values() for seed in entry.zero_shot})
    over = (
        f"seeds {', '.join(map(str, seeds))}; ± is a 95 % interval over seeds (Student's t)" if len(seeds) > 1 else ""
    )
    about = over or f"seed {seeds[0] if seeds else '-'} alone: no interval"
    gone = f"**{matrix.missing[0]}** They are listed below.\n\n" if matrix.missing else ""
    parts = [
        f"{note}{gone}Mean over the languages that are not trained on, {about}. {MARKS}",
        _table(matrix, "after", lambda row, column: _mean(matrix.entries.get((row, column)), "zero_shot"), True),
    ]
    gains = any(matrix.gain(row, column) for row in matrix.rows for column in matrix.columns)
    if found is not None and found.entries:
        from stilts_xtreme.report.evidence_page import ABOUT, entry

        parts += [ABOUT, _table(matrix, "after", lambda row, column: entry(found, (row, column)), False)]
    elif gains:
        parts += [
            "Gain over no intermediate task, same seeds:",
            _table(matrix, "after", lambda row, column: _signed(matrix.gain(row, column).values()), False),
        ]
    else:
        parts.append(
            "No gains: each needs a cell with an intermediate task and one without, of one target and seed, and none "
            "of the two marked with †."
        )
    if any(entry.source for entry in matrix.entries.values()):
        parts += [
            "In the source language:",
            _table(matrix, "after", lambda row, column: _mean(matrix.entries.get((row, column)), "source"), False),
        ]
        if any(matrix.gain(row, column, "source") for row in matrix.rows for column in matrix.columns):
            parts += [
                "Gain in the source language:",
                _table(
                    matrix, "after", lambda row, column: _signed(matrix.gain(row, column, "source").values()), False
                ),
            ]
    if matrix.lost:
        parts.append("† Not in any mean or gain:\n\n" + "\n".join(f"- {escaped(line)}" for line in matrix.lost))
    if matrix.missing:
        parts.append(unfinished.paragraph(matrix.missing))
    if matrix.note:
        parts.append(matrix.note)
    for name, what in matrix.substitutes.items():
        about = f"‡ {name} is a free substitute, not {what.upper()}, and is not to be reported under that name."
        parts.append(escaped(about))
    return "\n\n".join(parts) + "\n"


def _mean(entry: Entry | None, name: str) -> str:
    values = getattr(entry, name).values() if entry else ()
    if not values:
        return _marked(entry)
    mean, half = mean_interval(values)
    mark = _marked(entry)
    return f"{mean:.1f}" + (f" ±{half:.1f}" if half else "") + mark  # where nothing is trained, all seeds are alike


def _marked(entry: Entry | None) -> str:
    return "" if entry is None else "†" * bool(entry.collapsed) + "?" * bool(entry.unsure)


def _signed(values: Iterable[float]) -> str:
    found = list(values)
    if not found:
        return ""
    mean, half = mean_interval(found)
    return f"{mean:+.1f}" + (f" ±{half:.1f}" if half is not None else "")


def _table(matrix: Matrix, corner: str, cell: Any, floors: bool) -> str:
    rows, columns = matrix.rows, matrix.columns
    if not floors:  # a matrix has all its cells; a table of differences none that is empty for the whole row or column
        rows = [row for row in rows if any(cell(row, column) for column in columns)]
        columns = [column for column in columns if any(cell(row, column) for row in rows)]
    lines = [f"| {corner} | " + " | ".join(map(escaped, columns)) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        lines.append(f"| {escaped(row)} | " + " | ".join(cell(row, column) for column in columns) + " |")
    for translations in dict.fromkeys(matrix.translations.get(row, "") for row in matrix.rows) if floors else ():
        found = [_floor(matrix, column, translations) for column in columns]
        name = "best floor" + (f", translate-test ({escaped(translations)})" if translations else "")
        if any(f is not None for f in found):
            lines.append(f"| *{name}* | " + " | ".join("" if f is None else f"*{f:.1f}*" for f in found) + " |")
    return "\n".join(lines)


def _floor(matrix: Matrix, column: str, translations: str) -> float | None:
    """The floor of a target, by the rows that were read."""
    alike = (
        entry.floor
        for (row, name), entry in matrix.entries.items()
        if name == column and matrix.translations.get(row, "") == translations
    )
    return next((floor for floor in alike if floor is not None), None)


def page(
    matrix: Matrix,
    results: Sequence[Mapping[str, Any]],
    found: Findings | None = None,
    means: Mapping[str, Overall] | None = None,
) -> str:
    """The tables of a matrix, what its gains show, and how far its baselines are above their floors.

    Args:
        matrix: The matrix.
        results: Its cells' results.
        found: The evidence of its gains.
        means: Row -> its gain over all targets.
    """
    from stilts_xtreme.report import evidence_page

    rungs = ladder.markdown(results)
    about = "Without an intermediate task, by share of pretraining text; in brackets the best floor of each language:"
    parts = [markdown(matrix, found)]
    if found is not None and found.entries:
        parts.append(evidence_page.markdown(found, means or {}))
    elif found is not None and found.notes:
        parts.append("\n\n".join(map(escaped, found.notes)) + "\n")
    if came := learnt.markdown(results):
        parts.append(came)
    if below := learnt.below_floor(results):
        parts.append(below)
    if chosen := rules.markdown(results):
        parts.append(chosen)
    if rungs:
        parts.append(f"{about}\n\n{rungs}\n")
    return "\n".join(parts)


def tidy(results: Sequence[Mapping[str, Any]]) -> str:
    """All rows of all results as CSV, one line per (cell, language, metric)."""
    weights = {result.get("cell"): result.get("weights", "pretrained") for result in results}
    rows = [{**row, "weights": weights.get(row.get("cell"))} for row in tidy_rows(results)]
    # results of earlier versions lack columns that tell others apart
    return csv_table(list(dict.fromkeys(name for row in rows for name in row)), rows) if rows else ""


def write(
    cells: Sequence[FinishedCell],
    folder: Path,
    all_in_all: bool = False,
    missing: Sequence[Missing] = (),
    texts: bool = True,
) -> str:
    """Writes the tables and the pictures of many cells, and the page.

    These are ``matrix.md``, ``matrix.tex``, ``matrix.png``, ``rows.csv``, ``evidence.csv`` and ``evidence.parquet``;
    ``report.html`` and ``figures``.

    Args:
        cells: The cells; answers are read from their folders.
        folder: Made if it is not there.
        all_in_all: Also fit a model of each row over all targets, which takes seconds where there are many.
        missing: Cells of their sweeps that are not there.
        texts: Whether the page holds the texts of test rows.

    Returns:
        The text of the first.

    Raises:
        StiltsError: Two arms answered other items, or files of answers are damaged.
    """
    from stilts_xtreme.report import evidence_page
    from stilts_xtreme.report.evidence import findings
    from stilts_xtreme.report.heatmap import draw  # matplotlib takes half a second
    from stilts_xtreme.report.latex import table
    from stilts_xtreme.report.page import build as the_page

    results = [cell.result for cell in cells]
    matrix, found = build(results), findings(cells)
    matrix.missing += unfinished.said(missing)
    text = page(matrix, results, found, evidence_page.over_targets(found) if all_in_all else None)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "matrix.md", text)
    write_atomic(folder / "rows.csv", tidy(results))
    if found.entries:
        evidence_page.write(found, folder)
    draw(matrix, folder / "matrix.png")
    write_atomic(folder / "matrix.tex", table(matrix, found))
    the_page.write(cells, matrix, found, folder, texts)
    return text

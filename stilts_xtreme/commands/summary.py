"""The end of a sweep: its matrix or its curves, printed and written."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stilts_xtreme.cell import preflight
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import digest_of
from stilts_xtreme.core.terminal import Plain, out, say
from stilts_xtreme.sweep.session import Session


def report(session: Session) -> None:
    """Ends a sweep: its matrix or its study's curves, printed and written; a single cell's table instead."""
    from stilts_xtreme.report import matrix, points, scaling, studies
    from stilts_xtreme.report.page.build import PAGE
    from stilts_xtreme.report.results import FinishedCell, cells_of_study
    from stilts_xtreme.report.sweeps import unfinished
    from stilts_xtreme.report.tuned import where_swept

    results = [result for result in session.results if result["target"]]
    if not session.results:
        return
    if session.by_cell:  # a launcher of whole graphs has said so itself
        stages = [(stage["key"], stage["made_now"]) for result in session.results for stage in result["stages"]]
        made, every = {key for key, now in stages if now}, {key for key, _ in stages}
        say(f"{len(every)} distinct stages: {len(made)} made, {len(every - made)} found.")
    console = Plain()
    output = Path(session.output)
    name = "-".join(
        [session.study or "sweep", *sorted({result["model"].replace("/", "-") for result in session.results})]
    )
    own = {result["identity"]["encoder"] for result in session.results if not result["identity"]["catalogued"]}
    if session.study and own:  # another encoder may have the same name
        name += "-" + digest_of(sorted(own))[:8]
    axis = session.axis
    names = sorted(result["cell"] for result in results or session.results)
    fewer = not set(cells_of_study(output / "studies" / name)) <= set(names)
    if axis or fewer or not session.study:  # sweeps do not write over each other, unless they have all that is there
        name += "-" + hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]
    folder = output / "studies" / name
    if len(results) < 2:
        for result in session.results:
            place = output / "cells" / result["cell"]
            console.page((place / "table.md").read_text(encoding="utf-8"))
            out(f"result, table, predictions and curves: {place}")
    with _place(output, folder) as place:
        if len(results) >= 2:
            cells = [FinishedCell(result, output / "cells" / result["cell"]) for result in results]
            missing = [entry for record in session.records for entry in unfinished.of_sweep(record, cells)]
            text = matrix.write(cells, place, missing=missing)
            answer, lack, drawn = None, None, False
            try:
                compared, rates = where_swept(cells) if axis or session.analysis else (cells, [])
                if axis:
                    gone = unfinished.paragraph(unfinished.said(missing))
                    curves = scaling.write(points.points([cell.result for cell in compared], axis), place, rates)
                    text, drawn = curves + (f"\n{gone}\n" if gone else ""), True
                if session.analysis:
                    answer = studies.analyse(session.analysis, compared, rates)
            except StiltsError as error:  # cells failed or collapsed, or lack a baseline; the tables stand
                lack = error
            console.page(text)
            if answer is not None:
                console.page(studies.write(answer, place, session.hypothesis))
            if lack is not None:
                say(f"The study has no answer. {lack}")
            if place == folder:
                out(f"{'table, points, matrix' if drawn else 'matrix, rows'} and picture: {folder}")
                out(f"page: {(folder / PAGE).resolve()}")
        session.search.report(folder if place == folder else None)


@contextmanager
def _place(output: Path, folder: Path) -> Iterator[Path]:
    """Where a sweep's files go: into its folder, or nowhere where that cannot be written."""
    if preflight.closed(output) is None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)

"""The end of a sweep: its matrix or its curves, printed and written."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from stilts_xtreme.core.progress import say
from stilts_xtreme.sweep.session import Session


def report(session: Session) -> None:
    """Ends a sweep: its matrix or its study's curves, printed and written; a single cell's table instead."""
    from rich.console import Console
    from rich.markdown import Markdown

    from stilts_xtreme.report import matrix, points, scaling

    results = [result for result in session.results if result["target"]]
    if not session.results:
        return
    if session.by_cell:  # a launcher of whole graphs has said so itself
        stages = [(stage["key"], stage["made_now"]) for result in session.results for stage in result["stages"]]
        made, every = {key for key, now in stages if now}, {key for key, _ in stages}
        say(f"{len(every)} distinct stages: {len(made)} made, {len(every - made)} found.")
    console = Console(file=sys.stdout)
    output = Path(session.output)
    if len(results) < 2:
        for result in session.results:
            place = output / "cells" / result["cell"]
            console.print(Markdown((place / "table.md").read_text(encoding="utf-8")))
            print(f"result, table, predictions and curves: {place}")
        return
    name = "-".join([session.study or "sweep", *sorted({result["model"] for result in results})])
    axis = session.axis
    if axis or not session.study:  # where the name does not say it all, sweeps do not write over each other
        name += "-" + hashlib.sha256(" ".join(sorted(result["cell"] for result in results)).encode()).hexdigest()[:8]
    folder = output / "studies" / name
    if axis:
        console.print(Markdown(scaling.write(points.points(results, axis), folder)))
        print(f"table, points and picture: {folder}")
        return
    console.print(Markdown(matrix.page(matrix.write(results, folder), results)))
    print(f"matrix, rows and picture: {folder}")

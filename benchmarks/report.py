"""How long the report takes and how large its page is: 10,000 rows and 100,000 predictions, made by hand.

    python -m benchmarks.report

Reading, statistics, tables, figures and page are in the time; the model of each row over all targets is told apart.
Peak memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from benchmarks.results import write_matrix
from stilts_xtreme.report import evidence_page
from stilts_xtreme.report.__main__ import main as report
from stilts_xtreme.report.evidence import Findings
from stilts_xtreme.report.evidence_page import over_targets
from stilts_xtreme.report.statistics.mixed import Overall

LANGUAGES = ("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
TARGETS, SEEDS = 9, 5


def measure(rows: int, predictions: int) -> dict[str, float]:
    """Makes results and reports them.

    Args:
        rows: So many rows of scores at the least: a line for each cell and language.
        predictions: So many predictions at the least.
    """
    per_cell = len(LANGUAGES)
    cells = -(-rows // per_cell)
    tasks = max(1, -(-cells // (TARGETS * SEEDS)) - 1)  # one row more is the baseline
    cells = (tasks + 1) * TARGETS * SEEDS
    items = -(-predictions // (cells * per_cell))
    gains = {f"task{n}": {f"target{t}": ((n * 7 + t * 3) % 11 - 5) / 50 for t in range(TARGETS)} for n in range(tasks)}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_matrix(folder / "in", gains, range(SEEDS), items, LANGUAGES)
        models: list[float] = []

        def timed(found: Findings) -> Mapping[str, Overall]:
            start = time.process_time()
            means = over_targets(found)
            models.append(time.process_time() - start)
            return means

        start = time.process_time()
        with mock.patch.object(evidence_page, "over_targets", timed), contextlib.redirect_stdout(io.StringIO()):
            code = report([str(folder / "in"), "--output", str(folder / "out")])
        seconds = time.process_time() - start
        if code:
            raise SystemExit(code)
        size = (folder / "out" / "report.html").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cells": cells,
        "rows": cells * per_cell,
        "predictions": cells * per_cell * items,
        "seconds": seconds,
        "seconds_of_models": sum(models),
        "page_megabytes": size / 1e6,
        "peak_megabytes": peak,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, and prints a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of scores")
    parser.add_argument("--predictions", type=int, default=100_000, help="predictions")
    options = parser.parse_args(arguments)
    found = measure(options.rows, options.predictions)
    print(
        f"{found['rows']:,} rows of {found['cells']:,} cells and {found['predictions']:,} predictions: "
        f"{found['seconds']:.1f} s of processor time, of which {found['seconds_of_models']:.1f} s for the models over "
        f"all targets, page of {found['page_megabytes']:.1f} MB, "
        f"peak memory {found['peak_megabytes']:.0f} MB"
    )


if __name__ == "__main__":
    main()

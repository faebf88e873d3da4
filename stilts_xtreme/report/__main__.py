"""Reports what finished cells show: gains with intervals, the languages that they help, tests over the whole matrix.

The folders are output folders, or folders of cells. Cells of several folders are put together. What is written:
report.html, a page to look at and to send, with all answers before and after; matrix.md with all tables, matrix.png,
rows.csv (a line for each cell, language and metric), and evidence.csv (a line for each entry and language) with its
copy evidence.parquet. Answers are read from the cells, and nothing is trained.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core.command import Parser, command


def parser() -> Parser:
    """The options of the command."""
    parser = Parser("report", str(__doc__), ["outputs --output REPORT", "outputs/a outputs/b --output REPORT"])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="output folders, or folders of cells")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="for tables and picture; needed")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Reports finished cells."""

    def work(options: Namespace) -> None:
        from stilts_xtreme.core.terminal import Plain, out
        from stilts_xtreme.report import matrix
        from stilts_xtreme.report.evidence import merged
        from stilts_xtreme.report.results import read_cells

        needs = ("cell", "rows", "comparison", "averages", "synthetic", "target", "seed")
        cells = merged(read_cells(folder, needs) for folder in options.folders)
        Plain().page(matrix.write(cells, options.output, all_in_all=True))
        out(f"tables and pictures: {options.output}")
        out(f"page: {(options.output / 'report.html').resolve()}")

    return command(arguments, parser(), work)


if __name__ == "__main__":
    sys.exit(main())

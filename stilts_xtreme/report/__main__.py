"""Reports what finished cells show: gains with intervals, the languages that they help, tests over the whole matrix.

A source is an output folder, a folder of cells, an archive of store export, or a table of another project (.csv).
Cells of several sources are put together. Cells of a sweep that failed or are not finished are listed. What is written:
report.html, a page to look at and to send, with all answers before and after; figures/, as SVG and PNG; matrix.md with
all tables; matrix.tex; matrix.png; rows.csv (a line for each cell, language and metric); and evidence.csv (a line for
each entry and language) with its copy evidence.parquet. Answers are read from the cells, and nothing is trained.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core.command import Parser, command

EXAMPLES = ["outputs --output REPORT", "outputs/a theirs.tar others.csv --output REPORT"]


def parser() -> Parser:
    """The options of the command."""
    parser = Parser("report", str(__doc__), EXAMPLES)
    about = "output folders, folders of a study or of cells, archives of store export, tables of other projects (.csv)"
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help=about)
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="for tables and pictures; needed")
    about = "also write a JSON file for each cell in the format of Every Eval Ever, as run by this organization"
    parser.add_argument("--every-eval-ever", metavar="ORGANIZATION", help=f"{about}; default: none is written")
    about = "of cells that differ in recipe.target.learning_rate alone, take the one with the best score on dev rows"
    parser.add_argument("--tuned", action="store_true", help=f"{about}, baselines too; default: take all cells")
    about = "leave the texts of test rows out of the page, to send it to people who may not have the rows"
    parser.add_argument(
        "--no-texts", action="store_true", help=f"{about}; default: they are in it, where they are at hand"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Reports finished cells."""

    def work(options: Namespace) -> None:
        from stilts_xtreme.core.terminal import Plain, out
        from stilts_xtreme.report import every_eval_ever, matrix
        from stilts_xtreme.report.evidence import merged
        from stilts_xtreme.report.merging import opened
        from stilts_xtreme.report.sweeps import unfinished
        from stilts_xtreme.report.tuned import tuned

        needs = ("cell", "rows", "comparison", "averages", "synthetic", "target", "seed")
        with opened(options.sources, needs) as sources:
            cells = merged(sources)
            if options.tuned:
                cells, chosen = tuned(cells)
                for sentence in chosen:
                    out(sentence)
            missing = [entry for source in options.sources for entry in unfinished.in_output(source, cells)]
            texts = not options.no_texts
            Plain().page(matrix.write(cells, options.output, all_in_all=True, missing=missing, texts=texts))
            if options.every_eval_ever is not None:
                folder = options.output / every_eval_ever.FOLDER
                count = every_eval_ever.write(cells, folder, options.every_eval_ever)
                out(f"{count} files in the format of Every Eval Ever: {folder}")
        out(f"tables and pictures: {options.output}")
        out(f"page: {(options.output / 'report.html').resolve()}")

    return command(arguments, parser(), work)


if __name__ == "__main__":
    sys.exit(main())

"""Assembles a leaderboard submission from finished cells.

For every task of the benchmark the command takes the predictions of the cell with the best English dev score of its
target training, as Phang et al. (2020) chose one model per target. What is not trained on (Tatoeba, BUCC) has no such
score: give one cell of it, or say which with --take. Cells with shots or translated test rows are taken with --take
alone. Languages, numbers of rows and their order are checked, and an
incomplete submission is refused with the list of what is missing. The folder gets <task>/test-<language>.tsv or .json
as the leaderboard wants them, a README.md, and a manifest.json: which cell each task came from, with its dev score and
its scores. python -m stilts_xtreme.score --predictions DIR --labels LABELS --benchmark xtreme scores it again.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.terminal import Plain, out, say
from stilts_xtreme.report.benchmark import averages as benchmarks
from stilts_xtreme.report.benchmark.submission import assemble, read_cell, readme, refuse_existing, write


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "submission",
        str(__doc__),
        [
            "outputs/cells/xlmr_large-* --output submission",
            "outputs/cells/* --output sub --take tatoeba=CELL",
        ],
    )
    parser.add_argument("cells", nargs="*", type=Path, metavar="CELL", help="folders of cells, as in outputs/cells")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to; it must not exist; needed")
    known = ", ".join(benchmarks.names())
    parser.add_argument("--benchmark", default="xtreme", metavar="NAME", help=f"one of: {known}; default: %(default)s")
    parser.add_argument(
        "--take",
        action="append",
        default=[],
        metavar="TASK=CELL",
        help="the cell for a task, by name or folder; may come several times; default: the best dev score",
    )
    parser.add_argument(
        "--partial", action="store_true", help="write what is there; default: refuse what is incomplete"
    )
    return parser


def _work(options: Namespace) -> None:
    if options.output is None:
        raise StiltsError("--output is missing; --help shows how.")
    if not options.cells:
        raise StiltsError("No cell is given; name folders such as outputs/cells/*.")
    if options.benchmark not in benchmarks.names():
        raise unknown("--benchmark", options.benchmark, benchmarks.names())
    refuse_existing(options.output)
    for text in options.take:
        if "=" not in text:
            raise StiltsError(f"--take {text} is not TASK=CELL, such as tatoeba=outputs/cells/NAME.")
    benchmark = benchmarks.load(options.benchmark)
    cells = [cell for folder in options.cells if (cell := read_cell(folder)) is not None]
    made = assemble(cells, benchmark, dict(text.split("=", 1) for text in options.take))
    if not made.chosen or (made.problems and not options.partial):
        for problem in made.problems:
            say(f"missing or wrong: {problem}")
        remedy = "bring what is named above" + (", or give --partial to write what is there" if made.chosen else "")
        raise StiltsError(f"The submission to {benchmark.name} is incomplete; {remedy}.")
    Plain().page(readme(write(options.output, made, benchmark)))
    out(f"submission: {options.output}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Assembles a submission from the command line."""
    return command(arguments, parser(), _work)


if __name__ == "__main__":
    sys.exit(main())

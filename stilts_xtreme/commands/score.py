"""Scores a folder of prediction files as XTREME and XTREME-R are scored.

    python -m stilts_xtreme.score --predictions DIR --labels DIR --benchmark xtreme [--output FILE]

Both folders have the leaderboard's layout, <task>/test-<language>.tsv (.json for question answering, .json or .jsonl
for rankings). All tasks and languages of the benchmark must be there; --partial scores what is there. A cell's folder
has both: --predictions CELL/predictions --labels CELL/labels --partial prints its scores again.

    python -m stilts_xtreme.score --write-labels DIR +target=xnli [the options of a cell]

writes the labels of a target's test rows in the same layout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.report.benchmark import averages as benchmarks
from stilts_xtreme.report.benchmark.scorer import score_folder, show
from stilts_xtreme.tasks import predictions


def write_labels(folder: Path, arguments: Sequence[str]) -> None:
    """Writes the labels of a target's test rows in every language that is there.

    Args:
        folder: Where to.
        arguments: The command line of a cell.

    Raises:
        StiltsError: No target, or rows that cannot be read.
    """
    from stilts_xtreme.cell.config import make_cell
    from stilts_xtreme.cell.plan import target_languages
    from stilts_xtreme.core.progress import say
    from stilts_xtreme.data import catalogue

    cell = make_cell(compose.compose(compose.prepare(arguments)))
    if cell.target is None:
        raise StiltsError("--write-labels needs a target, as in --write-labels labels +target=xnli.")
    target, labels = cell.target, catalogue.labels(cell.target.test, cell.data)
    for language in target_languages(cell, target)[0]:
        rows, report = catalogue.rows(target.test, "test", language, cell.data)
        path = predictions.write_gold(folder, target.name, language, target.head, rows, labels)
        say(f"{path}: {report.n_kept} rows")


def _parser() -> Parser:
    parser = Parser("python -m stilts_xtreme.score", add_help=False, allow_abbrev=False)
    for option in ("predictions", "labels", "output", "write-labels"):
        parser.add_argument(f"--{option}", type=Path)
    parser.add_argument("--benchmark")
    parser.add_argument("--partial", action="store_true")
    return parser


def _work(arguments: list[str]) -> None:
    options, rest = _parser().parse_known_args(arguments)
    if options.write_labels is not None:
        return write_labels(options.write_labels, rest)
    if rest:
        raise StiltsError(f"{rest[0]} is not an option of the scorer; --help shows them.")
    for name in ("predictions", "labels", "benchmark"):
        if getattr(options, name) is None:
            raise StiltsError(f"--{name} is missing; --help shows how.")
    if options.benchmark not in benchmarks.names():
        raise unknown("--benchmark", options.benchmark, benchmarks.names())
    benchmark = benchmarks.load(options.benchmark)
    result, notes = score_folder(options.predictions, options.labels, benchmark, options.partial)
    show(result, notes, benchmark)
    if options.output is not None:
        write_atomic(options.output, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        print(f"scores: {options.output}")
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Scores a folder from the command line."""
    return command(sys.argv[1:] if arguments is None else arguments, str(__doc__).strip(), _work)


if __name__ == "__main__":
    sys.exit(main())

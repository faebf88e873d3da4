"""Scores a folder of prediction files as XTREME and XTREME-R are scored, or those of your own tasks.

Both folders have the leaderboard's layout: <task>/test-<language>.tsv, .json for question answering, .json or .jsonl
for rankings. The folder of a cell has both, and with them its scores are printed again. --config-dir FOLDER scores the
targets of your own (FOLDER/target/NAME.yaml), with --benchmark beside those of a benchmark. With --write-labels the
command writes the labels of a target's test rows in the same layout.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.terminal import out
from stilts_xtreme.report import finished
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
    from stilts_xtreme.cell.rows import target_languages
    from stilts_xtreme.core.terminal import say
    from stilts_xtreme.data.sources import source_of

    cell = make_cell(compose.compose(compose.prepare(arguments)))
    if cell.target is None:
        raise StiltsError("--write-labels needs a target, as in --write-labels labels +target=xnli.")
    target, tests = cell.target, source_of(cell.target.test, cell.data)
    labels = tests.labels()
    for language in target_languages(cell, target)[0]:
        rows, report = tests.rows("test", language)
        path = predictions.write_gold(folder, target.name, language, target.head, rows, labels)
        say(f"{path}: {report.n_kept} rows")


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "score",
        str(__doc__),
        [
            "--predictions DIR --labels DIR --benchmark xtreme --output scores.json",
            "--predictions CELL/predictions --labels CELL/labels --benchmark xtreme --partial",
            "--predictions CELL/predictions --labels CELL/labels --config-dir FOLDER +target=reviews",
            "--write-labels DIR +target=xnli",
        ],
    )
    known = ", ".join(benchmarks.names())
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="folder of prediction files; needed")
    parser.add_argument("--labels", type=Path, metavar="DIR", help="folder of label files; needed")
    parser.add_argument("--benchmark", metavar="NAME", help=f"one of: {known}; needed without --config-dir")
    parser.add_argument(
        "--partial", action="store_true", help="score what is there; default: all tasks and languages must be there"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the scores as JSON too; default: only print")
    parser.add_argument("--write-labels", type=Path, metavar="DIR", help="write the labels of a target; default: score")
    parser.takes_a_run("with --write-labels or --config-dir: the options of a cell")
    return parser


def _work(options: Namespace) -> None:
    if options.write_labels is not None:
        return write_labels(options.write_labels, options.options)
    words, folders = options.options, compose.search_folders(options.options)
    if words and not folders:
        raise StiltsError(
            f"{words[0]} is an option of a cell, which only --write-labels and --config-dir take; --help shows how."
        )
    for name in ("predictions", "labels", *(() if folders else ("benchmark",))):
        if getattr(options, name) is None:
            raise StiltsError(f"--{name} is missing; --help shows how.")
    if options.benchmark not in (None, *benchmarks.names()):
        raise unknown("--benchmark", options.benchmark, benchmarks.names())
    benchmark = benchmarks.load(options.benchmark) if options.benchmark is not None else None
    if folders:
        from stilts_xtreme.cell.own_tasks import benchmark_of

        benchmark = benchmark_of(folders, words, options.labels, benchmark)
    assert benchmark is not None
    for folder in (options.predictions, options.labels):
        if folder.name in finished.FOLDERS and finished.is_there(folder.parent):
            finished.refuse_damage(folder.parent, only=(folder.name,))
    result, notes = score_folder(options.predictions, options.labels, benchmark, options.partial)
    show(result, notes, benchmark)
    if options.output is not None:
        write_atomic(options.output, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        out(f"scores: {options.output}")
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Scores a folder from the command line."""
    return command(arguments, parser(), _work)


if __name__ == "__main__":
    sys.exit(main())

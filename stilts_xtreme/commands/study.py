"""Answers a study's question from finished cells, and checks that the answer is the expected one.

ls                      the studies that end with an answer, their hypotheses and what is expected of them
report NAME FOLDER ...  the verdicts, tables and picture of a study from output folders, or folders of cells; with
                        outputs/studies/NAME from the cells of that study alone
verify NAME FOLDER ...  compares the answer with the numbers that the study's file expects; exit code 1 if one is off

A sweep of the study ends with the same report. Nothing is trained here.
"""

from __future__ import annotations

import math
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.terminal import Plain, out, table

COMMANDS = ("ls", "report", "verify")
EXPECTED = ("command", "tolerance", "value")
"""What every expected number has; what else it has names the row of study.csv."""


def studies(config_dir: Path | None = None) -> dict[str, Mapping[str, Any]]:
    """The settings of the studies that end with an answer, by name.

    Args:
        config_dir: A folder of the user's own beside the package's.

    Raises:
        StiltsError: A file of the user's own is no YAML.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for folder in (CONF, *([config_dir] if config_dir else [])):
        for path in sorted((folder / "study").glob("*.yaml")):
            try:
                read = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise StiltsError(f"{path} cannot be read as YAML: {error}.") from error
            settings = (read or {}).get("study") if isinstance(read, dict | None) else None
            if isinstance(settings, dict) and settings.get("analysis"):
                _check_expected(path, settings.get("expected") or [])
                found[path.stem] = settings
    return found


def _check_expected(path: Path, expected: Any) -> None:
    """Refuses expected numbers that could not be compared."""
    listed = expected if isinstance(expected, list) else [None]
    for at, one in enumerate(listed):
        given = one if isinstance(one, dict) else {}
        numbers = [given.get(name) for name in ("value", "tolerance")]
        good = isinstance(given.get("command"), str) and all(type(number) in (int, float) for number in numbers)
        if not good or not 0 <= given["tolerance"] < math.inf:
            raise StiltsError(
                f"{path}: number {at + 1} of study.expected needs a command, a number as value, a tolerance of 0 or "
                "more, and the columns of study.csv that name its row."
            )


def _known_columns(rows: Sequence[Mapping[str, Any]], where: Mapping[str, Any]) -> None:
    known = {name for row in rows for name in row}
    for name in where:
        if name not in known:
            raise unknown("column of expected:", str(name), sorted(known))


def compare(rows: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> list[tuple[str, bool]]:
    """Holds expected numbers against the rows of a conclusion.

    Args:
        rows: Of the conclusion.
        expected: Each with ``value``, ``tolerance`` and the columns that name its row.

    Returns:
        For each number what was found, and whether that is within the tolerance.

    Raises:
        StiltsError: An expected number names no row, or several.
    """
    found = []
    for one in expected:
        where = {key: value for key, value in one.items() if key not in EXPECTED}
        named = ", ".join(f"{key}={value}" for key, value in where.items()) or "without a column that names them"
        _known_columns(rows, where)
        matching = [row for row in rows if all(str(row.get(key)) == str(value) for key, value in where.items())]
        if len(matching) != 1:
            raise StiltsError(
                f"{len(matching)} numbers of these cells are {named}, not one; name the cells of the study's own "
                "command."
            )
        value = float(matching[0]["value"])
        good = abs(value - one["value"]) <= one["tolerance"]
        said = f"{named}: {value:+,.2f}, expected {one['value']:+,.2f} ± {one['tolerance']:g}"
        found.append((said, good))
    return found


def of_its_data(study: str, expected: Sequence[Mapping[str, Any]], synthetic: bool) -> Sequence[Mapping[str, Any]]:
    """The numbers that are expected of synthetic data, or those of real data, whose commands name ``data.root=``.

    Args:
        study: The study's name.
        expected: All numbers of its file.
        synthetic: Whether the cells are on synthetic data.

    Raises:
        StiltsError: There are none of the kind.
    """
    kept = [one for one in expected if ("data.root=" in one["command"]) != synthetic]
    if not kept:
        kind, command = "synthetic" if synthetic else "real", expected[0]["command"]
        raise StiltsError(f"study={study} expects no numbers of {kind} data, only of this command: {command}")
    return kept


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "study", str(__doc__), ["ls", "report saturation outputs --output REPORT", "verify saturation outputs"]
    )
    parser.add_argument("action", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("name", nargs="?", metavar="NAME", help="the study, as in +study=NAME")
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="output folders, folders of a study or of cells"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="report: for tables and picture; needed there")
    rates = "of target learning rates each arm takes its own best on dev rows, baselines too; default: take all cells"
    parser.add_argument("--tuned", action="store_true", help=rates)
    own = "your own YAML, laid out like conf/ of the package; default: none"
    parser.add_argument("--config-dir", metavar="FOLDER", help=own)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Lists, reports or verifies studies."""

    def work(options: Namespace) -> int:
        named = [] if options.config_dir is None else [f"--config-dir={options.config_dir}"]
        known = studies(*compose.search_folders(named))
        if options.action == "ls":
            _list(known)
            return 0
        if options.name is None:
            raise StiltsError(
                f"study {options.action} wants the NAME of a study; choose one of: {', '.join(sorted(known))}."
            )
        if options.name not in known:
            raise unknown("NAME", options.name or "", known)
        if not options.folders:
            raise StiltsError(f"study {options.action} reads finished cells; name an output folder after the study.")
        settings = known[options.name]
        if options.action == "report":
            if options.output is None:
                raise StiltsError("study report writes files; give --output FOLDER.")
            from stilts_xtreme.report.studies import write

            found = _analysed(settings, options.folders, options.tuned)
            Plain().page(write(found, options.output, settings.get("hypothesis")))
            out(f"verdicts, table and picture: {options.output}")
            return 0
        expected = settings.get("expected") or ()
        if not expected:
            raise StiltsError(f"The file of study={options.name} expects no numbers; add expected: to it.")
        found = _analysed(settings, options.folders, options.tuned)
        compared = compare(found.rows, of_its_data(options.name, expected, found.synthetic))
        for said, good in compared:
            out(f"{'as expected' if good else 'OFF'}: {said}")
        return 0 if all(good for _, good in compared) else 1

    return command(arguments, parser(), work)


def _analysed(settings: Mapping[str, Any], folders: Sequence[Path], own_rates: bool) -> Any:
    from stilts_xtreme.report.evidence import merged
    from stilts_xtreme.report.results import read_cells
    from stilts_xtreme.report.studies import analyse
    from stilts_xtreme.report.tuned import tuned

    needs = ("cell", "rows", "comparison", "averages", "synthetic", "target", "seed")
    cells = merged(read_cells(folder, needs) for folder in folders)
    cells, chosen = tuned(cells) if own_rates else (cells, [])
    for sentence in chosen:
        out(sentence)
    try:
        return analyse(settings["analysis"], cells, chosen)
    except StiltsError as error:
        whole = [folder for folder in folders if (folder / "cells").is_dir()]
        if not whole:
            raise
        raise StiltsError(
            f"{error} All {len(cells):,} cells of {', '.join(map(str, folders))} were read; where other cells than the "
            f"study's are among them, name the folder of its results, as in {whole[0] / 'studies' / 'NAME'}."
        ) from error


def _list(known: Mapping[str, Mapping[str, Any]]) -> None:
    shown = table("study", "hypothesis", "expected", title="studies that end with an answer")
    for name, settings in known.items():
        expected = settings.get("expected") or ()
        shown.add_row(name, str(settings.get("hypothesis") or ""), f"{len(expected)} numbers" if expected else "-")
    Plain().print(shown)


if __name__ == "__main__":
    sys.exit(main())

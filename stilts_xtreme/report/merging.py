"""Where a report takes results from: folders of cells, archives of ``store export``, tables of other projects."""

from __future__ import annotations

import csv
import functools
import math
import re
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import Any

import yaml

from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.mixing import METHODS
from stilts_xtreme.core.text import csv_plain
from stilts_xtreme.data.catalogue import task_names
from stilts_xtreme.report.labels import CONTROLS
from stilts_xtreme.report.results import FinishedCell, read_cells
from stilts_xtreme.tasks.metrics import METRICS as SCORES

NEEDED = ("model", "intermediate", "target", "seed", "language", "metric", "value")
"""Columns that a table of another project must have."""
SHOTS = ("shots.k", "shots.draw", "shots.arm")
SETTINGS = ("volume", "weights", "encoder", "setting", *SHOTS, "translate_test")
"""Columns that tell apart runs of one model, task, target and seed, as ``rows.csv`` has them. All may be left out."""
OPTIONAL = ("n", "source_language", "collapsed", "synthetic", *SETTINGS)
NUMBERS = {"seed": int, "value": float, "n": int, "volume": float, "shots.k": int, "shots.draw": int}
RUN = (*NEEDED[:4], *SETTINGS)
"""What one run has in all its lines."""
WRAPPED = re.compile(r"(\w+)\((.+)\)")
"""A control, or what is merged: ``placebo(mnli)``, ``mean(mnli+qqp)``."""
KEPT = ("predictions", "labels")
"""Parts of a stage that a report reads; weights stay in the archive."""
ENGLISH = "en"


@contextmanager
def opened(sources: Sequence[Path], needs: tuple[str, ...] = ()) -> Iterator[list[list[FinishedCell]]]:
    """The cells of each source; what is unpacked from archives is there until the end.

    Args:
        sources: Folders, archives and tables.
        needs: Fields that each result must have.

    Raises:
        StiltsError: A source is not there, is none of the three, or cannot be read.
    """
    with ExitStack() as stack:
        found = []
        for source in sources:
            if source.is_dir():
                found.append(read_cells(source, needs))
            elif source.suffix.lower() == ".csv" and source.is_file():
                found.append(read_table(source))
            elif source.is_file() and tarfile.is_tarfile(source):
                place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="report-")))
                _unpack(source, place)
                found.append(read_cells(place, needs))
            else:
                there = "" if source.exists() else "; nothing is there"
                raise StiltsError(
                    f"SOURCE={source} is not a folder of cells, an archive of store export or a table (.csv){there}."
                )
        yield found


def _unpack(file: Path, place: Path) -> None:
    """Unpacks the cells of an archive, and the answers of its stages."""

    def taken(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        parts = [part for part in PurePosixPath(member.name).parts if part != "."]
        wanted = parts[:1] == ["cells"] or (parts[:1] == ["stages"] and len(parts) > 2 and parts[2] in KEPT)
        return tarfile.data_filter(member, destination) if wanted and (member.isfile() or member.isdir()) else None

    try:
        with tarfile.open(file) as tar:
            tar.extractall(place, filter=taken)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise StiltsError(f"SOURCE={file} cannot be unpacked: {error}; export it anew with store export.") from error
    if not (place / "cells").is_dir():
        raise StiltsError(f"SOURCE={file} holds no cells; name an archive that store export wrote.")


def read_table(file: Path) -> list[FinishedCell]:
    """The cells of a table: a line for each language and metric of a run.

    Args:
        file: CSV in UTF-8 with the columns :data:`NEEDED`, and of :data:`OPTIONAL` those that are known. ``value`` is
            in percent. ``intermediate`` is ``none`` for a baseline; several tasks have a plus sign between them.

    Returns:
        Cells without files. The headline of a language is the mean of its metrics. A gain is taken over the run of the
        same model, target and seed without an intermediate task.

    Raises:
        StiltsError: A column is missing, or a line is refused; names file and line.
    """
    runs: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            lacking = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if lacking:
                raise StiltsError(
                    f"SOURCE={file} lacks the columns {', '.join(lacking)}; a table needs {', '.join(NEEDED)}."
                )
            for line in reader:
                if None in line:  # csv puts there what has no column
                    raise StiltsError(
                        f"{file} line {reader.line_num} has more fields than the first line has columns; put quotation "
                        "marks around a text with a comma."
                    )
                row = _row(line, f"{file} line {reader.line_num}")
                run = runs.setdefault(tuple(str(row[name] or "") for name in RUN), [])
                if any((r["language"], r["metric"]) == (row["language"], row["metric"]) for r in run):
                    raise StiltsError(
                        f"{file} line {reader.line_num}: {row['metric']} in {row['language']} stands twice for one "
                        "run; keep one of the lines."
                    )
                run.append(row)
    except (OSError, UnicodeError, csv.Error) as error:
        raise StiltsError(f"SOURCE={file} cannot be read as CSV in UTF-8: {error}.") from error
    if not runs:
        raise StiltsError(f"SOURCE={file} has no line below its columns.")
    return [FinishedCell(_result(file.stem, run, runs)) for run in runs.values()]


def _row(line: Mapping[str, str | None], place: str) -> dict[str, Any]:
    texts = {name: csv_plain(line.get(name) or "").strip() for name in (*NEEDED, *OPTIONAL)}
    empty = [name for name in NEEDED if not texts[name]]
    if empty:
        raise StiltsError(f"{place}: {', '.join(empty)} is empty; every line needs {', '.join(NEEDED)}.")
    row: dict[str, Any] = dict(texts)
    for name, kind in NUMBERS.items():
        try:
            row[name] = kind(texts[name]) if texts[name] else None
        except ValueError:
            raise StiltsError(f"{place}: {name}={texts[name]} is no number.") from None
    if not math.isfinite(row["value"]) or not 0 <= row["value"] <= 100:
        raise StiltsError(f"{place}: value={texts['value']} is no percentage; it must be from 0 to 100.")
    for name in ("collapsed", "synthetic"):
        row[name] = texts[name].lower() in ("true", "1", "yes")
    return row


def _main(target: str, lines: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The lines whose mean is the headline of a language: those of the official scores, else all."""
    official = _official(target)
    main = [line for line in lines if line["metric"] in official]
    return main if official and len(main) == len(official) else lines


@functools.cache
def _official(target: str) -> tuple[str, ...]:
    """The scores whose mean is the headline of a target that the package has; empty for another one."""
    if target not in task_names("target"):
        return ()
    described = yaml.safe_load((CONF / "target" / f"{target}.yaml").read_text(encoding="utf-8"))
    return SCORES[described["metric"]].main


def _unwrapped(name: str, words: Collection[str]) -> tuple[str | None, str]:
    """The word that a name is wrapped in, if it is one of some; and what is inside."""
    found = WRAPPED.fullmatch(name)
    return (found[1], found[2]) if found and found[1] in words else (None, name)


def _result(stem: str, rows: Sequence[Mapping[str, Any]], runs: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """What ``result.json`` would hold of a run, as far as a table says it."""
    first = rows[0]
    model, joined, target = first["model"], first["intermediate"], first["target"]
    control, plain = _unwrapped(joined, tuple(CONTROLS))
    merge, names = _unwrapped(plain, METHODS)
    tasks = [] if names == "none" else names.split("+")
    own = {name: str(first[name] or "") for name in RUN}
    named = [value for name, value in own.items() if value or name not in SETTINGS]
    by_language: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_language.setdefault(row["language"], []).append(row)
    source = next((row["source_language"] for row in rows if row["source_language"]), ENGLISH)
    comparison = [
        {
            "language": language,
            "n": lines[0]["n"],
            "metric": "+".join(line["metric"] for line in _main(target, lines)),
            "value": fmean(line["value"] for line in _main(target, lines)),
            "floor": None,
            "floor_name": None,
            "baseline": None,
            "gain": None,
        }
        for language, lines in by_language.items()
    ]
    averages = {"all_value": fmean(line["value"] for line in comparison)}
    others = [line["value"] for line in comparison if line["language"] != source]
    if others:
        averages["zero_shot_value"] = fmean(others)
    collapsed = all(row["collapsed"] for row in rows)  # of one language alone it says that nothing was found there
    why = {"verdict": "collapsed", "label": joined, "task": joined, "why": "the table says so", "of": "cell"}

    def key_of(**changes: str) -> str:
        return f"{stem}:{'/'.join({**own, **changes}.values())}"

    def other(**changes: str) -> str | None:
        return key_of(**changes) if tuple({**own, **changes}.values()) in runs else None

    # a baseline has no volume, whatever its table says; one that is not there is named, so that this is told
    without = {**own, "intermediate": "none", "volume": ""}
    there = [dict(zip(RUN, run, strict=True)) for run in runs]
    same = [run for run in there if {**run, "volume": ""} == without]
    same.sort(key=lambda run: (run["volume"] != "", run["volume"] != own["volume"]))
    base = key_of(**(same or [without])[0]) if tasks else None
    base = other(weights="pretrained") if not tasks and first["weights"] == "random" else base
    key = key_of()
    return {
        "cell": f"{stem}:{'/'.join(named)}",
        "model": model,
        "intermediate": tasks,
        "control": control,
        "merge": merge,
        "volume": first["volume"],
        "shots": {name.removeprefix("shots."): first[name] for name in SHOTS} if first["shots.k"] else None,
        "translate_test": first["translate_test"] or None,
        "weights": first["weights"] or "pretrained",
        "target": target,
        "seed": first["seed"],
        "synthetic": any(row["synthetic"] for row in rows),
        "source_language": source if source in by_language else None,
        "collapsed": [joined] if collapsed else [],
        "marks": [why] if collapsed else [],
        # two groups never share a row, even if their encoders have one name
        "identity": {
            "evaluation": key,
            "baseline": base,
            "controlled": other(intermediate=plain) if control else None,
            "rest": first["setting"] or None,
            "encoder": f"{stem}:{first['encoder'] or model}",
            "encoder_from": stem,
        },
        "rows": [
            {
                **{field: row[field] for field in ("model", "intermediate", "target", "seed", "language", "metric")},
                **{"cell": f"{stem}:{'/'.join(named)}", "value": row["value"], "n": row["n"]},
                **{"volume": row["volume"], "synthetic": row["synthetic"]},
                **{"collapsed": collapsed, "stage": key, "trained": None},
            }
            for row in rows
        ],
        "comparison": comparison,
        "averages": averages,
        "stages": [],
    }

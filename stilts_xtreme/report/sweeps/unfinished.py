"""The cells of sweeps that are not there: failed, refused, or not finished. A report lists them."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.text import markdown
from stilts_xtreme.report import finished
from stilts_xtreme.report.labels import BASELINE
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.sweeps import recorded

FAILED, REFUSED, WAITING, DAMAGED = "failed", "refused", "not finished", "with a record that cannot be read"
NAMED = 40
"""So many cells are named in a line; of the others their number is told."""
LONGEST = 300
"""So many characters of an error are told."""
OPTION = re.compile(r"[+~]*([^=\s{}]+)=((?:'[^']*'|\"[^\"]*\"|\{[^}]*\}|\[[^\]]*\]|[^\s])*)")


@dataclass(frozen=True)
class Missing:
    """A cell of a sweep that is not there.

    Attributes:
        place: What it is called: row, target, seed.
        state: One of :data:`FAILED`, :data:`REFUSED`, :data:`WAITING`, :data:`DAMAGED`.
        why: The first sentence of the error; what is to be done where there is none.
        sweep: The folder of the sweep.
    """

    place: str
    state: str
    why: str
    sweep: Path


def in_output(output: Path, cells: Sequence[FinishedCell]) -> list[Missing]:
    """The missing cells of all sweeps of an output folder; each once, as the last sweep that wanted it says.

    Args:
        output: The output folder; one without ``sweeps`` has none.
        cells: The finished cells in it.
    """
    found: dict[str, tuple[float, Missing]] = {}
    for folder in sorted((output / "sweeps").glob("*")):
        if not (folder / "graph.json").exists():
            continue
        since, missing = _told(folder, cells)
        for key, entry in missing:
            if key not in found or found[key][0] <= since:
                found[key] = since, entry
    return [entry for _, entry in found.values()]


def of_sweep(folder: Path, cells: Sequence[FinishedCell]) -> list[Missing]:
    """The missing cells of one sweep.

    Args:
        folder: The folder of the sweep.
        cells: The finished cells of its output folder.
    """
    return [entry for _, entry in _told(folder, cells)[1]]


def _told(folder: Path, cells: Sequence[FinishedCell]) -> tuple[float, list[tuple[str, Missing]]]:
    """When a sweep was launched last, and its missing cells by what tells them apart."""
    try:
        graph = recorded.graph_of(folder)
    except StiltsError as error:
        return 0.0, [(folder.name, Missing(f"the sweep {folder.name}", DAMAGED, str(error), folder))]
    gone = [cell for cell in graph["cells"] if not finished.is_there(folder.parent.parent / "cells" / cell["name"])]
    there = {cell["name"] for cell in graph["cells"]} - {cell["name"] for cell in gone}
    refused = [entry for entry in graph["refused"] if entry.get("what") not in there and not _is_there(entry, cells)]
    if not gone and not refused:
        return 0.0, []
    state = recorded.read(folder, full=False)
    found = []
    for cell in gone:
        told = state.cell(cell["name"])
        if told["state"] == "failed":
            entry = Missing(_place(cell), FAILED, f"{told['because']}: {first_sentence(told['error'])}", folder)
        else:
            entry = Missing(_place(cell), WAITING, "The command of the sweep, given again, goes on.", folder)
        found.append((cell["name"], entry))
    for refusal in refused:
        what = str(refusal.get("what", ""))
        found.append((what, Missing(_asked(what), REFUSED, first_sentence(refusal["error"]), folder)))
    return state.since or 0.0, found


def first_sentence(error: str) -> str:
    """The first sentence of an error's last line, which is the message of an exception."""
    line = next((line.strip() for line in reversed(error.splitlines()) if line.strip()), "No reason is recorded.")
    first = re.split(r"(?<=[.!?])\s+(?=[^\W\d_])", line, maxsplit=1)[0]
    return first if len(first) <= LONGEST else f"{first[: LONGEST - 3]}..."


def _place(cell: Mapping[str, Any]) -> str:
    row = cell.get("row") or "+".join(cell["intermediate"]) or BASELINE
    column = cell.get("column") or cell.get("target") or "no target"
    return f"{row} > {column}, seed {cell.get('seed', '?')}"


def options(what: str) -> dict[str, str]:
    """The options of a job, each without its plus signs; of one that stands twice, the last."""
    return {name: value.strip("'\"") for name, value in OPTION.findall(what)}


def _asked(what: str) -> str:
    """What a refused job is called, by the options that name a cell."""
    asked = options(what)
    if "target" not in asked and "intermediate" not in asked:
        return what if len(what) <= LONGEST else f"{what[: LONGEST - 3]}..."
    place = f"{asked.get('intermediate', BASELINE)} > {asked.get('target', 'no target')}"
    return f"{place}, seed {asked['seed']}" if "seed" in asked else place


def _is_there(refusal: Mapping[str, Any], cells: Sequence[FinishedCell]) -> bool:
    """Whether a job that was refused has become a cell since: one with all of its options is there."""
    asked = options(str(refusal.get("what", "")))
    if "target" not in asked:
        return False
    return any(_has(cell, asked) for cell in cells)


def _has(cell: FinishedCell, asked: Mapping[str, str]) -> bool:
    result = cell.result
    own = {
        "target": result["target"],
        "intermediate": "+".join(result["intermediate"]) or BASELINE,
        "model": result["model"],
        "seed": str(result["seed"]),
    }
    if any(name in asked and asked[name] != value for name, value in own.items()) or cell.folder is None:
        return False
    try:
        config = read_json(cell.folder / "config.json")
    except StiltsError:
        return False
    return all(_agrees(config, name, value) for name, value in asked.items() if name not in own)


def _agrees(config: Any, name: str, value: str) -> bool:
    """Whether a composed configuration has an option; a choice of a group leaves no trace in it."""
    found = config
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return "." not in name
        found = found[part]
    if isinstance(found, Mapping | list) or name == "output":
        return True
    try:
        return bool(yaml.safe_load(value) == found or float(value) == found)
    except (yaml.YAMLError, ValueError, TypeError):
        return str(found) == value


def headline(missing: Sequence[Missing]) -> str:
    """How many cells are missing, and why, in a sentence; empty for none."""
    if not missing:
        return ""
    counts = Counter(entry.state for entry in missing)
    parts = ", ".join(f"{count} {state}" for state, count in counts.items())
    cells = "1 cell of a sweep is" if len(missing) == 1 else f"{len(missing)} cells of sweeps are"
    return f"{cells} missing here: {parts}."


def lines(missing: Iterable[Missing]) -> list[str]:
    """The missing cells in words: one line for those of one sweep that have one reason."""
    groups: dict[tuple[Path, str, str], list[str]] = {}
    for entry in missing:
        groups.setdefault((entry.sweep, entry.state, entry.why), []).append(entry.place)
    said = []
    for (sweep, state, why), places in groups.items():
        more = f"; and {len(places) - NAMED} more" if len(places) > NAMED else ""
        shown = "; ".join(_by_seed(places[:NAMED])) + more
        command = f"python -m stilts_xtreme.status {shlex.quote(str(sweep))}"
        logs = f"; what its workers printed is in {sweep / 'logs'}" if state == FAILED else ""
        said.append(f"{state.capitalize()}: {shown}. {why} This shows the sweep: {command}{logs}")
    return said


def said(missing: Sequence[Missing]) -> list[str]:
    """All that is said of missing cells: the headline first; empty for none."""
    return [headline(missing), *lines(missing)] if missing else []


def paragraph(sentences: Sequence[str]) -> str:
    """What :func:`said` gave as Markdown: the headline and a list; empty for none."""
    return "\n".join([f"{sentences[0]}\n", *(f"- {markdown(line)}" for line in sentences[1:])]) if sentences else ""


def _by_seed(places: Sequence[str]) -> list[str]:
    seeds: dict[str, list[str]] = {}
    for place in places:
        name, _, seed = place.partition(", seed ")
        seeds.setdefault(name, []).append(seed)
    return [
        name + (f", seed{'s' * (len(own) > 1)} {', '.join(own)}" if all(own) else "") for name, own in seeds.items()
    ]

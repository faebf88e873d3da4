"""The runs that a tracker should have of an output folder, from the files of its stages, cells and sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.report import matrix_run, runs
from stilts_xtreme.report.entries import Matrix
from stilts_xtreme.report.results import FinishedCell, read_cells
from stilts_xtreme.report.runs import CURVED, Run, group_of
from stilts_xtreme.report.sweeps.recorded import graph_of


@dataclass(frozen=True)
class LocalRun:
    """A run, and what belongs to it.

    Attributes:
        run: The run.
        logger: The group ``logger`` of the cell that it comes from.
        group: What it is grouped by, without a look at ``logger``.
        curve: The file of a stage's curve.
        result: What ``result.json`` of a cell holds.
        matrix: The matrix of a sweep.
    """

    run: Run
    logger: Mapping[str, Any]
    group: str
    curve: Path | None = None
    result: Mapping[str, Any] | None = None
    matrix: Matrix | None = None


def read(output: Path) -> list[LocalRun]:
    """The runs of all finished cells, of the stages that they trained, and of the matrices of sweeps.

    A stage that several cells share is one run. It has the group of the first cell that needs it, by name.

    Args:
        output: An output folder.

    Returns:
        Stages first, then cells, then matrices.

    Raises:
        StiltsError: There is no finished cell, or a file is damaged; of the files of stages the sizes are looked at.
    """
    cells = read_cells(output)
    sweeps = dict(_sweeps(output))
    sweep_of: dict[str, str] = {}
    for sweep, names in sweeps.items():
        sweep_of |= {name: sweep for name in names if name not in sweep_of}
    of_cells = [_cell(cell, sweep_of.get(str(cell.result["cell"]))) for cell in cells]
    stages = _stages(Store(output), of_cells)
    return [*stages, *of_cells, *_matrices(of_cells, sweeps)]


def _sweeps(output: Path) -> Iterator[tuple[str, list[str]]]:
    """The names of sweeps, and of their cells."""
    for path in sorted(output.glob("sweeps/*/graph.json")):
        yield path.parent.name, [str(cell["name"]) for cell in graph_of(path.parent)["cells"]]


def _cell(cell: FinishedCell, sweep: str | None) -> LocalRun:
    assert cell.folder is not None
    config, result = read_json(cell.folder / "config.json"), cell.result
    identity, target = result.get("identity") or {}, result.get("target")
    if identity.get("task_from"):  # another task of the user's own may have the same name
        target = f"{target}-{identity['task'][:8]}"
    group = group_of(None, (config.get("study") or {}).get("name"), sweep, target)
    logger = config.get("logger") or {}
    return LocalRun(runs.of_cell(result), logger, group, result=result)


def _stages(store: Store, cells: list[LocalRun]) -> list[LocalRun]:
    found: dict[str, LocalRun] = {}
    for cell in cells:
        assert cell.result is not None
        for stage in cell.result["stages"]:
            key = stage["key"]
            if stage["kind"] not in CURVED or key in found:
                continue
            if not store.path(key).exists():  # it has been removed, as its cells have what they need
                continue
            folder = store.open(key, full=False, thin=True)  # to read all weights takes minutes
            manifest = store.manifest(key)
            assert manifest is not None, "a stage without a manifest is damaged"
            found[key] = LocalRun(runs.of_stage(manifest), cell.logger, cell.group, curve=folder / "curve.jsonl")
    return list(found.values())


def _matrices(cells: list[LocalRun], sweeps: Mapping[str, list[str]]) -> Iterator[LocalRun]:
    by_name = {str(cell.run.config["cell"]): cell for cell in cells}
    for sweep, names in sweeps.items():
        own = [by_name[name] for name in names if name in by_name]
        results = [cell.result for cell in own if cell.result is not None]
        matrix = matrix_run.matrix_of(results)
        if matrix is not None:
            yield LocalRun(matrix_run.of_sweep(sweep, results, matrix), own[0].logger, own[0].group, matrix=matrix)

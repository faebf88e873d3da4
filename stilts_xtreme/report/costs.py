"""What finished cells cost: tidy rows in ``costs.csv``, beside the folder of the cells."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.text import csv_plain, csv_table
from stilts_xtreme.report.results import FinishedCell

FILE = "costs.csv"
UNITS = {
    "latency_p50": "ms",
    "latency_p95": "ms",
    "latency_p99": "ms",
    "processor_time": "ms",
    "items_per_second_equal": "1/s",
    "tokens_per_second_equal": "1/s",
    "items_per_second_best": "1/s",
    "tokens_per_second_best": "1/s",
    "equal_batch": "items",
    "best_batch": "items",
    "flops_per_item": "FLOPs",
    "tokens_per_item": "tokens",
    "energy_per_item": "J",
    "peak_memory": "MiB",
    "program_memory": "MiB",
    "parameters": "1",
    "parameters_without_embedding": "1",
    "training_seconds": "s",
    "training_seconds_shared": "s",
    "training_steps": "1",
    "training_steps_shared": "1",
}
"""What is measured -> in what."""


@dataclass(frozen=True)
class Cost:
    """One measured value.

    Attributes:
        cell: The cell's name.
        model: Its encoder.
        target: Its target.
        language: Of the rows; empty for what is not about one language.
        measure: One of :data:`UNITS`.
        unit: Its unit.
        round: In which round it was measured, from 1; None for what is the same in all of them.
        value: The value.
        device: What it was measured on; empty for what is counted, not measured.
        run: Tells runs of the command apart: only within one were the models measured by turns.
    """

    cell: str
    model: str
    target: str
    language: str
    measure: str
    unit: str
    round: int | None
    value: float
    device: str
    run: str


def write(costs: Iterable[Cost], folder: Path) -> Path:
    """Writes rows into an output folder, in place of those of an earlier run.

    Returns:
        The file.
    """
    path = folder / FILE
    write_atomic(path, csv_table([column.name for column in fields(Cost)], [asdict(cost) for cost in costs]))
    return path


def read(cells: Sequence[FinishedCell]) -> list[Cost]:
    """The costs of cells, from the files beside them; what is there of other cells is passed over.

    Raises:
        StiltsError: A file is not there, is none of costs, or has none of these cells.
    """
    names = {str(cell.result["cell"]) for cell in cells}
    folders = dict.fromkeys(cell.folder.parent.parent for cell in cells if cell.folder is not None)
    if not folders:
        raise StiltsError("The costs of cells stand beside their folders, and of these only the numbers are known.")
    found = [cost for folder in folders for cost in _read(folder) if cost.cell in names]
    if not found:
        folder = next(iter(folders))
        raise StiltsError(f"{folder / FILE} has other cells alone; {_measure(folder)}.")
    return found


def _measure(folder: Path) -> str:
    return f"python -m stilts_xtreme.cost {folder} measures the cells, on the machine that it runs on"


def _read(folder: Path) -> list[Cost]:
    path = folder / FILE
    if not path.is_file():
        raise StiltsError(f"{path} does not exist; {_measure(folder)}.")
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return [_cost({key: csv_plain(text) for key, text in line.items()}) for line in csv.DictReader(lines)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StiltsError(f"{path} is no file of costs ({error!r}); python -m stilts_xtreme.cost makes it.") from error


def _cost(line: dict[str, str]) -> Cost:
    return Cost(
        cell=line["cell"],
        model=line["model"],
        target=line["target"],
        language=line["language"],
        measure=line["measure"],
        unit=line["unit"],
        round=int(line["round"]) if line["round"] else None,
        value=float(line["value"]),
        device=line["device"],
        run=line["run"],
    )

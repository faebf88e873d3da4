"""Measures what finished cells cost, on this machine, and writes costs.csv into the output folder.

FOLDER is an output folder with finished cells and the stages that they rest on. One cell of each encoder and target is
measured, on the first test rows of each language: the others have models of the same shape. The models take turns, and
every turn is a round, so that what else the machine does falls on all of them alike.

  latency_p50, _p95, _p99            milliseconds of one item at a time
  processor_time                     milliseconds that all cores together spend on one item; on processors
  items_per_second_equal, _best      in batches that are equal for all models, and in the model's own best ones
  tokens_per_second_equal, _best     the same, counted in tokens
  flops_per_item, tokens_per_item    counted on the items themselves
  peak_memory, program_memory        MiB: on a processor of a fresh process, and before the model is loaded there
  energy_per_item                    joules, where the machine tells
  parameters, _without_embedding     of the encoder
  training_seconds, _steps           of all trainings that the weights went through; with _shared, divided by the number
                                     of cells that rest on each of them

From token ids to the outputs of the head: tokenizing and the search among candidates are not in it. python -m
stilts_xtreme.study report efficiency FOLDER --output REPORT says what the costs buy.
"""

from __future__ import annotations

import os
import sys
import uuid
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.disk import forbidden
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.terminal import Plain, out, say, table

if TYPE_CHECKING:
    from stilts_xtreme.report.costs import Cost
    from stilts_xtreme.report.results import FinishedCell
    from stilts_xtreme.training.costing import Figures, Subject

LEAST = {"rounds": 1, "items": 2, "batch": 1, "threads": 1}
"""Options that are whole numbers -> the least that they may be."""


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "cost", str(__doc__), ["outputs", "outputs --languages en,de,sw --device gpu", "outputs --rounds 9"]
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="an output folder")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each model; with fewer than 5 no "
                        "difference is ever decided; default: %(default)s")  # fmt: skip
    parser.add_argument("--items", type=int, default=100, metavar="N", help="test rows of each language; default: "
                        "%(default)s")  # fmt: skip
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="items of the batch that all models have; "
                        "default: %(default)s")  # fmt: skip
    parser.add_argument("--languages", metavar="LIST", help="as in en,de, of those that a cell has; default: all")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"), help="default: gpu where there is "
                        "one, else cpu")  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the processor; default: torch's choice")
    return parser


def representatives(cells: Sequence[FinishedCell]) -> list[FinishedCell]:
    """One cell of each encoder and target: that without an intermediate task, with most languages, of the lowest seed.

    Cells without a target, controls, cells with shots, whose models were not kept, and cells with translated test rows,
    each of which costs a translation besides, are passed over.
    """
    from stilts_xtreme.report.labels import arm, control, identity

    found: dict[tuple[str, str], FinishedCell] = {}
    given = [cell for cell in cells if cell.result["target"] and not arm(cell.result)]
    kept = [cell for cell in given if not control(cell.result)]

    def order(cell: FinishedCell) -> tuple[bool, int, int]:
        return bool(cell.result["intermediate"]), -len(cell.result["comparison"]), cell.result["seed"]

    for cell in sorted(kept, key=order):
        result = cell.result
        found.setdefault((str(identity(result, "encoder") or result["model"]), str(result["target"])), cell)
    return sorted(found.values(), key=lambda cell: (str(cell.result["target"]), str(cell.result["cell"])))


def _work(options: Namespace) -> None:
    for name, least in LEAST.items():
        value = getattr(options, name)
        if value is not None and value < least:
            raise StiltsError(f"--{name} {value} is refused: give at least {least}.")
    from stilts_xtreme.report import costs
    from stilts_xtreme.report.results import read_cells

    cells = read_cells(options.folder, ("cell", "rows", "comparison", "target", "seed", "stages"))
    if not (options.folder / "cells").is_dir():
        raise StiltsError(
            f"{options.folder} is not an output folder: the models of cells are in stages/ beside cells/."
        )
    chosen = representatives(cells)
    if not chosen:
        raise StiltsError(
            f"{options.folder} holds no cell with a target that can be measured: controls and translate-test are "
            "passed over, and cells with shots keep no model."
        )
    _check_languages(chosen, options.languages)
    if not os.access(options.folder, os.W_OK):  # not only after all has been measured
        raise forbidden(options.folder)
    found = [*_measured(chosen, options), *_trained(cells)]
    path = costs.write(found, options.folder)
    _show(found)
    out(f"costs: {path}")


def _languages(cell: FinishedCell) -> list[str]:
    return [str(line["language"]) for line in cell.result["comparison"]]


def _check_languages(cells: Sequence[FinishedCell], asked: str | None) -> None:
    """Refuses languages that no cell has."""
    there = list(dict.fromkeys(language for cell in cells for language in _languages(cell)))
    for language in asked.split(",") if asked is not None else ():
        if language not in there:
            raise unknown("--languages", language, there)


def _measured(cells: Sequence[FinishedCell], options: Namespace) -> Iterator[Cost]:
    import torch

    from stilts_xtreme.cell.config.machine import gpu_visible
    from stilts_xtreme.models.meters import energy_meter
    from stilts_xtreme.training import costing

    gpu = options.device == "gpu" or (options.device == "auto" and gpu_visible())
    if gpu and not torch.cuda.is_available():
        raise StiltsError("--device gpu: torch finds no CUDA device that it can use; take --device cpu.")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    run = uuid.uuid4().hex[:8]
    subjects: list[tuple[FinishedCell, Subject]] = []
    for cell in cells:
        say(f"reading rows of {cell.result['cell']}")
        subjects.append((cell, _subject(cell, options, gpu)))
    meter, said = energy_meter(gpu)
    say(f"energy: {said}")

    facts: list[Any] = []
    for cell, subject in subjects:
        say(f"counting operations and memory of {cell.result['cell']}")
        facts.append(costing.facts(subject, options.batch))
        constant = {**facts[-1], **costing.memory(subject, options.batch)}
        yield from _rows(cell, constant, None, costing.device_name(subject.machine), run)
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        places = list(range(len(subjects)))
        first = number % len(places)
        for place in places[first:] + places[:first]:
            cell, subject = subjects[place]
            figures = costing.turn(subject, options.batch, int(facts[place]["", "best_batch"]), meter)
            yield from _rows(cell, figures, number + 1, costing.device_name(subject.machine), run)


def _rows(cell: FinishedCell, figures: Figures, round: int | None, device: str, run: str) -> Iterator[Cost]:
    from stilts_xtreme.report.costs import UNITS, Cost

    cell_name, model, target = (str(cell.result[name]) for name in ("cell", "model", "target"))
    for (language, measure), value in figures.items():
        yield Cost(cell_name, model, target, language, measure, UNITS[measure], round, value, device, run)


def _subject(cell: FinishedCell, options: Namespace, gpu: bool) -> Subject:
    from stilts_xtreme.cell.config import make_cell
    from stilts_xtreme.cell.config.machine import elsewhere
    from stilts_xtreme.cell.trained import find
    from stilts_xtreme.core.json_text import read_json
    from stilts_xtreme.core.specs import TrainerSpec
    from stilts_xtreme.data.sources import source_of
    from stilts_xtreme.training.costing import subject

    assert cell.folder is not None, "it was read from its folder"
    source, told = find(str(cell.folder))
    with elsewhere(True):
        made = make_cell(read_json(cell.folder / "config.json"))
    assert made.target is not None, "cells without a target are passed over"
    there = _languages(cell)
    asked = options.languages.split(",") if options.languages is not None else there
    measured = [language for language in asked if language in there]
    if not measured:
        raise StiltsError(
            f"--languages {options.languages}: {cell.result['cell']} has none of these; add one of {', '.join(there)}."
        )
    if len(measured) < len(asked):
        lacking = ", ".join(language for language in asked if language not in there)
        say(f"{cell.result['cell']} has no rows in {lacking}, so it is measured in the others")
    tests = source_of(made.target.test, made.data)
    machine = TrainerSpec(
        accelerator="gpu" if gpu else "cpu",
        precision=told.precision if gpu else "32-true",
        packing=made.trainer.packing,
        progress=False,
    )
    rows = {language: tests.rows("test", language)[0] for language in measured}
    return subject(source, told, machine, rows, options.items)


def _trained(cells: Sequence[FinishedCell]) -> Iterator[Cost]:
    from stilts_xtreme.cell.spent import training_costs

    spent = training_costs(cells)
    few = sum(bool(cell.result.get("shots")) for cell in cells)
    if few:
        say(f"training costs leave out {few} {'cell' if few == 1 else 'cells'} with shots, which do not record them")
    for cell in cells:
        if cell.result.get("shots"):
            continue
        own = spent.get(str(cell.result["cell"]))
        if own is None:
            say(f"{cell.result['cell']}: a training that it rests on is not in the store, so its cost is not known")
        yield from _rows(cell, {("", measure): value for measure, value in (own or {}).items()}, None, "", "")


def _show(found: Sequence[Cost]) -> None:
    """Medians over rounds, means over languages."""
    from statistics import fmean, median

    columns = ("latency_p50", "processor_time", "items_per_second_best", "flops_per_item", "peak_memory")
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    for cost in found:
        if cost.measure in columns:
            own = values.setdefault(cost.cell, {}).setdefault(cost.measure, {})
            own.setdefault(cost.language, []).append(cost.value)
    shown = table("cell", *columns, right=columns, title="medians over rounds, means over languages")
    for cell, by in values.items():
        means = [fmean(median(some) for some in by[column].values()) if column in by else None for column in columns]
        shown.add_row(cell, *("" if mean is None else f"{mean:,.4g}" for mean in means))
    Plain().print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures from the command line."""
    return command(arguments, parser(), _work)


if __name__ == "__main__":
    sys.exit(main())

"""Prints the plan of a cell or of a sweep, before anything runs.

The plan lists every stage: whether it is done, and how long it takes, which is measured where it is done and estimated
where it is not. It needs no torch and makes nothing.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.config.phases import passed_over
from stilts_xtreme.cell.estimate import estimate
from stilts_xtreme.cell.plan import CellPlan, plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.progress import duration
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Pretraining
from stilts_xtreme.core.terminal import Plain, error, out, say, table
from stilts_xtreme.core.text import visible
from stilts_xtreme.sweep import planning
from stilts_xtreme.sweep.executors import local
from stilts_xtreme.sweep.graph import Graph, build
from stilts_xtreme.sweep.planning import PlannedCell, planned_cells

CHAIN = 12
"""So many stages of the critical path are printed."""


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "plan",
        str(__doc__),
        ["+intermediate=mnli +target=xnli", "-m '+intermediate=glob(*)' '+target=glob(*)' seed=0,1,2"],
    )
    many = "plan every cell of a sweep, as a multirun would run them; default: the options are one cell"
    parser.add_argument("-m", "--multirun", action="store_true", help=many)
    parser.takes_a_run()
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the stages that a command line would run: of one cell, or with ``-m`` of a sweep."""

    def work(options: Namespace) -> None:
        prepared = compose.prepare(options.options, options.multirun)
        if options.multirun:
            preview(prepared)
            return
        config = compose.compose(prepared)
        cell = make_cell(config)
        for sentence in passed_over(config, prepared):
            say(f"warning: {sentence}")
        show(plan(cell), Store(cell.output, cell.on_damage))

    return command(arguments, parser(), work)


def show(planned: CellPlan, store: Store) -> None:
    """Prints the plan of a cell as a table."""
    cell, stages = planned.cell, planned.stages()
    drawn = table("stage", "what", "key", "rows", "state", "time", title=f"{len(stages)} stages, each made once")
    times = estimate([(cell, stage) for stage in stages], store)
    left = 0.0
    for stage, (source, seconds) in zip(stages, times, strict=True):
        done = source == "measured"
        left += 0 if done else seconds
        rows = f"{sum(stage.rows.values()):,}" + (" steps" if isinstance(stage, Pretraining) else "")
        took = f"{duration(seconds)}" if done else f"about {duration(seconds)}"
        drawn.add_row(stage.kind, visible(stage.label), stage.key, rows, "done" if done else "to do", took)
    console = Plain()
    console.print(drawn)
    if planned.missing:
        console.line_of(f"no rows here, left out: {', '.join(planned.missing)}")
    to_do = sum(source == "estimated" for source, _ in times)
    device = "GPU" if cell.trainer.accelerator == "gpu" else "CPU"
    console.line_of(
        f"To do: {to_do} of {len(stages)} stages, about {duration(left)} on one {device} (6 operations per parameter "
        "and token; rough until the store holds a measured training)."
    )
    _advise(console, [cell])


def _advise(console: Plain, cells: Sequence[Cell]) -> None:
    """Says how many seeds each target needs."""
    from stilts_xtreme.report import seeds  # scipy takes a fifth of a second

    known: dict[str, seeds.Noise | None] = {}
    planned: dict[str, list[int]] = {}
    refused: list[str] = []
    several = len({cell.model.label for cell in cells}) > 1
    for cell in cells:
        if cell.target is None or cell.model.weights == "random":
            continue
        name = f"{cell.model.label} / {cell.target.name}" if several else cell.target.name
        if cell.seed not in planned.setdefault(name, []):
            planned[name].append(cell.seed)
        if name not in known:
            found, why = seeds.finished(Path(cell.output), cell.model.label, cell.target.name)
            refused += why
            published = None if cell.synthetic else seeds.published(cell.target.name)
            known[name] = seeds.noise_of(found) or published
    for sentence in refused:
        error(sentence)
    if known:
        console.line_of(seeds.advice(known, planned))


def preview(options: Sequence[str]) -> None:
    """Prints what a multirun would make.

    Args:
        options: The prepared command line without ``-m``.

    Raises:
        StiltsError: When it has no cell.
    """
    planned, refused = planned_cells(options)
    store = Store(planning.output_of(planned), planned[0].cell.on_damage)
    graph = build(planned, store)
    devices = local.gpus() if any(entry.cell.trainer.accelerator == "gpu" for entry in planned) else []
    on_gpu = any(entry.cell.trainer.accelerator == "gpu" for entry in planned)
    _show_sweep(planned, graph, local.slots_of("auto", devices), "GPU" if on_gpu else "CPU")
    _advise(Plain(), [entry.cell for entry in planned])
    for sentence in refused:
        error(sentence)


def _show_sweep(planned: Sequence[PlannedCell], graph: Graph, slots: int, device: str) -> None:
    console = Plain()
    stages = graph.stages()
    names = {entry.name for entry in planned}
    controls = {entry.name for entry in planned if entry.job is None}
    alone = sum(len(entry.planned.stages()) for entry in {entry.name: entry for entry in planned}.values())
    titles = ("stages", "distinct", "done", "to make", "time")
    drawn = table(*titles, right=titles[1:], title=visible(planning.sweep_name(planned)))
    for kind in ("floors", "pretrain", "train", "select", "merge", "evaluate"):
        own = [node for node in stages if node.kind == kind]
        todo = [node for node in own if not node.done]
        time = f"about {duration(sum(node.seconds for node in todo))}" if todo else ""
        drawn.add_row(kind, str(len(own)), str(len(own) - len(todo)), str(len(todo)), time)
    console.print(drawn)
    out(
        f"{len(names)} cells" + (f", {len(controls)} of them controls of the study" if controls else "") + f": "
        f"{len(stages)} distinct stages instead of {alone}."
    )
    path = graph.critical_path()
    longest = sum(node.seconds for node in path)
    todo = [node for node in stages if not node.done]
    if not todo:
        out("Nothing to make: every stage is done.")
        return
    labels = [node.title for node in path if node.kind != "cell"]
    if len(labels) > CHAIN:
        labels = [*labels[: CHAIN - 1], "...", labels[-1]]
    out(f"Critical path, about {duration(longest)}: {' -> '.join(labels)}")
    left = graph.left()
    out(
        f"To make: {len(todo)} of {len(stages)} stages, about {left / 3600:.2f} hours of one {device}; not less than "
        f"{duration(max(longest, left / slots))} on {slots} {'slot' if slots == 1 else 'slots'} (rough until the store "
        "holds a measured training)."
    )


if __name__ == "__main__":
    sys.exit(main())

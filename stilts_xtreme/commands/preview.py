"""The plan of a whole sweep, printed before anything runs. Free of torch, as planning is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands.summary import failed
from stilts_xtreme.core.progress import duration
from stilts_xtreme.sweep import planning
from stilts_xtreme.sweep.executors import local
from stilts_xtreme.sweep.graph import Graph, build
from stilts_xtreme.sweep.planning import PlannedCell, planned_cells

CHAIN = 12
"""So many stages of the critical path are printed."""


def preview(options: Sequence[str]) -> None:
    """Prints what a multirun would make.

    Args:
        options: The prepared command line without ``-m``.

    Raises:
        StiltsError: When it has no cell.
    """
    planned, refused = planned_cells(options)
    store = Store(planning.output_of(planned))
    graph = build(planned, store)
    devices = local.gpus() if any(entry.cell.trainer.accelerator == "gpu" for entry in planned) else []
    _print(planned, graph, local.slots_of("auto", devices), "GPU" if devices else "CPU")
    for sentence in refused:
        failed(sentence)


def _print(planned: Sequence[PlannedCell], graph: Graph, slots: int, device: str) -> None:
    console = Console()
    stages = graph.stages()
    names = {entry.name for entry in planned}
    controls = {entry.name for entry in planned if entry.job is None}
    alone = sum(len(entry.planned.stages()) for entry in {entry.name: entry for entry in planned}.values())
    table = Table("stages", "distinct", "done", "to make", "time", title=f"{planning.sweep_name(planned)}")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind in ("floors", "pretrain", "train", "evaluate"):
        own = [node for node in stages if node.kind == kind]
        todo = [node for node in own if not node.done]
        time = f"about {duration(sum(node.seconds for node in todo))}" if todo else ""
        table.add_row(kind, str(len(own)), str(len(own) - len(todo)), str(len(todo)), time)
    console.print(table)
    print(
        f"{len(names)} cells" + (f", {len(controls)} of them controls of the study" if controls else "") + f": "
        f"{len(stages)} distinct stages instead of {alone}."
    )
    path = graph.critical_path()
    longest = sum(node.seconds for node in path)
    todo = [node for node in stages if not node.done]
    if not todo:
        print("Nothing to make: every stage is done.")
        return
    labels = [node.title for node in path if node.kind != "cell"]
    if len(labels) > CHAIN:
        labels = [*labels[: CHAIN - 1], "...", labels[-1]]
    print(f"Critical path, about {duration(longest)}: {' -> '.join(labels)}")
    left = graph.left()
    print(
        f"To make: {len(todo)} of {len(stages)} stages, about {left / 3600:.2f} hours of one {device}; not less than "
        f"{duration(max(longest, left / slots))} on {slots} {'slot' if slots == 1 else 'slots'} (rough until the store "
        "holds a measured training)."
    )

"""Prints the plan of a cell or of a sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.estimate import estimate
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import compose
from stilts_xtreme.core.command import command
from stilts_xtreme.core.progress import duration
from stilts_xtreme.core.specs import Cell, CellPlan


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the stages that a command line would run: of one cell, or with ``-m`` of a sweep."""

    def work(options: list[str]) -> None:
        if flags & set(options):
            from stilts_xtreme.commands.preview import preview

            preview(compose.prepare([option for option in options if option not in flags]))
            return
        cell = make_cell(compose.compose(compose.prepare(options)))
        show(cell, plan(cell), Store(cell.output))

    flags = {"-m", "--multirun"}
    page = (
        __doc__.strip()
        + """

Examples
  python -m stilts_xtreme.plan +intermediate=mnli +target=xnli
  python -m stilts_xtreme.plan -m '+intermediate=glob(*)' '+target=glob(*)' seed=0,1,2"""
    )
    return command(sys.argv[1:] if arguments is None else arguments, page, work)


def show(cell: Cell, planned: CellPlan, store: Store) -> None:
    """Prints a plan as a table."""
    from rich.console import Console
    from rich.table import Table

    stages = planned.stages()
    table = Table("stage", "what", "key", "rows", "state", "time", title=f"{len(stages)} stages, each made once")
    times = estimate([(cell, stage) for stage in stages], store)
    left = 0.0
    for stage, (source, seconds) in zip(stages, times, strict=True):
        done = source == "measured"
        left += 0 if done else seconds
        rows = f"{sum(stage.rows.values()):,}" + (" steps" if stage.kind == "pretrain" else "")
        took = f"{duration(seconds)}" if done else f"about {duration(seconds)}"
        table.add_row(stage.kind, stage.label, stage.key, rows, "done" if done else "to do", took)
    console = Console()
    console.print(table)
    if planned.missing:
        console.print(f"no rows here, left out: {', '.join(planned.missing)}")
    to_do = sum(source == "estimated" for source, _ in times)
    device = "GPU" if cell.trainer.accelerator == "gpu" else "CPU"
    console.print(
        f"To do: {to_do} of {len(stages)} stages, about {duration(left)} on one {device} (6 operations per parameter "
        "and token; rough until the store holds a measured training)."
    )


if __name__ == "__main__":
    sys.exit(main())

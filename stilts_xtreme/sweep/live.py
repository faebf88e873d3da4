"""A sweep as its terminal shows it: one view that stays in place, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stilts_xtreme.core.progress import duration
from stilts_xtreme.core.terminal import ERRORS, say
from stilts_xtreme.core.text import visible
from stilts_xtreme.report.sweeps.state import State


def headline(state: State) -> str:
    """Stages by how they stand, and the time that is left."""
    counts = state.counts()
    parts = [f"{counts['done']} of {sum(counts.values())} stages done", f"{counts['running']} running"]
    parts += [
        f"{counts[name]} {word}" for name, word in (("failed", "failed"), ("skipped", "not made")) if counts[name]
    ]
    left = state.eta()
    if left is not None:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def place(info: Mapping[str, Any]) -> str:
    """Where a node runs: the host, and its slot there or its job."""
    where = f"job {info['job']}" if "job" in info else f"slot {info.get('slot', '')}"
    return f"{where} on {info['host']}" if info.get("host") else where


def running_table(state: State) -> Table:
    """The running nodes with their progress."""
    table = Table.grid(padding=(0, 2))
    for id_, status in state.status.items():
        if status != "running":
            continue
        info = state.info[id_]
        bar = ProgressBar(total=info["total"], completed=info["done"], width=20) if info.get("total") else Text("")
        count = f"{info['done']}/{info['total']}" if info.get("total") else ""
        cells = (f"  {state.title(id_)}", count, info.get("note") or "", place(info))
        title, *others = (Text(visible(cell), overflow="fold") for cell in cells)
        table.add_row(title, bar, *others)
    return table


def _came_to(data: Mapping[str, Any]) -> str:
    """What came of a stage that is done; workers of an earlier version tell the time alone."""
    return str(data.get("came_to") or f"done in {duration(data['seconds'])}")


class View:
    """Shows a sweep while the block runs.

    Args:
        state: How it stands; kept up by :meth:`tell`.
        show: False prints nothing.
    """

    def __init__(self, state: State, show: bool = True):
        self.state, self.show = state, show
        self.live: Live | None = None
        self.begun: dict[str, float] = {}

    def __enter__(self) -> View:
        if self.show and ERRORS.is_live:
            self.live = Live(get_renderable=self._render, console=ERRORS, refresh_per_second=2, transient=True)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def _render(self) -> Group:
        return Group(Text(headline(self.state)), running_table(self.state))

    def tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Takes an event."""
        self.state.apply(event, {"time": time.time(), **data})
        id_ = data.get("node")
        if not self.show or id_ is None or event == "progress":
            return
        title = self.state.title(id_)
        if event == "failed":
            self._line(f"FAILED {title}: {data['error']}")
        elif event == "lost":
            self._line(f"{data['error']}; it goes on from its last checkpoint on a new one")
        elif event == "requeued":
            self._line(f"{title}: job {data['job']} gave way and waits in the queue; it goes on from its checkpoint")
        elif event == "stopped":
            self._line(f"{title}: job {data['job']} was told to stop, and has kept its checkpoint")
        elif event == "busy":
            self._line(f"{title}: another process is making it; others go first")
        elif event == "done" and data.get("made") and self.state.nodes[id_]["kind"] != "cell" and self.live is not None:
            self._line(f"{title}: {_came_to(data)}")
        elif self.live is None and self.state.nodes[id_]["kind"] != "cell":
            if event == "started":
                say(f"{title} begins: {place(data)}")
            elif event == "done":
                say(f"{title}: {_came_to(data)}; {headline(self.state)}")

    def _line(self, text: str) -> None:
        say(text)  # above the view: both print to the same console

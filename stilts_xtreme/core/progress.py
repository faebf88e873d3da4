"""One look for every long phase: a bar on a terminal, a line now and then in a log, nothing when switched off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

CONSOLE = Console(stderr=True)
LINE_SECONDS = 15
LISTEN_SECONDS = 0.5
_listeners: list[Callable[[Phase], None]] = []


class Phase:
    """The progress of one phase; :meth:`advance` moves it on."""

    def __init__(self, label: str, total: int, bar: Progress | None, silent: bool):
        self.label, self.total, self.bar, self.silent = label, total, bar, silent
        self.done = 0
        self.note = ""
        self.said = self.told = time.monotonic()
        self.task = bar.add_task(label, total=total, note="") if bar else None

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Counts finished units of work, with a word on how it goes."""
        self.done += count
        self.note = self.note if note is None else note
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=self.done, note=self.note)
        if _listeners and time.monotonic() - self.told > LISTEN_SECONDS:
            self.told = time.monotonic()
            for listener in _listeners:
                listener(self)
        if self.bar is None and not self.silent and time.monotonic() - self.said > LINE_SECONDS:
            self.said = time.monotonic()
            CONSOLE.print(f"  {self.label}: {self.done}/{self.total} {self.note}", highlight=False)


@contextmanager
def phase(label: str, total: int, show: bool = True) -> Iterator[Phase]:
    """Shows the progress of a phase while the block runs.

    Args:
        label: What is being done.
        total: Units of work in all.
        show: False prints nothing.
    """
    if not show or not CONSOLE.is_terminal:
        yield Phase(label, total, None, silent=not show)
        return
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=CONSOLE, transient=True) as bar:
        yield Phase(label, total, bar, silent=False)


@contextmanager
def listening(listener: Callable[[Phase], None]) -> Iterator[None]:
    """Has a listener told of every phase of this process now and then, whether or not anything is printed.

    A worker reports by it how far a stage is, whichever room the phase is in.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def say(text: str) -> None:
    """Prints one line of what is going on."""
    CONSOLE.print(text, highlight=False, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

"""One look for every long phase: a bar on a terminal, a line now and then in a log, and a last line that stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stilts_xtreme.core.terminal import ERRORS, say
from stilts_xtreme.core.text import visible

LINE_SECONDS = 15
LISTEN_SECONDS = 0.5
_listeners: list[Callable[[Phase], None]] = []
_begun: list[list[Phase]] = []


class Phase:
    """The progress of one phase; :meth:`advance` moves it on.

    Attributes:
        tokens: Tokens that went through the encoder in this phase, where that is counted.
        resumed: Units that a killed attempt had done.
    """

    def __init__(self, label: str, total: int, bar: Progress | None, silent: bool):
        self.label, self.total, self.bar, self.silent = label, total, bar, silent
        self.done = 0
        self.tokens = 0
        self.resumed = 0
        self.note = ""
        self.began = self.said = self.told = time.monotonic()
        self.ended: float | None = None
        self.task = bar.add_task(visible(label), total=total, note="") if bar else None
        for phases in _begun:
            phases.append(self)

    def advance(self, count: int = 1, note: str | None = None, tokens: int = 0) -> None:
        """Counts finished units of work and the tokens in them, with a word on how it goes."""
        self.done += count
        self.tokens += tokens
        self.note = self.note if note is None else note
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=self.done, note=self.note)
        if _listeners and time.monotonic() - self.told > LISTEN_SECONDS:
            self.told = time.monotonic()
            for listener in _listeners:
                listener(self)
        if self.bar is None and not self.silent and time.monotonic() - self.said > LINE_SECONDS:
            self.said = time.monotonic()
            say(f"  {self.label}: {self.done}/{self.total} {self.note}".rstrip())

    def resume(self, count: int) -> None:
        """Counts the units that a killed attempt has done."""
        self.resumed = count
        self.advance(count)

    def seconds(self) -> float:
        """How long it took, or takes so far."""
        return (self.ended or time.monotonic()) - self.began


@contextmanager
def phase(label: str, total: int, show: bool = True) -> Iterator[Phase]:
    """Shows the progress of a phase while the block runs.

    Args:
        label: What is being done.
        total: Units of work in all.
        show: False prints nothing.
    """
    if not show or not ERRORS.is_live:
        made = Phase(label, total, None, silent=not show)
        yield made
        made.ended = time.monotonic()
        return
    columns = (
        TextColumn("  {task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=ERRORS, transient=True) as bar:
        made = Phase(label, total, bar, silent=False)
        yield made
        made.ended = time.monotonic()


@contextmanager
def phases() -> Iterator[list[Phase]]:
    """Gathers the phases that begin while the block runs."""
    found: list[Phase] = []
    _begun.append(found)
    try:
        yield found
    finally:
        _begun.remove(found)


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


def closing(info: Mapping[str, Any], seconds: float, seen: list[Phase]) -> str:
    """What came of a stage, in the words of the line that stays.

    Args:
        info: Facts about it, of which some may be there: ``steps``, ``loss``, ``dev`` (score by task), and ``rows``
            (number by task or language).
        seconds: What it took in this process.
        seen: Its phases.
    """
    parts = []
    if info.get("steps") is not None:
        parts.append(f"{info['steps']:,} steps")
        parts += [f"the first {found.resumed:,} of them before" for found in seen if found.resumed]
    if isinstance(info.get("loss"), float):
        parts.append(f"loss {info['loss']:.3f}")
    parts += [f"dev {task} {score:.1f}" for task, score in (info.get("dev") or {}).items()]
    if not parts and info.get("rows"):
        parts.append(f"{sum(info['rows'].values()):,} rows in {len(info['rows'])} languages")
    parts.append(f"{seconds:.1f} s" if seconds < 9.95 else duration(seconds))
    counted = [found for found in seen if found.tokens]
    if counted:
        rate = sum(found.tokens for found in counted) / max(1e-9, sum(found.seconds() for found in counted))
        parts.append(f"{rate:,.0f} tokens/s")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

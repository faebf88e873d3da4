"""Standard streams that break no command: closed ones, full disks behind them, terminals and readers that go away.

A process that begins without a standard stream gives its number to the next file that it opens, and what is printed
goes into that file; worker processes do not start at all then. So the three numbers are taken at once. What cannot be
written later is remembered instead of raised, because hours of training must not end for a line of progress.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

GONE = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO)
"""Nobody reads any more: a pipe, a terminal or a stream that is closed."""


class Unwritable(Exception):
    """The standard output cannot be written, and to print was all that there is to do."""


class _Raw(io.FileIO):
    """The file of a stream; the first error of a write is kept, and everything after it goes nowhere.

    Args:
        number: Of its descriptor.
        closed: Whether it was closed when the process began.
        stop: Whether an error also ends what is being done.
    """

    def __init__(self, number: int, closed: bool, stop: bool):
        super().__init__(number, "w", closefd=False)
        self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF)) if closed else None
        self.stop = stop
        self.used = False

    def write(self, data: Any) -> int:
        """Writes bytes, or keeps why that was not possible."""
        self.used = True
        if self.failure is None:
            try:
                return super().write(data) or 0
            except OSError as error:
                self.failure = error
        if self.stop:
            self.stop = False  # what is still in buffers goes nowhere, without a word
            raise Unwritable
        return memoryview(data).nbytes


class Output:
    """What became of the standard output."""

    def __init__(self, raw: _Raw | None):
        self._raw = raw

    @property
    def failure(self) -> OSError | None:
        """Why something that was printed is lost; None where nothing is."""
        return self._raw.failure if self._raw is not None and self._raw.used else None

    @property
    def gone(self) -> bool:
        """Whether it is lost because nobody reads any more."""
        return self.failure is not None and self.failure.errno in GONE

    def sentence(self, kept: str) -> str:
        """The failure for its user.

        Args:
            kept: A clause that says what is not lost.
        """
        failure = self.failure
        why = "it is closed" if failure is None or failure.errno == errno.EBADF else failure.strerror
        return f"The standard output could not be written ({why}); {kept}."


@contextmanager
def steady(stop: bool) -> Iterator[Output]:
    """Guards the standard streams of the process while the block runs.

    Streams that somebody else has put in place, such as a test, are left as they are.

    Args:
        stop: Whether to raise :class:`Unwritable` once the standard output cannot be written.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for _ in closed:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest number that is free
    before = sys.stdin, sys.stdout, sys.stderr
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  it lives as long as the process
    raw = None
    if sys.stdout is sys.__stdout__:
        sys.stdout, raw = _stream(1, 1 in closed, stop, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr, _ = _stream(2, 2 in closed, False, sys.stderr)
    output = Output(raw)
    try:
        yield output
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Unwritable):  # it is kept in the failure
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _stream(number: int, closed: bool, stop: bool, old: Any) -> tuple[io.TextIOWrapper, _Raw]:
    """A stream on a descriptor, with the encoding of the one that Python has made."""
    raw = _Raw(number, closed, stop)
    encoding = getattr(old, "encoding", None) or "utf-8"
    errors = getattr(old, "errors", None) or "backslashreplace"
    if not encoding.lower().startswith("utf"):
        errors = "backslashreplace"  # a language's name must not end a command where the locale knows no such letter
    if old is not None:
        with suppress(OSError):
            old.flush()
    buffered = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffered, encoding, errors, line_buffering=number == 2 or raw.isatty()), raw


@contextmanager
def outliving_terminal() -> Iterator[None]:
    """Lets this process, and those that it starts meanwhile, go on when their terminal is closed."""
    other = threading.current_thread() is not threading.main_thread()  # only the main thread may choose
    if other or signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

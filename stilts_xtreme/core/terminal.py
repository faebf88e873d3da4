"""What a user reads: consoles that show text as it is, whatever the terminal can do, and messages in a log."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import Collection
from typing import Any

from rich.console import Console, ConsoleDimensions
from rich.table import Table
from rich.text import Text

from stilts_xtreme.core.text import visible

UNLIMITED = 10_000
"""Columns of a file or a pipe: nothing is cut or wrapped there. COLUMNS in the environment says otherwise."""
SIMPLER = {"±": "~", "†": "*", "‡": "#", "–": "-", "—": "-", "…": ".", "•": "*", "━": "-", "─": "-"}
"""What stands for a character of ours that an output's encoding does not have; each is one column wide."""


class Plain(Console):
    """A console for which text is data: it knows no markup and no emoji codes, and makes control characters visible."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        columns = self._environ.get("COLUMNS", "")
        width = self._width or (int(columns) if columns.isdigit() else 0)
        if not width and _is_a_terminal(self.file):
            with contextlib.suppress(OSError):  # the terminal has gone
                width = os.get_terminal_size(self.file.fileno()).columns or 80  # a pseudo-terminal may have none
        width = width or UNLIMITED
        return ConsoleDimensions(width, super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render_str(self, text: str, **options: Any) -> Text:
        """The text with every control character made visible; a line break stays."""
        return super().render_str(visible(text, lines=True), **options)

    def line_of(self, text: object) -> None:
        """Prints a text as one line, however narrow the terminal is: it can be copied whole."""
        self.print(visible(text), soft_wrap=True)

    def page(self, text: str) -> None:
        """Prints Markdown: drawn on a terminal, and as it is in a file or a pipe."""
        from rich.markdown import Markdown

        if _is_a_terminal(self.file):
            self.print(Markdown(text, hyperlinks=False))
        else:
            print(visible(text, lines=True))

    @property
    def is_live(self) -> bool:
        """Whether something can be drawn in place: a terminal that can move its cursor."""
        return _is_a_terminal(self.file) and not self.is_dumb_terminal


def _is_a_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # there is no stream, or it is closed
        return False


ERRORS = Plain(stderr=True)
"""Where progress and errors go."""


def table(*titles: str, right: Collection[str] = (), title: str | None = None) -> Table:
    """A table that loses no character where it is narrow: a long word goes on in the next line.

    Args:
        titles: Of the columns.
        right: Titles of columns that hold numbers.
        title: Above it.
    """
    made = Table(title=title)
    for name in titles:
        made.add_column(name, overflow="fold", justify="right" if name in right else "left")
    return made


def out(text: object) -> None:
    """Prints one line that the user asked for, to standard output."""
    print(visible(text))


def say(text: object) -> None:
    """Says in one line what is going on: on standard error, with the time where that is no terminal."""
    stamp = "" if ERRORS.is_live or ERRORS.is_jupyter else time.strftime("%Y-%m-%d %H:%M:%S ")
    ERRORS.line_of(f"{stamp}{text}")


def error(text: object) -> None:
    """Says what went wrong, in one line that begins with ``error:``."""
    print(f"error: {visible(text)}", file=sys.stderr)


class _Said(logging.Handler):
    """Says the warnings of libraries and of our own modules; a warning of Python's once, not in every stage."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.known: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        if record.name == "py.warnings":
            text = text.partition("\n")[0]  # the second line is one of the source
            if text in self.known:
                return
            self.known.add(text)
        say(f"{record.levelname.lower()}: {text}")
        if record.exc_info:
            print(logging.Formatter().formatException(record.exc_info), file=sys.stderr)


def simpler(error: UnicodeError) -> tuple[str, int]:
    """Writes what an encoding does not have in simpler characters or as escapes, where Python would fail."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(SIMPLER.get(char) or char.encode("unicode_escape").decode() for char in missing), error.end


def prepare() -> None:
    """Prepares this process's output: no character is refused by its encoding, and warnings are lines as others are."""
    codecs.register_error("stilts_xtreme.simpler", simpler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError, OSError):  # it is closed
                stream.reconfigure(errors="stilts_xtreme.simpler")
    root = logging.getLogger()
    if not any(isinstance(handler, _Said) for handler in root.handlers):
        root.addHandler(_Said())
    logging.captureWarnings(True)

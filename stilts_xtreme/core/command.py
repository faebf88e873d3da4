"""The frame of every command other than the Hydra application: its options, its page of help, how it ends."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from stilts_xtreme.core import streams, terminal
from stilts_xtreme.core.compose import as_option, sentence
from stilts_xtreme.core.errors import StiltsError, near
from stilts_xtreme.core.paths import home, refuse_bytes

RUN = "the options of a run, such as +target=xnli seed=1; python -m stilts_xtreme --help lists them"

PATHS = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS)
"""What the system refuses a path for."""


class Parser(argparse.ArgumentParser):
    """The options of a command; what it refuses is the user's error, in one sentence.

    Args:
        name: As in ``python -m stilts_xtreme.NAME``.
        about: What the command does: a sentence, then what a reader must know.
        examples: Whole options, a command line each, without ``python -m stilts_xtreme.NAME``.
    """

    def __init__(self, name: str, about: str, examples: Sequence[str]) -> None:
        self.name, self.runs = name, False
        prog = f"python -m stilts_xtreme.{name}"
        super().__init__(
            prog,
            description=about.strip(),
            epilog="\n".join(["Examples:", *(f"  {prog} {example}" for example in examples)]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def takes_a_run(self, about: str = RUN) -> None:
        """Adds what :func:`stilts_xtreme.core.compose.prepare` reads: ``options``, in any place of the line."""
        self.runs = True
        self.add_argument("options", nargs="*", metavar="OPTION=VALUE", help=about)
        own = "your own YAML, laid out like conf/ of the package; default: none"
        self.add_argument("--config-dir", metavar="FOLDER", help=own)

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Reads a command line and does nothing else.

        Raises:
            StiltsError: There is no such option, or its value is refused.
        """
        refuse_bytes(arguments)
        found, rest = self.parse_known_intermixed_args(as_option(arguments) if self.runs else list(arguments))
        if rest:
            flags = [flag for action in self._actions for flag in action.option_strings]
            hint = near(rest[0], flags)
            raise StiltsError(f"{rest[0]} is not an option of {self.name}{hint}; choose one of: {', '.join(flags)}.")
        for name, value in vars(found).items():  # the shell expands no '~' in --output=~/folder
            if isinstance(value, Path):
                setattr(found, name, home(value))
            elif isinstance(value, list) and all(isinstance(part, Path) for part in value):
                setattr(found, name, [home(part) for part in value])
        return found

    def error(self, message: str) -> NoReturn:
        """Raises StiltsError."""
        raise StiltsError(f"{message.removeprefix('argument ')}; --help shows how.")


def command(arguments: Sequence[str] | None, parser: Parser, work: Callable[[argparse.Namespace], int | None]) -> int:
    """Runs a command.

    Args:
        arguments: The command line without the program's name; None for that of the process.
        parser: Its options; ``--help``, or nothing at all, prints their page.
        work: Does it; an exit code, or None for 0. A user's error ends in one sentence.

    Returns:
        The exit code.
    """
    with streams.steady(stop=True) as output:
        try:
            code = _run(arguments, parser, work)
            sys.stdout.flush()
        except streams.Unwritable:
            code = 1
        except Exception as error:
            known = sentence(error) or _of_path(error)
            if known is None or os.environ.get("HYDRA_FULL_ERROR"):
                raise
            terminal.error(known)
            code = 1
        if output.failure is None:
            return code
        if output.failure.errno == errno.EPIPE:  # who read the output, such as `head`, has read enough
            return 128 + signal.SIGPIPE
        terminal.error(output.sentence("send it elsewhere and give the command again"))
        return code or 1


def _of_path(error: Exception) -> StiltsError | None:
    """A sentence for a path that the system refuses, such as a file where a folder is to be made."""
    if not isinstance(error, OSError) or error.errno not in PATHS or not error.filename:
        return None
    return StiltsError(f"{error.filename} cannot be used: {error.strerror}; name another file or folder.")


def _run(arguments: Sequence[str] | None, parser: Parser, work: Callable[[argparse.Namespace], int | None]) -> int:
    terminal.prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        from stilts_xtreme import __version__

        terminal.out(f"stilts_xtreme {__version__}")
        return 0
    if not given or {"-h", "--help"} & set(given):
        sys.stdout.write(parser.format_help())  # argparse's own way passes over errors
        return 0 if given else 2
    return work(parser.parse(given)) or 0

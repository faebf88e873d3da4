"""How a command other than the Hydra application reads its line and ends: with a page, or with one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from stilts_xtreme.core.compose import sentence
from stilts_xtreme.core.errors import StiltsError


class Parser(argparse.ArgumentParser):
    """A parser whose refusals are the user's errors."""

    def error(self, message: str) -> Any:
        """Raises StiltsError."""
        raise StiltsError(f"{message}; --help shows how.")


def command(arguments: Sequence[str], page: str, work: Callable[[list[str]], None]) -> int:
    """Runs a command other than the Hydra application.

    Args:
        arguments: The command line without the program's name.
        page: What ``--help`` prints.
        work: Does it; a user's error ends in one sentence.

    Returns:
        The exit code.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print(page)
        return 0 if arguments else 2
    try:
        work(list(arguments))
    except Exception as error:
        known = sentence(error)
        if known is None or os.environ.get("HYDRA_FULL_ERROR"):
            raise
        print(f"error: {known}", file=sys.stderr)
        return 1
    return 0

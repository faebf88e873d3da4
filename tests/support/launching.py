"""The application in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


def in_child(arguments: list[str], log: str, patch: Callable[..., None] | None, values: tuple[Any, ...]) -> None:
    """The whole command line application in a process of its own, with its streams in a file."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    from stilts_xtreme.__main__ import main

    # the server that forks may have been started within a run, which has Hydra raise its errors
    os.environ.pop("HYDRA_FULL_ERROR", None)
    if patch is not None:
        patch(*values)
    sys.argv = ["stilts_xtreme", *arguments]
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

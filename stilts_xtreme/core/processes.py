"""What worker processes need of the system: a short name for their sockets, and files that may be open."""

from __future__ import annotations

import os
import resource
import tempfile
from multiprocessing import util
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError

MOST = 103
"""Bytes in the name of a socket, without its end: 107 on Linux, 103 elsewhere."""
ROOM = len("/pymp-12345678/listener-12345678")
"""What ``multiprocessing`` adds to the folder for temporary files."""
FILES, FILES_EACH = 18, 4
"""Files that the launcher of a sweep has open, and those that each of its workers adds."""
OTHERS = ("/tmp", "/var/tmp", "/dev/shm")


def short_folder(room: int = ROOM) -> str:
    """The folder for temporary files, or another one where its name is too long.

    Args:
        room: Bytes that are added to its name.

    Raises:
        StiltsError: When there is none that can be written.
    """
    own = tempfile.gettempdir()
    for folder in (own, *OTHERS):
        if len(os.fsencode(folder)) + room <= MOST and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise StiltsError(
        f"TMPDIR={own} is refused: worker processes talk through sockets, whose names may have {MOST} bytes; set "
        f"TMPDIR to a folder that can be written, with a name of at most {MOST - room} bytes."
    )


def keep_sockets_short() -> None:
    """Has ``multiprocessing`` keep its sockets in a :func:`short_folder`, in this process and those that it starts."""
    folder = short_folder()
    if folder == tempfile.gettempdir():
        return
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        util.get_temp_dir()  # makes one once, and remembers it
    finally:
        tempfile.tempdir = before


def allow_files(slots: int) -> None:
    """Raises the limit of open files, as far as this process may, to what a number of workers needs.

    Raises:
        StiltsError: When that is not enough.
    """
    needed = FILES + FILES_EACH * slots
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise StiltsError(
            f"hydra.launcher.slots={slots} is refused: so many workers need {needed} open files, and ulimit -n allows "
            f"{hard}; raise it, or take at most {max(1, (hard - FILES) // FILES_EACH)} slots."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

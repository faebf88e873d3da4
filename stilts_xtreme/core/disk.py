"""What a disk, a quota or a limit of the system refuses, in sentences for its user."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError

TOLD = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")
"""The number of an error of the system in the words of libraries that raise no OSError."""
WORDS = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "Too many open files": errno.EMFILE,
    "PytorchStreamWriter failed writing": errno.ENOSPC,
    "unexpected pos": errno.ENOSPC,
}
"""Words in errors without a number: the last two are what ``torch.save`` makes of a full disk."""
KEPT = "finished stages are untouched"
AGAIN = "then give the same command again"


def number_of(error: BaseException) -> int | None:
    """The number of the system's error behind an exception, whatever a library has made of it; None without one."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, OSError) and found.errno is not None:
            return found.errno
        text = str(found)
        if told := TOLD.search(text):
            return int(told[1] or told[2])
        for words, number in WORDS.items():
            if words in text:
                return number
        found = found.__cause__ or found.__context__
    return None


def refusal(error: BaseException, folder: Path | None = None) -> StiltsError | None:
    """The sentence for an error that comes from the machine and not from the program; None for any other.

    Args:
        error: The exception.
        folder: The output folder that was worked on; None outside of any.
    """
    number = number_of(error)
    named = getattr(error, "filename", None)
    place = Path(os.fsdecode(named)) if isinstance(named, str | bytes) and named else folder
    where = folder or place or "this command"
    else_ = f"or set output=FOLDER elsewhere, {AGAIN}."
    if number == errno.ENOSPC:
        return StiltsError(f"The disk of {where} is full; {KEPT}: free some space {else_}")
    if number == errno.EDQUOT:
        return StiltsError(f"The disk of {where} is full (your quota is used up); {KEPT}: free some space {else_}")
    if number == errno.EFBIG:
        return StiltsError(
            f"A file below {where} would be larger than this shell or file system allows (ulimit -f shows the limit); "
            f"{KEPT}: raise the limit {else_}"
        )
    if number in (errno.EMFILE, errno.ENFILE):
        return StiltsError(
            f"Too many files are open at once (ulimit -n shows the limit); {KEPT}: raise it, as by ulimit -n 4096, or "
            f"run fewer things at once with a smaller hydra.launcher.slots, {AGAIN}."
        )
    if number == errno.EROFS:
        return StiltsError(
            f"No permission to write below {where}: it is on a read-only file system; set output=FOLDER to one that "
            "can be written."
        )
    if number in (errno.EACCES, errno.EPERM) and place is not None:
        return forbidden(place, folder)
    if isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error):
        return StiltsError("No folder for temporary files can be written; set the variable TMPDIR to one that can.")
    if number == errno.ENOENT and not _here():
        return StiltsError("The current folder has been removed; change to one that is there, then try again.")
    return None


def forbidden(place: Path, output: Path | None = None) -> StiltsError:
    """The refusal of a file or folder that this user may not use: its owner, its mode, and what helps.

    Args:
        place: The file or folder.
        output: The output folder; None outside of any.
    """
    if os.path.exists(place) and not os.access(place, os.R_OK):  # False where it cannot even be looked for
        return StiltsError(f"No permission to read {place}: {whose(place)}; let its owner share it by chmod g+rX.")
    if output is None or not place.absolute().is_relative_to(output.absolute()):
        return StiltsError(f"No permission to use {place}: {whose(place)}.")
    return StiltsError(
        f"No permission to write below {output}: {whose(place)}; set output=FOLDER to one that can be written, or let "
        f"its owner share it by chmod -R g+rwX {output}."
    )


def whose(place: Path) -> str:
    """Whose the nearest thing is that can be looked at, and who asks."""
    nearest = place.absolute()
    while True:
        try:
            found = nearest.lstat()
            break
        except OSError:  # not there, or in a folder that is closed
            nearest = nearest.parent
    owner, mode = f"{_user(found.st_uid)}:{_group(found.st_gid)}", stat.filemode(found.st_mode)
    return f"{nearest} belongs to {owner} with mode {mode}, and you are {_user(os.geteuid())}"


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # of another machine, or of a container
        return str(number)


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _here() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True

"""What the machine refuses, in a sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stilts_xtreme.core import compose, disk


def wrapped(inner: Exception) -> Exception:
    error = RuntimeError("something of a library went wrong")
    error.__cause__ = inner
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
        (Exception("File too large (os error 27)"), "ulimit -f"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n 4096"),
        (RuntimeError("Too many open files. Communication with the workers is no longer possible."), "ulimit -n"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota is used up"),
        (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"), "is full"),
        (wrapped(OSError(errno.ENOSPC, "No space left on device")), "is full"),
        (OSError(errno.EROFS, "Read-only file system", "/out/stages"), "read-only file system; set output=FOLDER"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "set the variable TMPDIR"),
    ],
)
def test_errors_of_the_machine(error: Exception, words: str) -> None:
    found = disk.refusal(error, Path("/out"))
    assert found is not None
    assert words in str(found)
    assert str(compose.sentence(error)).count("\n") == 0


@pytest.mark.parametrize(
    "error", [ValueError("a fault"), FileNotFoundError(errno.ENOENT, "No such file", "x"), KeyError("errno")]
)
def test_faults_of_the_program_are_none(error: Exception) -> None:
    assert disk.refusal(error) is None
    assert compose.sentence(error) is None


def test_what_is_forbidden_is_named_with_owner_mode_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "stages" / "last.ckpt"
    file.parent.mkdir()
    file.touch()
    file.chmod(0o640)
    os.chown(tmp_path, os.geteuid(), os.getegid())
    said = str(disk.refusal(PermissionError(errno.EACCES, "Permission denied", str(file)), tmp_path))
    for words in (f"{file} belongs to", "mode -rw-r-----", "and you are", "set output=FOLDER", "chmod -R g+rwX"):
        assert words in said
    outside = str(disk.refusal(PermissionError(errno.EACCES, "Permission denied", str(file)), tmp_path / "out"))
    assert "No permission to use" in outside
    assert "output=" not in outside


def test_a_removed_current_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        os.getcwd()
    assert "The current folder has been removed" in str(compose.sentence(caught.value))

"""What worker processes need of the system."""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stilts_xtreme.core import processes
from stilts_xtreme.core.errors import StiltsError

START = """
import multiprocessing, sys
from stilts_xtreme.core import processes
if __name__ == "__main__":
    processes.keep_sockets_short()
    started = multiprocessing.get_context("forkserver").Process(target=print, args=("from a worker",))
    started.start()
    started.join()
"""


@pytest.mark.parametrize("length", [20, 75, 150, 220])
def test_workers_start_whatever_the_length_of_the_folder_for_temporary_files(tmp_path: Path, length: int) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="s"))
    long = folder / ("x" * (length - len(str(folder))))
    long.mkdir()
    script = tmp_path / "start.py"
    script.write_text(START, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "TMPDIR": str(long)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("from a worker\n", "")
    long.rmdir()
    folder.rmdir()


def test_a_short_folder_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert processes.short_folder() == "/tmp"
    processes.keep_sockets_short()
    assert tempfile.tempdir == "/tmp"


def test_no_short_folder_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 150)))
    monkeypatch.setattr(processes, "OTHERS", (str(tmp_path / "absent"),))
    with pytest.raises(StiltsError, match=r"TMPDIR=.* is refused.*set TMPDIR"):
        processes.short_folder()


def _limits(count: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _raised(slots: int) -> None:
    _limits(32, 256)
    processes.allow_files(slots)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == max(32, processes.FILES + 4 * slots)


def _refused(slots: int) -> None:
    _limits(32, 40)
    with pytest.raises(StiltsError, match=rf"hydra.launcher.slots={slots} .* ulimit -n allows 40; .* at most 5 slots"):
        processes.allow_files(slots)


@pytest.mark.parametrize(("work", "slots"), [(_raised, 1), (_raised, 12), (_refused, 12)])
def test_files_of_many_workers(work: Callable[[int], None], slots: int) -> None:
    child = multiprocessing.get_context("fork").Process(target=work, args=(slots,))
    child.start()
    child.join()
    assert child.exitcode == 0

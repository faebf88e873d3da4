"""Text files: whole or not there, in UTF-8, with a sentence where they are not."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import text_of, write_atomic


@given(st.one_of(st.text(), st.sampled_from(["", "สวัสดี\r\n", "مكان\r", "中\u2028文", "😀\x00", "\ufeffbom"])))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "odd" / "text"
    write_atomic(path, text)
    assert text_of(path) == text
    assert path.read_bytes() == text.encode("utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a" / "b" / "result.json"
    write_atomic(path, "old")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)

    def full(source: Path, target: Path) -> None:
        assert source.parent == target.parent, "only within a folder is a rename one step"
        assert synced, "a power cut after the rename must find the content"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_half_a_surrogate_pair_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "text"
    with pytest.raises(StiltsError, match=r"text: half of a surrogate pair \('\\ud83d'\) is not text"):
        write_atomic(path, "x\ud83d")
    assert not path.parent.exists()


def test_writers_at_once_leave_the_text_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on machines that share a folder, whose processes may have one number."""
    path, replace = tmp_path / "text", os.replace
    together, failed = Barrier(4, timeout=30), []

    def at_once(*places: Any) -> None:
        together.wait()
        replace(*places)

    def write(letter: str) -> None:
        try:
            write_atomic(path, letter * 10_000)
        except Exception as error:
            failed.append(error)

    monkeypatch.setattr(os, "replace", at_once)
    threads = [Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert path.read_text() in {letter * 10_000 for letter in "abcd"}
    assert list(tmp_path.iterdir()) == [path]


def test_reading_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "text"
    with pytest.raises(StiltsError, match="text does not exist"):
        text_of(path)
    path.write_bytes(b"a\nb\n\xff\n")
    with pytest.raises(StiltsError, match="text line 3: not UTF-8"):
        text_of(path)

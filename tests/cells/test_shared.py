"""An output folder that a group shares, or that can only be read."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY, composed

from stilts_xtreme.cell import preflight
from stilts_xtreme.cell.run import run
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import disk
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import RESUME

GROUP, FIRST, SECOND, STRANGER = 20_001, 20_002, 20_003, 20_004
"""Numbers that no user and no group of this machine has."""
DESCRIBE = {"kind": "train", "identity": {}, "parent": None}
users = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


def as_user(user: int, work: Callable[[], object], group: int = GROUP, umask: int = 0o002) -> str:
    """Does something as another user, in a process of its own; what it gives, or the sentence that it ends in."""
    ours, theirs = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
        os.umask(umask)
        try:
            theirs.send(str(work()))
        except StiltsError as error:
            theirs.send(f"error: {error}")
        except BaseException as error:
            theirs.send(f"fault: {error!r}")

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    theirs.close()
    try:
        return str(ours.recv())
    finally:
        process.join()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A folder of the group, which keeps the group of what is made in it."""
    make(Store(tmp_path / "warm"), "a")  # others may not be able to read the interpreter's modules: all are loaded now
    assert disk.whose(tmp_path)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # the folders of pytest are closed to others
    if os.geteuid() == 0:
        os.chown(folder, FIRST, GROUP)
    folder.chmod(0o2775)
    yield folder
    shutil.rmtree(folder)


def make(store: Store, key: str, text: str = "weights") -> str:
    def fill(scratch: Path) -> dict[str, Any]:
        (scratch / "weights.bin").write_text(text, encoding="utf-8")
        (scratch / "weights.bin").chmod(0o600)  # as safetensors does
        return {}

    return str(store.ensure(key, f"train {key}", DESCRIBE, fill)[1])


@pytest.fixture
def cell(shared: Path) -> tuple[Path, dict[str, Any]]:
    before = os.umask(0o002)
    try:
        config = composed(*TINY, "+target=xnli", "baseline=false", f"output={shared / 'out'}", "logger=csv")
        run(config)
    finally:
        os.umask(before)
    return shared / "out", config


def test_everything_is_as_the_umask_says(cell: tuple[Path, dict[str, Any]]) -> None:
    entries = [cell[0], *cell[0].rglob("*")]
    assert {path.suffix for path in entries} > {".safetensors", ".json", ".tsv", ".csv", ".md", ".lock"}
    closed = [
        f"{stat.filemode(path.stat().st_mode)} {path}"
        for path in entries
        if stat.S_IMODE(path.stat().st_mode) & 0o777 != (0o775 if path.is_dir() else 0o664)
        or (path.is_dir() and not path.stat().st_mode & stat.S_ISGID)
    ]
    assert closed == []


@users
def test_a_finished_cell_is_shown_to_who_may_only_read(
    cell: tuple[Path, dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    output, config = cell
    before = sorted((str(path), path.stat().st_mtime_ns) for path in output.rglob("*"))
    capfd.readouterr()
    assert "xnli" in as_user(STRANGER, lambda: run(config)["cell"], STRANGER)
    said = capfd.readouterr()
    assert f"{output} cannot be written; what is finished there is shown" in said.err
    assert "zero-shot" in said.out
    assert sorted((str(path), path.stat().st_mtime_ns) for path in output.rglob("*")) == before
    another = {**config, "seed": 1}
    said_of_another = as_user(STRANGER, lambda: run(another), STRANGER)
    for words in ("error: No permission to write to", "with mode drwxrwsr-x", "you are 20004", "set output=FOLDER"):
        assert words in said_of_another
    shutil.rmtree(next((output / "cells").iterdir()))
    assert "error: No permission to write to" in as_user(STRANGER, lambda: run(config), STRANGER)


@users
def test_users_of_a_group_add_to_one_store(shared: Path) -> None:
    store = Store(shared / "out")
    assert as_user(FIRST, lambda: make(store, "a")) == "True"
    assert as_user(SECOND, lambda: make(store, "a")) == "False"
    assert as_user(SECOND, lambda: make(store, "b")) == "True"
    assert as_user(FIRST, lambda: make(store, "b")) == "False"
    assert as_user(FIRST, lambda: make(store, "c")) == "True", "a lock that the other has made"
    assert as_user(SECOND, lambda: preflight.check(store.root)) == "None"


@users
def test_a_training_that_another_user_began_goes_on(shared: Path) -> None:
    store = Store(shared / "out")

    def die(scratch: Path) -> dict[str, Any]:
        (scratch / RESUME).mkdir()
        (scratch / RESUME / "last.ckpt").write_text("half of the way", encoding="utf-8")
        (scratch / "models").mkdir()
        (scratch / "models" / "half").touch()
        raise StiltsError("killed")

    def go_on(scratch: Path) -> dict[str, Any]:
        text = (scratch / RESUME / "last.ckpt").read_text(encoding="utf-8")
        (scratch / RESUME / "last.ckpt").unlink()
        (scratch / "weights.bin").write_text(text, encoding="utf-8")
        return {}

    assert as_user(FIRST, lambda: store.ensure("a", "train a", DESCRIBE, die)) == "error: killed"
    assert "True" in as_user(SECOND, lambda: store.ensure("a", "train a", DESCRIBE, go_on))
    assert (store.path("a") / "weights.bin").read_text(encoding="utf-8") == "half of the way"
    assert store.damage("a") is None


@users
def test_a_user_waits_for_the_stage_of_another(shared: Path) -> None:
    store = Store(shared / "out")
    begun, end = shared / "begun", shared / "end"

    def slow(scratch: Path) -> dict[str, Any]:
        begun.touch()
        while not end.exists():
            time.sleep(0.01)
        (scratch / "weights.bin").touch()
        return {}

    first = multiprocessing.get_context("fork").Process(
        target=as_user, args=(FIRST, lambda: store.ensure("a", "train a", DESCRIBE, slow))
    )
    first.start()
    while not begun.exists():
        time.sleep(0.01)
    assert as_user(STRANGER, lambda: store.held("a"), STRANGER) == "True", "who may only read can ask, too"
    told = shared / "told"

    def wait() -> object:
        def on_wait(text: str) -> None:
            told.write_text(text, encoding="utf-8")
            end.touch()

        return store.ensure("a", "train a", DESCRIBE, slow, on_wait)[1]

    assert as_user(SECOND, wait) == "False"
    first.join()
    assert told.read_text(encoding="utf-8") == "another process is making train a; waiting for it"
    assert as_user(STRANGER, lambda: store.held("a"), STRANGER) == "False"
    assert not store.held("never")


@users
def test_what_another_user_has_closed_is_named(shared: Path) -> None:
    store = Store(shared / "out")
    assert as_user(FIRST, lambda: make(store, "a"), umask=0o022) == "True"
    assert as_user(SECOND, lambda: make(store, "a")) == "False"
    said = as_user(SECOND, lambda: make(store, "b"))
    for words in ("error: No permission to write below", "belongs to 20002:20001 with mode", "you are 20003", "g+rwX"):
        assert words in said
    (store.path("a") / "weights.bin").chmod(0o600)
    said = as_user(SECOND, lambda: make(store, "a"))
    for words in ("error: No permission to read", "weights.bin belongs to 20002:20001 with mode -rw-------", "g+rX"):
        assert words in said
    (store.path("a") / "manifest.json").chmod(0o600)
    assert "manifest.json belongs to" in as_user(SECOND, lambda: make(store, "a"))
    store.path("a").chmod(0o700)
    assert "error: No permission to" in as_user(SECOND, lambda: make(store, "a"))
    store.root.chmod(0o700)
    assert "error: No permission to" in as_user(SECOND, lambda: preflight.check(store.root))

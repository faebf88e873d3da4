"""The stage store: made once, published whole, checked before use, and a sentence when the disk says no."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.cell import preflight
from stilts_xtreme.cell import store as module
from stilts_xtreme.cell.manifests import STORE_SCHEMA
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import RESUME, disk_errors, write_atomic

KEY = "0123456789abcdef0123"
DESCRIBE = {"kind": "train", "identity": {"seed": 0}, "parent": None}


def fill(scratch: Path) -> dict[str, Any]:
    (scratch / "models").mkdir()
    (scratch / "models" / "weights.bin").write_bytes(b"weights" * 100)
    (scratch / "curve.jsonl").write_text('{"step": 1}\n')
    return {"loss": 0.5}


def ensure(store: Store, make: Callable[[Path], dict[str, Any]] = fill) -> tuple[Path, bool]:
    return store.ensure(KEY, "train mnli", DESCRIBE, make)


@pytest.fixture
def done(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    ensure(store)
    return store


def test_publishes_once_and_says_what_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.done(KEY)
    folder, made = ensure(store)
    assert (folder, made) == (tmp_path / "stages" / KEY, True)
    manifest = store.manifest(KEY)
    assert manifest is not None
    assert manifest["identity"] == {"seed": 0}
    assert manifest["info"] == {"loss": 0.5}
    assert set(manifest["files"]) == {"models/weights.bin", "curve.jsonl"}
    assert manifest["files"]["models/weights.bin"]["size"] == 700
    assert store.done(KEY)
    assert store.open(KEY) == folder
    assert ensure(store, lambda _: pytest.fail("made twice")) == (folder, False)
    assert not store.scratch(KEY).exists()


def test_manifest_is_last_and_nothing_shows_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    seen: list[bool] = []

    def write(path: Path, text: str) -> None:
        assert path == store.scratch(KEY) / "manifest.json"
        assert {file.name for file in path.parent.rglob("*") if file.is_file()} == {"weights.bin", "curve.jsonl"}
        seen.append(store.path(KEY).exists())
        write_atomic(path, text)

    monkeypatch.setattr(module, "write_atomic", write)
    ensure(store)
    assert seen == [False]


def test_resume_is_kept_for_the_next_attempt_and_not_published(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def killed(scratch: Path) -> dict[str, Any]:
        (scratch / RESUME).mkdir()
        (scratch / RESUME / "last.ckpt").write_text("step 5")
        (scratch / "models").mkdir()
        (scratch / "models" / "half").write_text("x")
        (scratch / "stray.txt").write_text("x")
        raise RuntimeError("died")

    with pytest.raises(RuntimeError):
        ensure(store, killed)

    def again(scratch: Path) -> dict[str, Any]:
        assert [entry.name for entry in scratch.iterdir()] == [RESUME], "only the checkpoint is trusted"
        assert (scratch / RESUME / "last.ckpt").read_text() == "step 5"
        return fill(scratch)

    folder, made = ensure(store, again)
    assert made
    assert not (folder / RESUME).exists()


@pytest.mark.parametrize("moment", ["hash", "rename"])
def test_a_kill_while_publishing_does_not_cost_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    store = Store(tmp_path)

    def trained(scratch: Path) -> dict[str, Any]:
        (scratch / RESUME).mkdir(exist_ok=True)
        (scratch / RESUME / "last.ckpt").write_text("step 5")
        return fill(scratch)

    def die(*_: object) -> Any:
        raise KeyboardInterrupt

    rename = os.rename
    with monkeypatch.context() as broken:
        if moment == "hash":
            broken.setattr(module, "files_of", die)
        else:
            broken.setattr(os, "rename", lambda one, other: die() if Path(one).name == KEY else rename(one, other))
        with pytest.raises(KeyboardInterrupt):
            ensure(store, trained)
    assert not store.done(KEY)

    def again(scratch: Path) -> dict[str, Any]:
        assert (scratch / RESUME / "last.ckpt").read_text() == "step 5"
        return fill(scratch)

    folder, made = ensure(store, again)
    assert made
    assert not (folder / RESUME).exists()
    assert list((tmp_path / "scratch").iterdir()) == []
    manifest = store.manifest(KEY)
    assert manifest is not None
    assert set(manifest["files"]) == {"models/weights.bin", "curve.jsonl"}


def test_what_is_published_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    def private(scratch: Path) -> dict[str, Any]:
        fill(scratch)
        (scratch / "models" / "weights.bin").chmod(0o600)
        return {}

    before = os.umask(0o027)
    try:
        folder, _ = ensure(Store(tmp_path), private)
    finally:
        os.umask(before)
    assert (folder / "models" / "weights.bin").stat().st_mode & 0o777 == 0o640


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(bytes(data))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (lambda folder: (folder / "models" / "weights.bin").unlink(), "models/weights.bin is missing"),
    "changed": (
        lambda folder: flip(folder / "models" / "weights.bin"),
        "the content of models/weights.bin has changed",
    ),
    "truncated": (lambda folder: cut(folder / "models" / "weights.bin"), "has 699 bytes instead of 700"),
    "manifest cut": (lambda folder: cut(folder / "manifest.json"), "manifest.json is missing or cannot be read"),
    "manifest gone": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing or cannot be read"),
    "manifest odd": (
        lambda folder: (folder / "manifest.json").write_text('{"files": 3}'),
        "manifest.json is missing or cannot be read",
    ),
    "manifest list": (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json is missing or cannot"),
    "manifest binary": (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"), "manifest.json is missing"),
    "other stage": (
        lambda folder: (folder / "manifest.json").write_text(
            (folder / "manifest.json").read_text().replace(KEY, "another")
        ),
        "belongs to another stage",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_named_and_never_used(done: Store, kind: str) -> None:
    harm, words = DAMAGE[kind]
    harm(done.path(KEY))
    for use in (lambda: ensure(done), lambda: done.open(KEY)):
        with pytest.raises(StiltsError) as caught:
            use()
        assert words in str(caught.value)
        assert str(done.path(KEY)) in str(caught.value)
        assert "store.damaged=retrain" in str(caught.value)
    assert done.done(KEY) == (kind == "changed"), "a look at sizes is enough for a plan"


@pytest.mark.parametrize("kind", DAMAGE)
def test_retrain_sets_aside_and_deletes_nothing(done: Store, kind: str) -> None:
    DAMAGE[kind][0](done.path(KEY))
    before = {file.name: file.read_bytes() for file in done.path(KEY).rglob("*") if file.is_file()}
    store = Store(done.root, "retrain")
    # what was set aside earlier stays, also when an earlier number is free
    (store.root / "damaged" / f"{KEY}-1").mkdir(parents=True)
    (store.root / "damaged" / f"{KEY}-1" / "old").write_text("old")
    folder, made = ensure(store)
    assert made
    assert store.damage(KEY) is None
    aside = store.root / "damaged" / f"{KEY}-0"
    assert {file.name: file.read_bytes() for file in aside.rglob("*") if file.is_file()} == before
    flip(folder / "curve.jsonl")
    assert ensure(store)[1]
    assert {entry.name for entry in (store.root / "damaged").iterdir()} == {f"{KEY}-{n}" for n in range(3)}
    assert (store.root / "damaged" / f"{KEY}-1" / "old").exists()


def test_newer_schema_is_refused(done: Store) -> None:
    path = done.path(KEY) / "manifest.json"
    path.write_text(json.dumps({"schema": STORE_SCHEMA + 1, "layout": "unheard of"}))
    for store in (done, Store(done.root, "retrain")):
        for use in (store.done, store.open, lambda key, store=store: ensure(store)):
            with pytest.raises(StiltsError, match="newer version"):
                use(KEY)
    assert path.exists(), "also retrain leaves it where it is"


def test_finished_stages_can_be_read_without_writing(done: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "read-only", str(done.root))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert ensure(done) == (done.path(KEY), False)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "full"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), "full"),
        (Exception("Error while serializing: I/O error: No space left on device (os error 28)"), "full"),
        (PermissionError(errno.EACCES, "Permission denied"), "No permission to write below"),
        (OSError(errno.EROFS, "Read-only file system"), "No permission to write below"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/elsewhere/rows.parquet"),
            "No permission to use /elsewhere",
        ),
    ],
)
def test_disk_errors_become_a_sentence(tmp_path: Path, error: Exception, words: str) -> None:
    store = Store(tmp_path)

    def fail(scratch: Path) -> dict[str, Any]:
        raise error

    with pytest.raises(StiltsError, match=words) as caught:
        ensure(store, fail)
    assert caught.value.__cause__ is error
    assert not store.path(KEY).exists()
    assert ensure(store)[1], "the lock is free again"


@pytest.mark.parametrize("where", ["fsync", "rename"])
def test_full_disk_while_publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    store = Store(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, where, full)
        with pytest.raises(StiltsError, match="full"):
            ensure(store)
    assert not store.path(KEY).exists()
    assert ensure(store)[1]


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    for error in (
        OSError(errno.EIO, "I/O error"),
        ValueError("x"),
        StiltsError("No space left on device, says a user"),
    ):
        with pytest.raises(type(error)) as caught, disk_errors(tmp_path):
            raise error
        assert caught.value is error


def test_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StiltsError, match="is a file where a folder is needed"):
        ensure(Store(tmp_path / "out"))


def slowly(scratch: Path) -> dict[str, Any]:
    with (scratch.parent.parent / "made").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(0.5)
    return fill(scratch)


def race(root: str, start: Any, answers: Any) -> None:
    start.wait()
    waited: list[str] = []
    _, made = Store(root).ensure(KEY, "train mnli", DESCRIBE, slowly, waited.append)
    answers.put((made, len(waited)))


def test_racing_processes_make_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(3), context.Queue()
    processes = [context.Process(target=race, args=(str(tmp_path), start, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(made for made, _ in found) == [False, False, True]
    assert len((tmp_path / "made").read_text().splitlines()) == 1
    assert all(waited == 0 for made, waited in found if made)
    assert all(waited <= 1 for _, waited in found), "told once"


def hang(root: str, damaged: str) -> None:
    def make(scratch: Path) -> dict[str, Any]:
        (scratch / RESUME).mkdir(exist_ok=True)
        (scratch / "half").write_text("x")
        Path(root, "inside").touch()
        time.sleep(60)
        return {}

    Store(root, damaged).ensure(KEY, "train mnli", DESCRIBE, make)


def test_kill_9_releases_the_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=hang, args=(str(tmp_path), "refuse"))
    process.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "inside").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    folder, made = ensure(Store(tmp_path))
    assert made
    assert not (folder / "half").exists()


def retrain(root: str, start: Any, answers: Any) -> None:
    start.wait()
    try:
        answers.put(Store(root, "retrain").ensure(KEY, "train mnli", DESCRIBE, slowly)[1])
    except Exception as error:
        answers.put(repr(error))


def test_racing_processes_set_aside_once(done: Store) -> None:
    flip(done.path(KEY) / "curve.jsonl")
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=retrain, args=(str(done.root), start, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(found) == [False, True]
    assert len(list((done.root / "damaged").iterdir())) == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can make another")
def test_output_that_cannot_be_made_is_one_sentence() -> None:
    with (
        pytest.raises(StiltsError, match=r"/proc/nowhere cannot be made; set output=FOLDER"),
        disk_errors(Path("/proc/nowhere")),
    ):
        Path("/proc/nowhere/stages").mkdir(parents=True)


def test_folders_on_two_file_systems_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has one file system")
    with tempfile.TemporaryDirectory(dir=other) as elsewhere:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "stages").symlink_to(elsewhere)
        with pytest.raises(StiltsError, match="lie on two file systems"):
            preflight.check(tmp_path / "out")
        assert list((tmp_path / "out" / "scratch").iterdir()) == []
        (tmp_path / "out" / "stages").unlink()
    (tmp_path / "out" / "stages").mkdir()
    preflight.check(tmp_path / "out")
    assert list((tmp_path / "out" / "stages").iterdir()) == []

"""Faults of a whole sweep: processes killed at random, a full disk, wrong clocks, two sweeps at once, a bad folder."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY
from support.sweeps import OFTEN, values, weights

from stilts_xtreme.cell import preflight
from stilts_xtreme.cell import store as stores
from stilts_xtreme.cell.manifests import STORE_SCHEMA
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError

GRID = ("+intermediate=none,mnli", "+target=xnli,panx")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def below(pid: int) -> list[tuple[int, str]]:
    """Process ids and command lines of a process's descendants."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        children = [child for child, its in parents.items() if its == parent]
        todo += children
        for child in children:
            try:
                found.append((child, Path(f"/proc/{child}/cmdline").read_text()))
            except OSError:
                continue
    return found


def starts(output: Path) -> list[int]:
    """The workers of all started nodes, in order."""
    text = "".join(path.read_text(errors="replace") for path in output.glob("sweeps/*/events.jsonl"))
    return [int(pid) for pid in re.findall(r'"event": "started".*?"pid": (\d+)', text)]


def stages_of(output: Path) -> dict[str, Any]:
    """What every stage holds, without what depends on time and place."""
    found = {}
    for path in output.glob("stages/*/**/*"):
        if path.is_file() and path.name not in ("manifest.json",) and path.suffix != ".md":
            found[str(path.relative_to(output))] = path.read_bytes()
    return found


@pytest.mark.slow
@LINUX
def test_chaos(launch: Callable[..., Any], pretrained: Path, tmp_path: Path) -> None:
    """Workers, the process they are forked from, and launchers die at random; the same command ends it in the end."""
    steps = ("recipe.intermediate.max_steps=60", "recipe.target.max_steps=40")
    options = [*TINY, *GRID, *steps, OFTEN, "hydra.launcher.slots=2"]
    quiet = tmp_path / "quiet"
    shutil.copytree(pretrained, quiet)
    process = launch(["-m", *options, f"output={quiet}"], tmp_path / "quiet.txt")
    process.join(300)
    assert process.exitcode == 0, (tmp_path / "quiet.txt").read_text()

    draw = random.Random(0)
    victims = ["worker", "worker", "forkserver", "worker", "launcher"]
    draw.shuffle(victims)
    log = tmp_path / "log.txt"
    process = None
    killed = []
    while victims:
        if process is None or not process.is_alive():
            process = launch(["-m", *options, f"output={pretrained}"], log)
        until = len(starts(pretrained)) + draw.randint(1, 2)
        while process.is_alive() and len(starts(pretrained)) < until:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.5))
        if not process.is_alive():
            if process.exitcode == 0:
                break  # it was quicker than its enemy
            continue
        victim, workers = victims.pop(), set(starts(pretrained))
        family = below(process.pid)
        pids = {
            "launcher": [process.pid],
            "worker": sorted(pid for pid, _ in family if pid in workers),
            "forkserver": [pid for pid, line in family if "forkserver" in line and pid not in workers],
        }[victim]
        if pids:
            pid = draw.choice(pids)
            os.kill(pid, signal.SIGKILL)
            killed.append(victim)
            if pid == process.pid:
                process.join(60)
    assert len(killed) >= 3, "it ended before it was disturbed"
    for _ in range(2):  # three deaths of one stage end it; it is tried again by the next command
        if process is None or not process.is_alive():
            process = launch(["-m", *options, f"output={pretrained}"], log)
        process.join(300)
    assert process is not None
    assert process.exitcode == 0, log.read_text()
    assert stages_of(pretrained) == stages_of(quiet)
    assert len(weights(pretrained)) > 5
    assert values(pretrained) == values(quiet)
    assert all(Store(pretrained).damage(path.name) is None for path in pretrained.glob("stages/*"))
    assert not list(pretrained.glob("scratch/*")), "nothing is left half-made"


def test_two_sweeps_over_one_store(launch: Callable[..., Any], pretrained: Path, tmp_path: Path) -> None:
    """One of them twice; they share trainings, and each is made once."""
    common = [*TINY, f"output={pretrained}", "hydra.launcher.slots=1", "recipe.intermediate.max_steps=40"]
    grids = [("+intermediate=none,mnli", "+target=xnli"), GRID, GRID]
    logs = [tmp_path / f"log{at}" for at in range(len(grids))]
    processes = [launch(["-m", *common, *grid], log) for grid, log in zip(grids, logs, strict=True)]
    for process in processes:
        process.join(400)
    said = "\n".join(log.read_text() for log in logs)
    assert [process.exitcode for process in processes] == [0] * len(grids), said
    text = "".join(path.read_text() for path in pretrained.glob("sweeps/*/logs/*.log"))
    text = re.sub(r"^.*done before.*$", "", text, flags=re.M)
    found = re.findall(r"^(?:[\d-]+ [\d:]+ )?((?:pretrain|train|evaluate|floors) [^:\n]*)$", text, re.M)
    assert len(found) == len(set(found)) == len(list(pretrained.glob("stages/*"))) - 1
    assert len(list(pretrained.glob("sweeps/*"))) == 2
    assert len(values(pretrained)) == 4


CLONE_NEWNS, CLONE_NEWUSER, MS_REMOUNT, MS_REC, MS_PRIVATE = 0x20000, 0x10000000, 32, 16384, 1 << 18


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    texts = [text.encode() if text is not None else None for text in (source, target, kind, options)]
    if libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def own_mounts() -> None:
    """Gives this process mounts of its own, with a user namespace where it is not root."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if user else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    mount("none", "/", None, MS_REC | MS_PRIVATE, None)


def on_a_small_disk(arguments: list[str], output: str, before: str, after: str, size: str) -> None:
    """Runs the application on a file system that is too small, then once more on one that has grown."""
    from stilts_xtreme.__main__ import main

    try:
        own_mounts()
        Path(output).mkdir(exist_ok=True)
        mount("none", output, "tmpfs", 0, f"size={size}")
    except OSError as error:
        print(f"NO MOUNTS: {error}", flush=True)
        os._exit(0)
    shutil.copytree(before, output, dirs_exist_ok=True)
    for grown in (size, "500m"):
        mount("none", output, None, MS_REMOUNT, f"size={grown}")
        sys.argv = ["stilts_xtreme", *arguments]
        print(f"EXIT {main()} with {grown}", flush=True)
    shutil.copytree(output, after)
    sys.stderr.flush()
    os._exit(0)


@pytest.mark.slow
@LINUX
def test_a_full_disk(launch: Callable[..., Any], pretrained: Path, tmp_path: Path) -> None:
    output, after, log = tmp_path / "small", tmp_path / "after", tmp_path / "log.txt"
    options = [
        "-m",
        *TINY,
        "+intermediate=none,mnli",
        "+target=xnli",
        OFTEN,
        "hydra.launcher.slots=2",
        f"output={output}",
    ]
    process = launch([], log, on_a_small_disk, options, str(output), str(pretrained), str(after), "1200k")
    process.join(400)
    text = log.read_text()
    if "NO MOUNTS" in text:
        pytest.skip(text)
    assert process.exitcode == 0, text
    assert re.findall(r"EXIT (\d) with", text) == ["1", "0"], text
    first = text.partition("EXIT")[0]
    assert f"The disk of {output} is full; finished stages are untouched" in first
    assert "Traceback" not in first
    assert len(values(after)) == 2
    assert all(Store(after).damage(path.name) is None for path in after.glob("stages/*"))


def test_no_clock_decides_anything(
    sweep: Callable[..., Any], pretrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files from the future and from long ago, of machines whose clocks are wrong, and one that goes backwards."""
    grid = ("+intermediate=mnli", "+target=xnli", "baseline=false")
    assert sweep(pretrained, *grid)[0] == 0
    before, draw = stages_of(pretrained), random.Random(1)
    for path in pretrained.rglob("*"):
        moment = time.time() + draw.choice([-1e9, 1e9])
        os.utime(path, (moment, moment))
    for path in pretrained.glob("stages/*/manifest.json"):
        manifest = json.loads(path.read_text())
        manifest["made"] |= {"finished": "2099-01-01T00:00:00Z", "seconds": -5.0}
        path.write_text(json.dumps(manifest))
    (events,) = pretrained.glob("sweeps/*/events.jsonl")
    events.write_text(re.sub(r'"time": (\d)', r'"time": 9\1', events.read_text()))
    now = [time.time()]

    def backwards() -> float:
        now[0] -= 1000
        return now[0]

    monkeypatch.setattr(stores.time, "time", backwards)
    code, _, err = sweep(pretrained, *grid, "seed=0,1")
    assert code == 0, err
    assert "8 distinct stages, 3 of them planned to be made: 3 made, 5 found" in err
    after = stages_of(pretrained)
    assert {name: after[name] for name in before} == before
    store = Store(pretrained)
    store.ensure("0123456789abcdef0123", "train", {}, lambda scratch: {})
    manifest = store.manifest("0123456789abcdef0123")
    assert manifest is not None
    assert manifest["made"]["seconds"] >= 0


def newer(root: Path, patch: pytest.MonkeyPatch) -> None:
    (root / "store.json").write_text(json.dumps({"schema": STORE_SCHEMA + 1}))


def unreadable(root: Path, patch: pytest.MonkeyPatch) -> None:
    (root / "store.json").write_text('{"schema"')


def closed(root: Path, patch: pytest.MonkeyPatch) -> None:
    access = os.access
    patch.setattr(os, "access", lambda path, mode: Path(path) != root / "stages" and access(path, mode))


def no_locks(root: Path, patch: pytest.MonkeyPatch) -> None:
    def flock(file: int, what: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    patch.setattr(fcntl, "flock", flock)


def locks_for_show(root: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fcntl, "flock", lambda file, what: None)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (newer, ["newer version of stilts_xtreme", "upgrade"]),
        (unreadable, ["store.json cannot be read"]),
        (closed, ["No permission to write to", "stages", "set output=FOLDER"]),
        (no_locks, ["File locks do not work", "Function not implemented", "set output=FOLDER"]),
        (locks_for_show, ["File locks do not work", "given out twice"]),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_a_folder_that_cannot_be_used_is_one_sentence(
    sweep: Callable[..., Any],
    pretrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path, pytest.MonkeyPatch], None],
    words: list[str],
    many: bool,
) -> None:
    from stilts_xtreme.__main__ import main

    spoil(pretrained, monkeypatch)
    if many:
        code, out, err = sweep(pretrained, "+target=xnli", "seed=0,1")
    else:
        monkeypatch.setattr(sys, "argv", ["stilts_xtreme", *TINY, "+target=xnli", f"output={pretrained}"])
        capsys.readouterr()
        code = main()
        out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words), line
    assert not (pretrained / "sweeps").exists()
    assert not (pretrained / "scratch").exists()
    assert not (pretrained / "cells").exists()


def test_a_good_folder_passes_and_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preflight.check(tmp_path / "new")
    preflight.check(tmp_path / "new")
    assert json.loads((tmp_path / "new" / "store.json").read_text()) == {"schema": STORE_SCHEMA}
    held = os.open(tmp_path / "new" / "locks" / "self-test", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    preflight.check(tmp_path / "new")  # another process is testing at the moment
    os.close(held)
    with pytest.raises(StiltsError, match="is a file where a folder is needed"):
        preflight.check(tmp_path / "new" / "store.json")


def test_locks_of_one_machine_are_noticed(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"

    def found(options: str, super_options: str, kind: str = "nfs4", point: str = str(tmp_path)) -> str | None:
        line = f"40 28 0:50 / {point} {options} shared:9 - {kind} server:/x {super_options}"
        mounts.write_text(f"28 1 0:25 / / rw - ext4 /dev/a rw,nolock\n{line}\n")
        return preflight.local_locks(tmp_path / "out", mounts)

    assert found("rw,relatime", "rw,vers=4.2,local_lock=none") is None
    assert found("rw", "rw", "ext4") is None
    assert "nolock" in str(found("rw", "rw,vers=3,nolock", "nfs"))
    assert "local_lock=flock" in str(found("rw", "rw,vers=3,local_lock=flock", "nfs"))
    assert "localflock" in str(found("rw", "rw,localflock", "lustre"))
    assert found("rw", "rw,nolock", "nfs", str(tmp_path / "other")) is None
    assert preflight.local_locks(tmp_path, tmp_path / "none") is None


def test_a_published_stage_is_found_by_who_waited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS a folder that was not there stays unseen until its parent is opened anew: a stage is not made again."""
    store, stale = Store(tmp_path), [True]
    store.ensure("0123456789abcdef0123", "train", {}, lambda scratch: {})
    exists, scandir = Path.exists, os.scandir

    def cached(self: Path, **named: Any) -> bool:
        return exists(self, **named) and not (stale[0] and self.parent.name == "stages")

    def asks(path: Any) -> Any:
        stale[0] = False
        return scandir(path)

    monkeypatch.setattr(Path, "exists", cached)
    monkeypatch.setattr(os, "scandir", asks)
    _, made_now = store.ensure("0123456789abcdef0123", "train", {}, lambda scratch: pytest.fail("made twice"))
    assert not made_now

"""The stages of an output folder are listed, verified, collected, and carried from folder to folder."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands import store as keeping
from stilts_xtreme.core.errors import unknown
from stilts_xtreme.core.files import digest_of
from stilts_xtreme.sweep.needs import cell_keys, needed

ROOT, LEFT, RIGHT, IDLE = (digest_of({"stage": name}) for name in ("root", "left", "right", "idle"))
NAMES = {ROOT: "root", LEFT: "left", RIGHT: "right", IDLE: "idle"}


def make(store: Store, key: str, parent: str | None = None) -> None:
    def work(scratch: Path) -> dict:
        (scratch / "weights").write_text(key * 50)
        return {}

    identity = {"stage": NAMES[key]}
    store.ensure(key, f"train {NAMES[key]}", {"kind": "train", "identity": identity, "parent": parent}, work)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two cells over three stages; two more that nobody needs, one of them half-made."""
    store = Store(tmp_path / "out")
    for key, parent in ((ROOT, None), (LEFT, ROOT), (RIGHT, ROOT), (IDLE, None)):
        make(store, key, parent)
    (store.scratch("half") / "resume").mkdir(parents=True)
    for cell, stages in (("one", [ROOT, LEFT]), ("two", [RIGHT])):  # the second says nothing of its parent
        folder = store.root / "cells" / cell
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"stages": [{"key": key} for key in stages]}))
    return store


def there(store: Store) -> set[str]:
    return {path.name for part in ("stages", "scratch") for path in (store.root / part).iterdir()}


def test_list_names_every_stage_and_who_needs_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert keeping.main(["ls", f"output={store.root}"]) == 0
    said = capsys.readouterr().out
    assert all(key in said for key in ("root", "left", "right", "idle"))
    assert "4 stages" in said
    assert "1 that no cell and no sweep needs" in said
    assert needed(store).users == {ROOT: 1, LEFT: 1, RIGHT: 1}


@pytest.mark.parametrize("columns", [30, 56, 80, 110, 200])
def test_the_list_loses_nothing_on_a_narrow_terminal(
    columns: int, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    key = "0123456789abcdef0123"
    store.ensure(key, "train " + "ŵ" * 90, {"kind": "train", "identity": {}, "parent": None}, lambda scratch: {})
    assert keeping.main(["ls", f"output={store.root}"]) == 0
    said = capsys.readouterr().out
    assert said.count("ŵ") == 90
    assert any(key in line for line in said.splitlines())


def test_gc_keeps_what_cells_and_sweeps_need(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    everything = there(store)
    assert keeping.main(["gc", "--dry-run", f"output={store.root}"]) == 0
    assert "2 folders" in capsys.readouterr().out
    assert there(store) == everything
    graph = store.root / "sweeps" / "s" / "graph.json"
    graph.parent.mkdir(parents=True)
    common = {"label": "x", "parents": [], "seconds": 1.0, "done": False}
    nodes = [{"id": IDLE, "kind": "train", **common}, {"id": "c", "kind": "cell", **common}]
    graph.write_text(json.dumps({"name": "s", "nodes": nodes, "cells": [], "refused": []}))
    assert keeping.main(["gc", "--yes", f"output={store.root}"]) == 0
    assert there(store) == everything - {"half"}
    graph.unlink()
    assert keeping.main(["gc", "--yes", f"output={store.root}"]) == 0
    assert there(store) == {ROOT, LEFT, RIGHT}


def test_gc_asks(store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert keeping.main(["gc", f"output={store.root}"]) == 1
    assert "give --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, left in (("", 5), ("no", 5), ("y", 3)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert keeping.main(["gc", f"output={store.root}"]) == 0
        assert len(there(store)) == left


def trained(store: Store, name: str, phase: str, parent: str | None = None) -> str:
    """A training with weights; its key."""

    def work(scratch: Path) -> dict:
        (scratch / "models").mkdir()
        (scratch / "models" / "model.safetensors").write_bytes(b"w" * 200_000)
        return {"axes": {"phase": phase}}

    key = digest_of({"stage": name})
    store.ensure(key, name, {"kind": "train", "identity": {"stage": name}, "parent": parent}, work)
    return key


def evaluated(store: Store, parent: str) -> None:
    key = digest_of({"stage": f"{parent} evaluated"})
    described = {"kind": "evaluate", "identity": {"stage": f"{parent} evaluated"}, "parent": parent}
    store.ensure(key, "evaluate", described, lambda scratch: {})


def test_thin_takes_the_weights_that_nothing_needs(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained(store, "intermediate", "intermediate")
    done, half = (trained(store, name, "target", first) for name in ("scored", "not scored yet"))
    evaluated(store, first)
    evaluated(store, done)
    kept = {key: store.path(key) / "models" / "model.safetensors" for key in (first, done, half)}

    def left() -> set[str]:
        return {key for key, path in kept.items() if path.exists()}

    assert keeping.main(["thin", "--dry-run", f"output={store.root}"]) == 0
    assert "1 trainings on a target whose weights nothing needs, 0.2 MB" in capsys.readouterr().out
    assert keeping.main(["thin", f"output={store.root}"]) == 1
    assert "give --yes" in capsys.readouterr().err
    graph = store.root / "sweeps" / "s" / "graph.json"
    graph.parent.mkdir(parents=True)
    node = {"id": "f" * 20, "kind": "evaluate", "label": "x", "parents": [done], "seconds": 1.0, "done": False}
    before = {"id": done, "kind": "train", "label": "x", "parents": [], "seconds": 1.0, "done": True}
    graph.write_text(json.dumps({"name": "s", "nodes": [before, node], "cells": [], "refused": []}))
    assert keeping.main(["thin", "--yes", f"output={store.root}"]) == 0, "a sweep is to evaluate it once more"
    assert left() == {first, done, half}
    graph.unlink()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, expected in (("n", {first, done, half}), ("y", {first, half})):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert keeping.main(["thin", f"output={store.root}"]) == 0
        assert left() == expected
    capsys.readouterr()
    assert keeping.main(["verify", f"output={store.root}"]) == 0
    assert keeping.main(["ls", f"output={store.root}"]) == 0
    assert "scored (weights removed)" in capsys.readouterr().out
    assert keeping.main(["thin", "--yes", f"output={store.root}"]) == 0
    assert "0 trainings" in capsys.readouterr().out


def test_an_import_brings_back_weights(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = trained(store, "scored", "target")
    evaluated(store, key)
    folder = store.root / "cells" / "one"
    (folder / "result.json").write_text(json.dumps({"stages": [{"key": key}]}))
    whole, thinned = tmp_path / "whole.tar", tmp_path / "thin.tar"
    assert keeping.main(["export", str(whole), "one", f"output={store.root}"]) == 0
    assert keeping.main(["thin", "--yes", f"output={store.root}"]) == 0
    assert keeping.main(["export", str(thinned), "one", f"output={store.root}"]) == 0
    goal = Store(tmp_path / "goal")
    file = goal.path(key) / "models" / "model.safetensors"
    for archive, there in ((thinned, False), (whole, True), (thinned, True)):
        assert keeping.main(["import", str(archive), f"output={goal.root}"]) == 0, capsys.readouterr().err
        assert file.exists() == there
        assert goal.damage(key) is None
    assert [path.name for path in (goal.root / "stages").iterdir()] == [key]


def test_gc_waits_for_whoever_works_there(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
        "print('held', flush=True); time.sleep(60)"
    )
    path = store.root / "locks" / "some-cell.lock"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        everything = there(store)
        assert keeping.main(["gc", "--yes", f"output={store.root}"]) == 1
        assert "some-cell.lock" in capsys.readouterr().err
        assert there(store) == everything
        other.kill()


def test_gc_stops_at_a_result_it_cannot_read(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (store.root / "cells" / "one" / "result.json").write_text("{")
    assert keeping.main(["gc", "--yes", f"output={store.root}"]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert LEFT in there(store)


def test_verify_finds_the_changed_file(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert keeping.main(["verify", f"output={store.root}"]) == 0
    (store.path(LEFT) / "weights").write_text(LEFT.upper() * 50)  # of the same size
    assert keeping.main(["verify", f"output={store.root}"]) == 1
    assert f"{LEFT}: the content of weights has changed" in capsys.readouterr().out


def test_cells_travel_with_their_stages(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, goal = tmp_path / "one.tar", Store(tmp_path / "elsewhere")
    assert keeping.main(["export", str(file), str(tmp_path / "cells" / "one"), f"output={store.root}"]) == 1
    assert "cells/one is not known; choose one of: one, two." in capsys.readouterr().err, "another folder's cell"
    assert keeping.main(["export", str(file), str(store.root / "cells" / "one"), f"output={store.root}"]) == 0
    file.unlink()
    assert keeping.main(["export", str(file), "one", f"output={store.root}"]) == 0
    assert keeping.main(["import", str(file), f"output={goal.root}"]) == 0
    assert sorted(path.name for path in (goal.root / "stages").iterdir()) == sorted((LEFT, ROOT))
    assert goal.damage(LEFT) is None
    assert cell_keys(goal.root / "cells" / "one") == [ROOT, LEFT]
    before = (goal.path(LEFT) / "manifest.json").stat().st_mtime_ns
    assert keeping.main(["import", str(file), f"output={goal.root}"]) == 0
    assert "0 stages and 0 cells added" in capsys.readouterr().out
    assert (goal.path(LEFT) / "manifest.json").stat().st_mtime_ns == before
    assert not list(goal.root.glob(".import-*"))


def test_nothing_of_a_damaged_export_is_taken(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store.path(LEFT) / "weights").write_text(LEFT.upper() * 50)
    file = tmp_path / "all.tar"
    assert keeping.main(["export", str(file), f"output={store.root}"]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.tar*"))
    with tarfile.open(file, "w") as tar:
        tar.add(store.path(LEFT), f"stages/{LEFT}")
    assert keeping.main(["import", str(file), f"output={tmp_path / 'new'}"]) == 1
    assert f"damaged stage, {LEFT}" in capsys.readouterr().err
    assert not (tmp_path / "new" / "stages").exists()


def forged(store: Store, how: str) -> None:
    """Changes a stage so that every file it lists is whole, and yet it is not what its key says."""
    path = store.path(LEFT) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["digest"]  # whoever forges a manifest can seal it
    if how == "identity":
        manifest["identity"] = {"stage": "another"}
    elif how == "parent":
        manifest["parent"] = LEFT
    elif how == "extra":
        (store.path(LEFT) / "models").mkdir()
        (store.path(LEFT) / "models" / "more.py").write_text("print('hello')")
    else:
        (store.path(LEFT) / "link").symlink_to("weights")
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("identity", "its key is not the digest of its identity"),
        ("parent", "it is its own ancestor"),
        ("extra", "models/more.py is not listed in its manifest"),
        ("link", "link is a link"),
    ],
)
def test_what_is_not_as_its_key_says_is_not_imported(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, said: str
) -> None:
    forged(store, how)
    file = tmp_path / "all.tar"
    with tarfile.open(file, "w") as tar:
        tar.add(store.path(LEFT), f"stages/{LEFT}")
        tar.add(store.path(ROOT), f"stages/{ROOT}")
    assert keeping.main(["import", str(file), f"output={tmp_path / 'new'}"]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new" / "stages").exists()
    if how == "parent":  # a store that got it before: the list ends
        assert keeping.main(["ls", f"output={store.root}"]) == 0


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("how", ["cut", "changed"])
def test_a_compressed_export_that_is_damaged_is_refused_in_a_sentence(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, how: str
) -> None:
    file = tmp_path / f"all.tar.{mode}"
    (store.path(LEFT) / "weights").write_bytes(random.Random(0).randbytes(100_000))
    with tarfile.open(file, f"w:{mode}") as tar:  # type: ignore[call-overload]
        tar.add(store.path(LEFT), f"stages/{LEFT}")
    content = bytearray(file.read_bytes())
    half = len(content) // 2
    content[half] ^= 255
    file.write_bytes(content[:half] if how == "cut" else content)
    assert keeping.main(["import", str(file), f"output={tmp_path / 'new'}"]) == 1
    error = capsys.readouterr().err
    assert f"FILE={file} is no tar file that can be read" in error or f"damaged stage, {LEFT}" in error
    assert not (tmp_path / "new" / "stages").exists()


def crafted(tar: tarfile.TarFile, store: Store, how: str) -> None:
    """Fills a tar file with what no export holds."""

    def link(name: str, to: str) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, to
        tar.addfile(member)

    one = store.root / "cells" / "one"
    if how == "elsewhere":
        tar.add(store.path(LEFT), f"../{LEFT}")
    elif how == "linked stage":
        tar.add(store.path(ROOT), f"stages/{ROOT}")
        link(f"stages/{LEFT}", ROOT)
    elif how == "linked file":
        tar.add(store.path(ROOT), f"stages/{ROOT}")
        (store.path(LEFT) / "manifest.json").rename(store.root / "manifest.json")
        tar.add(store.path(LEFT), f"stages/{LEFT}")
        link(f"stages/{LEFT}/manifest.json", f"../{ROOT}/manifest.json")
    elif how == "file for a folder":
        tar.add(one / "result.json", "cells/one")
    elif how == "cell without its stages":
        tar.add(one, "cells/one")
    elif how == "empty cell":
        tar.add(store.root / "locks", "cells/one", recursive=False)
    elif how == "time":
        member = tarfile.TarInfo(f"stages/{LEFT}/weights")
        member.pax_headers = {"mtime": "1e30"}
        tar.addfile(member)
    elif how == "long name":
        tar.addfile(tarfile.TarInfo(f"stages/{LEFT}/{'a' * 300}"))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("elsewhere", "an export holds the folders stages/KEY and cells/NAME alone"),
        ("linked stage", "an export holds the folders stages/KEY and cells/NAME alone"),
        ("linked file", "manifest.json is a link"),
        ("file for a folder", "an export holds the folders stages/KEY and cells/NAME alone"),
        ("cell without its stages", f"its stage {ROOT} is neither in the file nor in"),
        ("empty cell", "there is no result.json"),
        ("nothing", "it holds nothing"),
        ("time", "is no tar file that can be read"),
        ("long name", "is no tar file that can be read"),
    ],
)
def test_what_no_export_holds_is_not_imported(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, said: str
) -> None:
    file = tmp_path / "all.tar"
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        crafted(tar, store, how)
    assert keeping.main(["import", str(file), f"output={tmp_path / 'new'}"]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert {path.name for path in (tmp_path / "new").iterdir()} <= {"locks"}


def test_links_of_loggers_stay_at_home_and_linked_files_travel(store: Store, tmp_path: Path) -> None:
    cell, place = store.root / "cells" / "one", tmp_path / "disk"
    (cell / "wandb" / "run").mkdir(parents=True)
    (cell / "wandb" / "run" / "log").write_text("kept")
    (cell / "wandb" / "latest").symlink_to("run")
    (cell / "wandb" / "core").symlink_to("/nowhere/core.log")
    (store.path(LEFT) / "weights").rename(place)  # a disk was full
    (store.path(LEFT) / "weights").symlink_to(place)
    file, goal = tmp_path / "one.tar", Store(tmp_path / "elsewhere")
    assert keeping.main(["export", str(file), "one", f"output={store.root}"]) == 0
    assert keeping.main(["import", str(file), f"output={goal.root}"]) == 0
    there = goal.root / "cells" / "one"
    assert sorted(path.relative_to(there).as_posix() for path in there.rglob("*") if not path.is_dir()) == [
        "result.json",
        "wandb/run/log",
    ]
    assert goal.damage(LEFT) is None
    assert not (goal.path(LEFT) / "weights").is_symlink()
    (cell / "result.json").write_text(json.dumps({"stages": [{"key": ROOT}]}))
    old = Store(tmp_path / "old")
    with tarfile.open(file, "w") as tar:  # as an earlier version wrote it
        tar.add(store.path(ROOT), f"stages/{ROOT}")
        tar.add(cell, "cells/one")
    assert keeping.main(["import", str(file), f"output={old.root}"]) == 0
    assert not [path for path in old.root.rglob("*") if path.is_symlink()]


def test_an_import_waits_for_whoever_makes_the_stage(store: Store, tmp_path: Path) -> None:
    file, goal = tmp_path / "one.tar", Store(tmp_path / "elsewhere")
    assert keeping.main(["export", str(file), "one", f"output={store.root}"]) == 0
    done = threading.Event()

    def importing() -> None:
        assert keeping.main(["import", str(file), f"output={goal.root}"]) == 0
        done.set()

    def work(scratch: Path) -> dict:
        thread.start()
        assert not done.wait(1.0)
        (scratch / "weights").write_text("own")
        return {}

    thread = threading.Thread(target=importing)
    goal.ensure(LEFT, "train left", {"kind": "train", "identity": {"stage": "left"}, "parent": ROOT}, work)
    thread.join(60)
    assert (goal.path(LEFT) / "weights").read_text() == "own"
    assert sorted(path.name for path in (goal.root / "stages").iterdir()) == sorted((LEFT, ROOT))


def test_gc_takes_what_a_killed_import_left_and_keeps_a_checkpoint_beside_its_scratch(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    (store.root / ".import-dead" / "stages").mkdir(parents=True)
    (store.root / "scratch" / f"{LEFT}.resume").mkdir()
    assert keeping.main(["gc", "--yes", f"output={store.root}"]) == 0
    assert not (store.root / ".import-dead").exists()
    assert (store.root / "scratch" / f"{LEFT}.resume").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "COMMAND=list"),
        (["gc", "--all"], "--dry-run"),
        (["ls", "more"], "takes no more"),
        (["export"], "needs a FILE"),
        (["export", "f.tar", "three"], "CELL=three"),
        (["import", "missing.tar"], "FILE=missing.tar is not there"),
        (["verify", "output=/nowhere"], "output=/nowhere is not a folder"),
    ],
)
def test_mistakes_end_in_one_sentence(
    store: Store, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [] if any(word.startswith("output=") for word in words) else [f"output={store.root}"]
    assert keeping.main([*words, *options]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_store_without_cells_has_no_cell_of_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["export", "f.tar"], ["export", "f.tar", "three"]):
        assert keeping.main([*words, f"output={tmp_path}"]) == 1
        assert capsys.readouterr().err == f"error: {tmp_path} has no cells to export.\n"


def test_the_command_is_the_stores_own(store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stilts_xtreme.store", "ls", f"output={store.root}"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 stages" in done.stdout


def test_of_very_many_choices_the_nearest_are_listed() -> None:
    choices = [f"cell-{at:03}" for at in range(200)]
    said = str(unknown("CELL", "cell-0777", choices))
    assert "did you mean 'cell-077'" in said
    assert "(200 in all)" in said
    assert len(said) < 200

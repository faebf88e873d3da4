"""The stages of an output folder are listed, verified, collected, and carried from folder to folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands import store as keeping
from stilts_xtreme.core.errors import unknown


def make(store: Store, key: str, parent: str | None = None) -> None:
    def work(scratch: Path) -> dict:
        (scratch / "weights").write_text(key * 50)
        return {}

    store.ensure(key, f"train {key}", {"kind": "train", "identity": {}, "parent": parent}, work)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two cells over three stages; two more that nobody needs, one of them half-made."""
    store = Store(tmp_path / "out")
    for key, parent in (("root", None), ("left", "root"), ("right", "root"), ("idle", None)):
        make(store, key, parent)
    (store.scratch("half") / "resume").mkdir(parents=True)
    for cell, stages in (("one", ["root", "left"]), ("two", ["right"])):  # the second says nothing of its parent
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
    assert keeping.needed(store) == {"root": 1, "left": 1, "right": 1}


def test_gc_keeps_what_cells_and_sweeps_need(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    everything = there(store)
    assert keeping.main(["gc", "--dry-run", f"output={store.root}"]) == 0
    assert "2 folders" in capsys.readouterr().out
    assert there(store) == everything
    graph = store.root / "sweeps" / "s" / "graph.json"
    graph.parent.mkdir(parents=True)
    graph.write_text(json.dumps({"nodes": [{"id": "idle", "kind": "train"}, {"id": "c", "kind": "cell"}]}))
    assert keeping.main(["gc", "--yes", f"output={store.root}"]) == 0
    assert there(store) == everything - {"half"}
    graph.unlink()
    assert keeping.main(["gc", "--yes", f"output={store.root}"]) == 0
    assert there(store) == {"root", "left", "right"}


def test_gc_asks(store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert keeping.main(["gc", f"output={store.root}"]) == 1
    assert "give --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, left in (("", 5), ("no", 5), ("y", 3)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert keeping.main(["gc", f"output={store.root}"]) == 0
        assert len(there(store)) == left


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
    assert "left" in there(store)


def test_verify_finds_the_changed_file(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert keeping.main(["verify", f"output={store.root}"]) == 0
    (store.path("left") / "weights").write_text("LEFT" * 50)  # of the same size
    assert keeping.main(["verify", f"output={store.root}"]) == 1
    assert "left: the content of weights has changed" in capsys.readouterr().out


def test_cells_travel_with_their_stages(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, goal = tmp_path / "one.tar", Store(tmp_path / "elsewhere")
    assert keeping.main(["export", str(file), str(tmp_path / "cells" / "one"), f"output={store.root}"]) == 1
    assert "cells/one is not known; choose one of: one, two." in capsys.readouterr().err, "another folder's cell"
    assert keeping.main(["export", str(file), str(store.root / "cells" / "one"), f"output={store.root}"]) == 0
    file.unlink()
    assert keeping.main(["export", str(file), "one", f"output={store.root}"]) == 0
    assert keeping.main(["import", str(file), f"output={goal.root}"]) == 0
    assert sorted(path.name for path in (goal.root / "stages").iterdir()) == ["left", "root"]
    assert goal.damage("left") is None
    assert keeping.cell_keys(goal.root / "cells" / "one") == ["root", "left"]
    before = (goal.path("left") / "manifest.json").stat().st_mtime_ns
    assert keeping.main(["import", str(file), f"output={goal.root}"]) == 0
    assert "0 stages and 0 cells added" in capsys.readouterr().out
    assert (goal.path("left") / "manifest.json").stat().st_mtime_ns == before
    assert not list(goal.root.glob(".import-*"))


def test_nothing_of_a_damaged_export_is_taken(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store.path("left") / "weights").write_text("LEFT" * 50)
    file = tmp_path / "all.tar"
    assert keeping.main(["export", str(file), f"output={store.root}"]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.tar*"))
    import tarfile

    with tarfile.open(file, "w") as tar:
        tar.add(store.path("left"), "stages/left")
    assert keeping.main(["import", str(file), f"output={tmp_path / 'new'}"]) == 1
    assert "damaged stage, left" in capsys.readouterr().err
    assert not (tmp_path / "new" / "stages").exists()


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

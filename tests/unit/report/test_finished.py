"""The folder of a cell: published whole, read by one door, and never taken for finished when it is not."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.records import CELL, ROWS, publish

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import finished
from stilts_xtreme.report.python import load_results

OTHER = [{**ROWS[0], "value": 70.0}]


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    publish(tmp_path / CELL)
    return tmp_path / CELL


def test_a_publication_lists_what_it_wrote(cell: Path) -> None:
    manifest = json.loads((cell / "manifest.json").read_text())
    assert set(manifest["files"]) == {
        "config.json",
        "labels/xnli/test-de.tsv",
        "predictions/xnli/test-de.tsv",
        "result.json",
        "table.md",
    }
    assert finished.read_result(cell)["rows"] == ROWS
    assert not (cell / ".fresh").exists()
    (cell / "curves").mkdir()
    (cell / "curves" / "metrics.csv").write_text("a logger's own")
    assert finished.damage(cell) is None


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "number": (
        lambda cell: (cell / "result.json").write_text((cell / "result.json").read_text().replace("50.0", "90.0")),
        "the content of result.json has changed",
    ),
    "configuration": (lambda cell: (cell / "config.json").write_text('{"seed": 1}'), "config.json has 11 bytes"),
    "prediction": (lambda cell: (cell / "predictions" / "xnli" / "test-de.tsv").unlink(), "test-de.tsv is missing"),
    "one more": (
        lambda cell: (cell / "predictions" / "xnli" / "test-fr.tsv").write_text("x"),
        "predictions/xnli/test-fr.tsv is not listed",
    ),
    "table": (lambda cell: (cell / "table.md").unlink(), "table.md is missing"),
    "result": (lambda cell: (cell / "result.json").unlink(), "result.json is missing"),
    "manifest": (lambda cell: (cell / "manifest.json").write_text("{}"), "manifest.json cannot be read or has changed"),
    "list": (
        lambda cell: (cell / "manifest.json").write_text(
            '{"schema": 1, "cell": "x", "publishing": false, "files": {}}'
        ),
        "does not list config.json and result.json",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_with_its_remedy_and_mended(cell: Path, kind: str) -> None:
    harm, words = DAMAGE[kind]
    harm(cell)
    with pytest.raises(StiltsError) as caught:
        finished.read_result(cell)
    assert words in str(caught.value)
    assert str(cell) in str(caught.value)
    assert "give the command of the cell again" in str(caught.value)
    if kind == "one more":
        (cell / "predictions" / "xnli" / "test-de.tsv").unlink()  # all of the folder is written anew
    publish(cell)
    assert finished.read_result(cell)["rows"] == ROWS


def test_a_part_can_be_looked_at_alone(cell: Path) -> None:
    (cell / "table.md").unlink()
    assert finished.damage(cell, only=("result.json",)) is None
    assert finished.damage(cell, only=("predictions",)) is None
    (cell / "predictions" / "xnli" / "test-de.tsv").write_text("entailment\nneutral2\n")  # of the same size
    assert finished.damage(cell, only=("labels", "result.json")) is None
    assert "predictions/xnli/test-de.tsv" in str(finished.damage(cell, only=("predictions",)))
    assert "table.md is missing" in str(finished.damage(cell, full=False))


@pytest.mark.parametrize("again", [False, True])
def test_a_kill_at_any_moment_leaves_no_mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    """Each rename and each removal of a publication is its last act once."""
    monkeypatch.setattr(finished, "PUBLISH_SECONDS", 0.0)
    replace, remove = os.replace, finished.shutil.rmtree
    for moment in range(30):
        cell = tmp_path / str(moment) / CELL
        if again:
            publish(cell)
        left = moment

        def act(work: Callable[..., object], *values: object, **named: object) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            work(*values, **named)

        with monkeypatch.context() as broken:
            broken.setattr(os, "replace", lambda *values: act(replace, *values))
            broken.setattr(finished.shutil, "rmtree", lambda *values, **named: act(remove, *values, **named))
            try:
                publish(cell, OTHER)
                ended = True
            except KeyboardInterrupt:
                ended = False
        if finished.is_there(cell):
            found = finished.damage(cell)
            values = None if found else finished.read_result(cell)["rows"]
            assert values in ((None, ROWS, OTHER) if again else (None, OTHER)), moment
            assert not again or moment > 1 or values == ROWS, "nothing of the old one was touched yet"
        if ended:
            assert moment > 5
            break
        publish(cell, OTHER)
        assert finished.read_result(cell)["rows"] == OTHER
    else:
        pytest.fail("the publication never came to its end")


def test_who_reads_during_a_publication_waits_for_its_end(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace
    inside, go_on = threading.Event(), threading.Event()

    def slow(source: Path, goal: Path) -> None:
        if Path(goal).name == "result.json":
            inside.set()
            assert go_on.wait(30)
        replace(source, goal)

    monkeypatch.setattr(os, "replace", slow)
    monkeypatch.setattr(finished, "PUBLISH_SECONDS", 60.0)
    writer = threading.Thread(target=publish, args=(cell, OTHER))
    writer.start()
    assert inside.wait(30)
    threading.Timer(0.3, go_on.set).start()
    assert finished.read_result(cell)["rows"] == OTHER
    writer.join()


def test_a_cell_of_an_earlier_version_is_taken_as_it_is(cell: Path) -> None:
    (cell / "manifest.json").unlink()
    (cell / "table.md").unlink()
    assert finished.damage(cell) is None
    assert finished.read_result(cell, needs=("rows",))["rows"] == ROWS
    for text, words in (
        ("{", "line 1: not JSON"),
        ("[]", "it is no JSON object"),
        ('{"rows": 3}', "its field 'rows' is missing or of another kind"),
        ('{"rowz": []}', "its field 'rows' is missing"),
    ):
        (cell / "result.json").write_text(text)
        with pytest.raises(StiltsError, match="give the command of the cell again") as caught:
            finished.read_result(cell, needs=("rows",))
        assert words in str(caught.value)
        assert str(cell / "result.json") in str(caught.value)


def test_one_of_a_newer_version_is_refused(cell: Path) -> None:
    (cell / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(StiltsError, match="newer version"):
        finished.read_result(cell)


def test_what_stands_in_the_place_of_a_part_gives_way(cell: Path) -> None:
    shutil.rmtree(cell / "labels")
    (cell / "labels").write_text("a file for a folder")
    (cell / "result.json").unlink()
    (cell / "result.json").mkdir()
    (cell / "result.json" / "more").touch()
    (cell / "table.md").unlink()
    (cell / "table.md").symlink_to("/nowhere/table.md")
    publish(cell)
    assert finished.damage(cell) is None
    assert finished.read_result(cell)["rows"] == ROWS
    assert not (cell / "table.md").is_symlink()
    other = cell.parent / "disk"
    (cell / "labels").rename(other)
    (cell / "labels").symlink_to(other)
    publish(cell)
    assert finished.damage(cell) is None
    assert (cell / "labels").is_dir()
    assert not (cell / "labels").is_symlink()


def test_a_cell_that_is_there_twice_is_not_counted_twice(cell: Path) -> None:
    assert load_results(cell.parent) == ROWS
    copy = cell.with_name(f"{CELL}.bak")
    shutil.copytree(cell, copy)
    with pytest.raises(StiltsError, match="hold the result of one cell") as error:
        load_results(cell.parent)
    assert str(cell) in str(error.value)
    assert str(copy) in str(error.value)
    shutil.rmtree(cell)  # a cell under another name is still one
    assert load_results(copy.parent) == ROWS

"""The cells of sweeps that are not there are listed, from the records of the sweeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import matrix
from stilts_xtreme.report.merging import read_table
from stilts_xtreme.report.results import FinishedCell, read_cells
from stilts_xtreme.report.sweeps import unfinished
from stilts_xtreme.sweep.record import Record

OPTIONS = "recipe.target.learning_rate=1e-5 trainer=cpu output='/else/where'"


def node(id_: str, kind: str, *parents: str) -> dict[str, Any]:
    return {"id": id_, "kind": kind, "label": id_, "parents": list(parents), "seconds": 1.0, "done": False}


def swept(output: Path, name: str = "sweep-a", refused: tuple[str, ...] = (), fails: bool = True) -> Path:
    """A sweep of three cells: the training of two of them has failed, the third one waits."""
    cells = [("mnli-xnli-0", "mnli", 0), ("mnli-xnli-1", "mnli", 1), ("none-xnli-0", None, 0)]
    nodes = [node("mnli", "train"), node("xnli", "train")]
    nodes += [node(cell, "cell", before or "xnli") for cell, before, _ in cells]
    described = {
        "schema": 1,
        "name": name,
        "nodes": nodes,
        "cells": [
            {"name": cell, "model": "mini", "intermediate": [before] if before else [], "target": "xnli", "seed": seed}
            for cell, before, seed in cells
        ],
        "refused": [{"what": what, "error": "No such rows. Give others."} for what in refused],
    }
    folder = output / "sweeps" / name
    writer = Record(folder, described)
    writer.launched(1)
    if fails:
        writer.tell("failed", {"node": "mnli", "error": "Traceback\nThe loss is nan. Take a lower rate."})
    writer.close()
    return folder


def there(output: Path, name: str, **more: Any) -> FinishedCell:
    """A cell that is finished."""
    folder = output / "cells" / name
    cell = finished("mini", "mnli", {"en": 80.0, "de": 60.0}, folder=folder, **more)
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(cell.result))
    (folder / "config.json").write_text(json.dumps({"recipe": {"target": {"learning_rate": 1e-5}}, "trainer": {}}))
    return cell


def told(output: Path, *cells: FinishedCell) -> str:
    return "\n".join(unfinished.lines(unfinished.in_output(output, cells)))


def test_failed_and_waiting_cells_are_named_with_a_reason_and_a_command(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    missing = unfinished.in_output(tmp_path, [])
    assert unfinished.headline(missing) == "3 cells of sweeps are missing here: 2 failed, 1 not finished."
    failed, waiting = unfinished.lines(missing)
    assert failed.startswith("Failed: mnli > xnli, seeds 0, 1. train mnli: The loss is nan. This shows the sweep: ")
    assert f"python -m stilts_xtreme.status {folder}" in failed
    assert waiting.startswith("Not finished: none > xnli, seed 0. The command of the sweep, given again, goes on.")
    assert unfinished.in_output(tmp_path / "nothing", []) == []
    assert unfinished.headline([]) == ""


def test_what_was_finished_later_is_not_listed(tmp_path: Path) -> None:
    swept(tmp_path)
    there(tmp_path, "mnli-xnli-1")
    assert "mnli > xnli, seed 0. " in told(tmp_path)
    there(tmp_path, "mnli-xnli-0")
    there(tmp_path, "none-xnli-0")
    assert told(tmp_path) == ""


def test_a_refused_job_is_listed_until_a_cell_with_its_options_is_there(tmp_path: Path) -> None:
    swept(tmp_path, refused=(f"+intermediate=mnli +target=xnli seed=3 {OPTIONS}", "study.seeds=-1"), fails=False)
    assert "Refused: mnli > xnli, seed 3; study.seeds=-1. No such rows." in told(tmp_path)
    other = there(tmp_path, "other", seed=2)
    assert "mnli > xnli, seed 3" in told(tmp_path, other)
    slower = there(tmp_path, "slower", seed=3)
    (tmp_path / "cells" / "slower" / "config.json").write_text('{"recipe": {"target": {"learning_rate": 2e-5}}}')
    assert "mnli > xnli, seed 3" in told(tmp_path, slower)
    same = there(tmp_path, "same", seed=3)
    assert "mnli > xnli, seed 3" not in told(tmp_path, same)
    assert "study.seeds=-1" in told(tmp_path, same)


def test_a_cell_of_two_sweeps_is_listed_once_as_the_last_one_says(tmp_path: Path) -> None:
    swept(tmp_path, "b-first", fails=False)
    last = swept(tmp_path, "a-last")
    missing = unfinished.in_output(tmp_path, [])
    assert len(missing) == 3
    assert {entry.sweep for entry in missing} == {last}
    assert {entry.state for entry in missing} == {"failed", "not finished"}


def test_a_damaged_record_is_a_line_and_no_stop(tmp_path: Path) -> None:
    (swept(tmp_path) / "graph.json").write_text("{")
    text = told(tmp_path)
    assert text.startswith("With a record that cannot be read: the sweep sweep-a.")
    (tmp_path / "sweeps" / "not one").mkdir()
    assert told(tmp_path) == text


def test_many_are_counted_and_not_all_named(tmp_path: Path) -> None:
    entries = [unfinished.Missing(f"t{n} > xnli, seed 0", "failed", "Why.", tmp_path) for n in range(50)]
    (line,) = unfinished.lines(entries)
    assert "t39 > xnli, seed 0; and 10 more. Why." in line
    assert "t40" not in line


def test_tables_and_page_list_them_escaped(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(
        "model,intermediate,target,seed,language,metric,value\nm,none,xnli,0,en,accuracy,80\nm,none,xnli,0,de,accuracy,60\n"
    )
    cells = read_table(tmp_path / "own.csv")
    there(tmp_path, "mnli-xnli-0")
    swept(tmp_path, refused=("+intermediate=<script>alert(1)</script> +target=a|b",))
    missing = unfinished.in_output(tmp_path, cells)
    text = matrix.write(cells, tmp_path / "out", missing=missing)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert text.startswith("**3 cells of sweeps are missing here: 1 failed, 1 not finished, 1 refused.**")
    assert "\\<script>alert(1)\\</script> > a\\|b" in text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &gt; a|b" in page
    assert 'class="banner">3 cells of sweeps are missing here' in page
    assert "missing" not in matrix.write(cells, tmp_path / "out")


def test_an_output_folder_whose_cells_all_failed_says_where_to_look(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    with pytest.raises(StiltsError, match="holds no finished cell") as refused:
        read_cells(tmp_path)
    assert f"python -m stilts_xtreme.status {folder}" in str(refused.value)
    shutil.rmtree(folder)
    with pytest.raises(StiltsError) as refused:
        read_cells(tmp_path)
    assert "status" not in str(refused.value)


@given(st.text())
def test_the_first_sentence_of_any_error_is_short_and_one_line(error: str) -> None:
    found = unfinished.first_sentence(error)
    assert 0 < len(found) <= unfinished.LONGEST
    assert len(found.splitlines()) == 1

"""Finished cells are found by an output folder, or by the folder of a study or of a sweep in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.results import read_cells
from stilts_xtreme.sweep.record import Record

ALL = ("a", "b", "c")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output folder with three cells; a study has two of them, and a sweep one of those and one that is not made."""
    for seed, name in enumerate(ALL):
        there(tmp_path, name, seed)
    study = tmp_path / "studies" / "consistency-mini"
    study.mkdir(parents=True)
    (study / "rows.csv").write_text("cell,language,value\na,en,80.0\na,de,60.0\nb,en,80.0\n")
    nodes = [
        {"id": name, "kind": "cell", "label": name, "parents": [], "seconds": 1.0, "done": False} for name in ("b", "d")
    ]
    cells = [{"name": name, "model": "mini", "intermediate": [], "target": "xnli", "seed": 0} for name in ("b", "d")]
    described = {"schema": 1, "name": "s", "nodes": nodes, "cells": cells, "refused": []}
    Record(tmp_path / "sweeps" / "s", described).close()
    return tmp_path


def there(output: Path, name: str, seed: int) -> None:
    folder = output / "cells" / name
    cell = finished("mini", "mnli", {"en": 80.0, "de": 60.0}, seed, folder=folder, cell=name)
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(cell.result))
    (folder / "config.json").write_text("{}")


@pytest.mark.parametrize(
    ("below", "names"),
    [
        ("", ALL),
        ("cells", ALL),
        ("cells/c", ("c",)),
        ("studies/consistency-mini", ("a", "b")),
        ("sweeps/s", ("b",)),
    ],
)
def test_a_folder_stands_for_its_cells(output: Path, below: str, names: tuple[str, ...]) -> None:
    assert tuple(cell.result["cell"] for cell in read_cells(output / below)) == names


def test_a_study_of_which_no_cell_is_left_is_said(output: Path) -> None:
    (output / "cells").rename(output / "moved")
    with pytest.raises(StiltsError, match=r"consistency-mini holds no finished cell"):
        read_cells(output / "studies" / "consistency-mini")


def test_cells_that_a_study_names_and_that_are_gone_are_told(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(read_cells(output / "sweeps" / "s")) == 1
    assert "names 2 cells, of which 1 are there; d is not, for one." in capsys.readouterr().err
    read_cells(output / "studies" / "consistency-mini")
    read_cells(output)
    assert "of which" not in capsys.readouterr().err


def test_a_link_to_a_study_is_the_study(output: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(output / "studies" / "consistency-mini")
    assert len(read_cells(tmp_path / "link")) == 2
    assert len(read_cells(output / "studies" / ".." / "studies" / "consistency-mini")) == 2


def test_damaged_and_copied_folders_of_a_study_are_said(output: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "consistency-mini"
    copy.mkdir(parents=True)
    (copy / "rows.csv").write_text("cell\na\n")
    with pytest.raises(StiltsError, match=r"rows\.csv has the numbers of cells that are not beside it"):
        read_cells(copy)
    (output / "studies" / "consistency-mini" / "rows.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StiltsError, match=r"rows\.csv is damaged; name the output folder"):
        read_cells(output / "studies" / "consistency-mini")


def test_a_folder_of_cells_that_is_called_studies_is_read_as_such(tmp_path: Path) -> None:
    there(tmp_path / "studies", "a", 0)
    assert [cell.result["cell"] for cell in read_cells(tmp_path / "studies")] == ["a"]

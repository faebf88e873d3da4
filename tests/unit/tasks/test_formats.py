"""The registry of task formats, and a format that is added by one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cells import ROOT

from stilts_xtreme import tasks
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks import format_of, formats, row_format_of, row_formats
from stilts_xtreme.tasks.format import TaskFormat

FOLDER = ROOT / "tests" / "support" / "formats"
IDS = {"classification", "qa", "tagging", "choice", "retrieval", "bitext", "ranking", "mlm"}
WORDS = ("red", "old", "king", "ship", "tree", "sings", "walks", "here", "green", "river")


@pytest.fixture
def similarity(monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskFormat]:
    """The package with one more folder."""
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(FOLDER)])
    formats.cache_clear()
    yield format_of("similarity")
    monkeypatch.undo()
    formats.cache_clear()
    for name in [name for name in sys.modules if name.startswith("stilts_xtreme.tasks.similarity")]:
        del sys.modules[name]


def test_every_format_answers_for_itself() -> None:
    assert set(formats()) == IDS
    assert set(row_formats()) == IDS - {"mlm"} | {"candidates", "text"}
    for name, format in formats().items():
        assert format.name == name
        assert format.module().format == name
        assert row_format_of(format.rows.name) is format.rows
        assert all(format.metric(metric.name) is metric for metric in format.metrics)
        assert format.trained == (not format.options or format.head is not None)


def test_unknown_ones_are_refused() -> None:
    with pytest.raises(StiltsError, match=r"format=taging is not known.*did you mean 'tagging'"):
        format_of("taging")
    with pytest.raises(StiltsError, match="format=mlm is not known"):
        row_format_of("mlm")
    with pytest.raises(StiltsError, match="metric=accuracy is not known; choose one of: mlqa, squad, squad_v2"):
        format_of("qa").metric("accuracy")


def test_a_format_is_one_folder(similarity: TaskFormat) -> None:
    assert format_of("similarity") is similarity
    assert row_format_of("similarity").columns == ("id", "text_a", "text_b", "score")


def test_another_distribution_brings_a_format(tmp_path: Path) -> None:
    (tmp_path / "more").symlink_to(FOLDER / "similarity")
    metadata = tmp_path / "more-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[stilts_xtreme.formats]\nsimilarity = more:FORMAT\n")
    code = (
        "import sys; from stilts_xtreme.tasks import format_of, formats; "
        "print(type(format_of('similarity')).__module__, len(formats()), 'torch' in sys.modules)"
    )
    paths = os.pathsep.join((str(tmp_path), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["more", str(len(IDS) + 1), "False"]


def test_two_formats_with_one_id_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "__init__.py").write_text("from stilts_xtreme.tasks.tagging import FORMAT\n")
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    formats.cache_clear()
    with pytest.raises(StiltsError, match="Two task formats have the id 'tagging'"):
        formats()
    monkeypatch.undo()
    formats.cache_clear()
    del sys.modules["stilts_xtreme.tasks.twin"]

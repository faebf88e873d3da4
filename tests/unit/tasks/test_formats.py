"""The registry of task formats, and a format that is added by one folder."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT, TINY, composed

from stilts_xtreme import tasks
from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.run import run
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks import format_of, formats, predictions, row_format_of, row_formats
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


def configuration(folder: Path, *options: str) -> dict[str, Any]:
    """A target with this format on own rows, as YAML would say it."""
    draw = random.Random(0)
    for name, count in (("train", 60), ("test_en", 12), ("test_de", 12)):
        rows = []
        for number in range(count):
            one = draw.sample(WORDS, 5)
            same = draw.randrange(6)
            other = one[:same] + draw.sample([word for word in WORDS if word not in one], 5 - same)
            rows.append({"id": f"{name}-{number}", "one": " ".join(one), "two": " ".join(other), "score": same})
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = composed("+target=xnli", *TINY, f"output={folder / 'out'}", *options)
    config["dataset"] = {
        "alike": {
            "name": "alike",
            "format": "similarity",
            "columns": {"text_a": "one", "text_b": "two"},
            "labels": ["score"],
            "files": {"train": str(folder / "train.jsonl"), "test": str(folder / "test_{lang}.jsonl")},
            "languages": ["en", "de"],
        }
    }
    alike = {"train": ["alike"], "test": "alike", "languages": ["en", "de"]}
    config["target"] = {"name": "alike", "head": "similarity", "metric": "pearson", **alike}
    return config


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


def test_a_format_is_one_folder(similarity: TaskFormat, tmp_path: Path) -> None:
    config = configuration(tmp_path)
    result = run(config)
    out = tmp_path / "out" / "cells" / result["cell"]
    for line in result["comparison"]:
        gold = predictions.read_gold(out / "labels", "alike", line["language"], "similarity")
        found = predictions.read(out / "predictions", "alike", line["language"], "similarity", gold)
        assert len(found) == 12
        assert similarity.metric("pearson").main_score(found, gold) == pytest.approx(line["value"])
        assert line["floors"] == {"mean": 0.0}
    assert {line["language"] for line in result["comparison"]} == {"en", "de"}
    (trained,) = (tmp_path / "out" / "stages").glob("*/models/alike")
    saved = json.loads((trained / "config.json").read_text())
    assert saved["architectures"][0].endswith("ForSequenceClassification")
    assert saved["problem_type"] == "regression"
    assert saved["id2label"] == {"0": "score"}
    assert result["settings"]["similarity.scale"] == 1.0


def test_its_options_are_checked_and_keyed(similarity: TaskFormat, tmp_path: Path) -> None:
    def keys(*options: str) -> list[str]:
        return [stage.key for stage in plan(make_cell(configuration(tmp_path, *options))).stages()]

    plain, scaled = keys(), keys("+similarity.scale=5")
    assert plain == keys("+similarity.scale=1.0")
    assert len(set(plain) & set(scaled)) == 2  # the pretraining and the floors
    with pytest.raises(StiltsError, match=r"similarity\.scale=0 is refused"):
        keys("+similarity.scale=0")
    with pytest.raises(StiltsError, match=r"similarity\.scal is not known"):
        keys("+similarity.scal=1")
    config = configuration(tmp_path)
    config["target"]["metric"] = "accuracy"
    with pytest.raises(StiltsError, match=r"target\.metric=accuracy is not known"):
        make_cell(config)


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

"""Translate-test: a model that was trained in the source language reads translations of the test rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import cell_of
from support.translations import raw_rows, write

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.report import matrix
from stilts_xtreme.report.merging import opened

CELL = ("+target=xcopa",)
WORLD = ("++data.world.languages=3", "++data.world.train=60", "++data.world.validation=20", "++data.world.test=20")


def values(result: dict[str, Any], of: str = "value") -> dict[str, float]:
    return {line["language"]: line[of] for line in result["comparison"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Perfect translations: the rows of the source language, which are the same items."""
    place = tmp_path_factory.mktemp("translations") / "people"
    cell = cell_of(*CELL, *WORLD, "trainer=cpu")
    assert cell.target is not None
    source = source_of(cell.target.test, cell.data)
    for language in ("qab", "qac"):
        rows = raw_rows("xcopa", source.unchecked("test", "qaa"), source.labels())
        write(place / "xcopa" / f"{language}.jsonl", rows)
    return place


@pytest.fixture(scope="module")
def results(run_tiny: Callable[..., Any], folder: Path) -> dict[str, Any]:
    return {"plain": run_tiny(*CELL), "translated": run_tiny(*CELL, f"evaluation.translate_test={folder}")}


def test_perfect_translations_score_as_the_source_language_does(
    results: dict[str, Any], run_tiny: Callable[..., Any]
) -> None:
    plain, translated = values(results["plain"]), values(results["translated"])
    assert translated == dict.fromkeys(("qaa", "qab", "qac"), plain["qaa"])
    cells = Path(run_tiny.output) / "cells"  # type: ignore[attr-defined]
    answers = cells / results["translated"]["cell"] / "predictions" / "xcopa"
    texts = {path.name: path.read_text() for path in sorted(answers.iterdir())}
    assert len(texts) == 3
    assert len(set(texts.values())) == 1
    other = cells / results["plain"]["cell"] / "predictions" / "xcopa" / "test-qab.tsv"
    assert other.read_text() != texts["test-qab.tsv"]


def test_trainings_are_shared_and_floors_read_translations_too(results: dict[str, Any]) -> None:
    trained, others = (
        [[stage["key"] for stage in own["stages"] if (stage["kind"] in ("pretrain", "train")) == kind]
         for own in results.values()]
        for kind in (True, False)
    )  # fmt: skip
    assert trained[0] == trained[1]
    assert not set(others[0]) & set(others[1])
    assert len({line["floor"] for line in results["translated"]["comparison"]}) == 1
    assert len({line["floor"] for line in results["plain"]["comparison"]}) > 1


def test_it_is_told_from_zero_shot_transfer_everywhere(
    results: dict[str, Any], run_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    cells = Path(run_tiny.output) / "cells"  # type: ignore[attr-defined]
    result = results["translated"]
    assert result["translate_test"] == "people"
    assert "+translate-test-" in result["cell"]
    assert "published" not in result
    cards = [(cells / own["cell"] / "model_card.md").exists() for own in results.values()]
    assert cards == [True, False], "a card has scores of rows that the model read in their own language"
    table = (cells / result["cell"] / "table.md").read_text()
    assert "translate-test (people)" in table.splitlines()[0]
    assert "mean, others" in table
    assert "the model read translations into qaa (people) of the test rows in qab, qac." in table
    assert "translate" not in (cells / results["plain"]["cell"] / "table.md").read_text()
    assert not any("translate_test" in name for name in result["settings"]), "where a folder lies makes no other row"
    found = matrix.build([results["plain"], result])
    assert found.rows == ["none", "none, translate-test (people)"]
    assert "no zero-shot transfer" in matrix.markdown(found)
    rows = tmp_path / "rows.csv"
    old = {**results["plain"], "rows": [
        {name: value for name, value in row.items() if name != "translate_test"} for row in results["plain"]["rows"]
    ]}  # fmt: skip
    rows.write_text(matrix.tidy([old, result]))
    with opened([rows]) as (read,):
        again = matrix.build([cell.result for cell in read])
    assert again.rows == found.rows


def test_translations_of_other_rows_are_refused_before_anything_is_trained(
    run_tiny: Callable[..., Any], pretrained: Path, folder: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    path = other / "xcopa" / "qac.jsonl"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")
    with pytest.raises(StiltsError, match=r"qac.jsonl has 19 rows, and xcopa/test in qac has 20"):
        run_tiny(*CELL, f"evaluation.translate_test={other}", output=pretrained)
    assert len(list((pretrained / "stages").iterdir())) == 1

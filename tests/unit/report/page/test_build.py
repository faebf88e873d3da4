"""What the page holds, and that nothing in it is read as markup, script or a request."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results import LANGUAGES, write_cell, write_matrix
from stilts_xtreme.report.__main__ import main
from stilts_xtreme.report.entries import build
from stilts_xtreme.report.evidence import ZERO_SHOT, findings
from stilts_xtreme.report.page.build import PAGE, content, html, write
from stilts_xtreme.report.page.lineage import lineage
from stilts_xtreme.report.page.pretraining_text import CLASSES
from stilts_xtreme.report.page.runs import runs
from stilts_xtreme.report.results import FinishedCell, read_cells

HOSTILE = "</script><script>alert(1)</script>"


def data_of(page: Path) -> dict[str, Any]:
    """The data that a page holds, as a browser finds them."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def held(cells: list[FinishedCell]) -> dict[str, Any]:
    return content(cells, build([cell.result for cell in cells]), findings(cells))


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[FinishedCell]:
    root = tmp_path_factory.mktemp("matrix")
    write_matrix(root, {"mnli": {"xnli": 0.3, "pawsx": 0.02}, "qqp": {"xnli": -0.2}}, items=60)
    return read_cells(root)


def test_the_first_view_is_the_evidence(cells: list[FinishedCell]) -> None:
    found, data = findings(cells), held(cells)
    by_place = {(cell["row"], cell["column"]): cell for cell in data["views"][0]["cells"]}
    assert set(found.entries) < set(by_place)
    for place, evidence in found.entries.items():
        cell = by_place[place]
        assert cell["gain"] == evidence.mean.value
        assert (cell["low"], cell["high"]) == evidence.mean.interval()
        assert (cell["helped"], cell["of"]) == (evidence.helped, len(LANGUAGES) - 1)
        assert cell["verdict"] == found.verdict(place)
        assert cell["value"] - cell["baseline"] == pytest.approx(cell["gain"])
        for code in LANGUAGES:
            line = cell["languages"][code]
            assert line["value"] - line["baseline"] == pytest.approx(evidence.gains[code].value)
            assert (line["low"], line["high"]) == evidence.gains[code].interval()
    assert by_place["none", "xnli"]["gain"] is None
    assert by_place["mnli", "xnli"]["gap"] == pytest.approx(
        by_place["mnli", "xnli"]["source"] - by_place["mnli", "xnli"]["value"]
    )


def test_low_resource_classes_stand_apart(cells: list[FinishedCell]) -> None:
    data = held(cells)
    (cell,) = [c for c in data["views"][0]["cells"] if (c["row"], c["column"]) == ("mnli", "xnli")]
    found = {by: {line["name"]: line["languages"] for line in cell["classes"] if line["by"] == by} for by in CLASSES}
    assert found == {
        "level": {"high": ["de", "ru"], "mid": ["hi"], "very low": ["sw"], "unseen": ["yo"]},
        "joshi": {"class 5": ["de"], "class 4": ["ru", "hi"], "class 2": ["sw", "yo"]},
        "seen": {"script seen": ["de", "ru", "hi", "sw", "yo"]},
    }
    for line in cell["classes"]:
        gains = [cell["languages"][code]["gain"] for code in line["languages"]]
        assert line["gain"] == pytest.approx(sum(gains) / len(gains))
        assert line["low"] < line["gain"] < line["high"]


def test_a_gain_is_over_the_evaluation_that_the_cell_names(cells: list[FinishedCell]) -> None:
    for run in runs(cells):
        assert (run.base is not None) == (run.row != "none")
        if run.base is not None:
            assert run.base.result["identity"]["evaluation"] == run.result["identity"]["baseline"]
            assert run.base.result["seed"] == run.seed


def test_cost_is_shared_among_the_cells_that_start_from_a_training(cells: list[FinishedCell]) -> None:
    lines = {(line["row"], line["column"], line["seed"]): line for line in held(cells)["lineage"]}
    line = lines["mnli", "xnli", 0]
    assert line["flops"] == 6 * 85e6 * (4000 + 2000)
    # mnli was trained for 2 targets and 3 seeds, mnli > xnli for 3 seeds
    assert line["amortised_flops"] == pytest.approx(6 * 85e6 * (4000 / 6 + 2000 / 3))
    assert line["amortised"] == pytest.approx(60 / 6 + 30 / 3)
    assert (line["joules"], line["amortised_joules"]) == (5400, pytest.approx(3600 / 6 + 1800 / 3))
    assert line["energy_of"] == ["RAPL, whole processors"]
    old = json.loads(json.dumps(cells[-1].result))
    for stage in old["stages"]:
        for name in ("tokens", "joules", "energy_of"):
            del stage["info"][name]
    (line,) = [line for line in lineage(runs([FinishedCell(old, None)])) if line["trained"]]
    assert line["flops"] is line["amortised_flops"] is line["joules"] is None
    assert line["energy_of"] == []
    assert line["seconds"] == 30


def test_what_collapsed_is_told_and_in_no_mean(tmp_path: Path) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.3}}, items=40)
    gold = dict.fromkeys(LANGUAGES, ["neutral"] * 40)
    wrong = dict.fromkeys(LANGUAGES, ["entailment"] * 40)
    write_cell(tmp_path, (), "xnli", 3, gold, gold)
    write_cell(tmp_path, ("mnli",), "xnli", 3, wrong, gold, collapsed=True)
    data = held(read_cells(tmp_path))
    (cell,) = [c for c in data["views"][0]["cells"] if c["row"] == "mnli"]
    assert cell["collapsed"] == [3]
    assert cell["seeds"] == [0, 1, 2]
    assert cell["gain"] > 5
    assert any("seed 3" in note and "it guesses" in note for note in data["notes"])


def test_another_metric_and_rule_are_views_of_their_own(tmp_path: Path) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.3}}, items=40, seeds=(0, 1))
    for file in (tmp_path / "cells").glob("*/result.json"):
        result = json.loads(file.read_text())
        more = 10.0 if result["intermediate"] else 0.0
        result["rows"] += [{**row, "metric": "f1", "value": 50 + more} for row in result["rows"]]
        comparison = [{**line, "baseline": 40.0, "value": 42.0} for line in result["comparison"]]
        flags: dict[str, Any] = {"collapsed": [], "baseline_collapsed": [], "marks": [], "averages": {}}
        result["rules"] = [{"rule": "best", "comparison": comparison, **flags}] if result["intermediate"] else []
        file.write_text(json.dumps(result))
    views = {(view["metric"], view["rule"]): view["cells"] for view in held(read_cells(tmp_path))["views"]}
    by_metric = {cell["row"]: cell["gain"] for cell in views["f1", ""]}
    assert by_metric == {"none": None, "mnli": 10.0}
    assert [cell["gain"] for cell in views["", "best"]] == [2.0]


def test_hostile_names_end_nothing(tmp_path: Path) -> None:
    labels = ("<img src=x onerror=alert(1)>", HOSTILE, "=cmd()|'x'")
    write_matrix(tmp_path / "in", {HOSTILE: {"xnli": 0.2}, "=cmd()|x": {"xnli": 0.1}}, items=30, labels=labels)
    cells = read_cells(tmp_path / "in")
    page = write(cells, build([c.result for c in cells]), findings(cells), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert text.count("</script") == 2
    assert "<img" not in text
    data = data_of(page)
    assert HOSTILE in data["rows"]
    assert set(labels) <= set(data["examples"][0]["words"])


def test_names_that_turn_the_direction_are_seen(tmp_path: Path) -> None:
    write_matrix(tmp_path, {"\u202eab": {"xnli": 0.2}, "a\nb\x00": {"xnli": 0.1}}, items=30)
    data = held(read_cells(tmp_path))
    assert set(data["rows"]) == {"none", "\\u202eab", "a\\nb\\x00"}
    assert {cell["row"] for cell in data["views"][0]["cells"]} == set(data["rows"])
    assert set(data["examples"][0]["counts"]) == set(data["examples"][0]["rows"]) == set(data["rows"]) - {"none"}


def test_long_names_leave_room_for_the_pictures(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    write_matrix(
        tmp_path / "in", {"x" * 300: {"y" * 80: 0.2, "xnli": 0.1}, "mnli": {"xnli": 0.1, "pawsx": 0.2}}, items=30
    )
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    assert [str(warning.message) for warning in recwarn if "layout" in str(warning.message)] == []


def test_a_seed_without_a_baseline_takes_no_gain_from_the_others(tmp_path: Path) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.2}}, seeds=(0, 1, 2), items=40)
    for file in tmp_path.glob("cells/*/result.json"):
        result = json.loads(file.read_text())
        if result["seed"] == 2 and not result["intermediate"]:
            shutil.rmtree(file.parent)
        result["rows"] += [{**row, "metric": "f1"} for row in result["rows"]]
        if file.exists():
            file.write_text(json.dumps(result))
    data = held(read_cells(tmp_path))
    for view in data["views"]:
        (cell,) = [cell for cell in view["cells"] if cell["row"] == "mnli"]
        assert cell["seeds"] == [0, 1]
        assert cell["value"] - cell["baseline"] == pytest.approx(cell["gain"])
    assert any("seed 2: no gain" in note for note in data["notes"])


def test_two_cells_at_one_place_are_told(tmp_path: Path) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.2}}, seeds=(0,), items=40)
    (folder,) = [f.parent for f in tmp_path.glob("cells/*/result.json") if json.loads(f.read_text())["intermediate"]]
    result = json.loads((folder / "result.json").read_text())
    shutil.copytree(folder, folder.with_name("again"))
    result["identity"]["evaluation"] += " other"
    (folder.with_name("again") / "result.json").write_text(json.dumps({**result, "cell": "again"}))
    data = held(read_cells(tmp_path))
    assert len(data["rows"]) == 3
    assert sum("another cell has the same place" in note for note in data["notes"]) == 1


def test_the_page_asks_no_other_machine(cells: list[FinishedCell], tmp_path: Path) -> None:
    page = write(cells, build([c.result for c in cells]), findings(cells), tmp_path).read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!#)[^"]+', re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    assert "default-src 'none'" in page
    assert not re.findall(r"@import|url\((?!#)", page)


def test_numbers_that_are_none_are_null(cells: list[FinishedCell]) -> None:
    data = {**held(cells), "rows": [float("nan"), float("inf"), 1.23456789]}
    found = re.search(r'id="data">(.*?)</script>', html(data, {}), re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["rows"] == [None, None, 1.2346]


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    write_matrix(tmp_path / "in", {"mnli": {"xnli": 0.1}}, seeds=(0,), items=20)
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    assert data_of(tmp_path / "out" / PAGE)["columns"] == ["xnli"]


def test_a_baseline_alone_is_a_page_that_says_so(tmp_path: Path) -> None:
    gold = {code: ["neutral", "entailment"] for code in LANGUAGES}
    write_cell(tmp_path, (), "xnli", 0, gold, gold)
    data = held(read_cells(tmp_path))
    assert data["examples"] == []
    assert data["notes"][0].startswith("No gains: each needs a cell")
    assert ZERO_SHOT not in html(data, {})

"""The matrix in LaTeX, and results in the common format of Every Eval Ever."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.cells import ROOT

from benchmarks.results import LANGUAGES, write_cell, write_matrix
from stilts_xtreme.core.text import latex
from stilts_xtreme.report.__main__ import main
from stilts_xtreme.report.entries import build
from stilts_xtreme.report.every_eval_ever import documents
from stilts_xtreme.report.evidence import findings
from stilts_xtreme.report.heatmap import reach
from stilts_xtreme.report.latex import table
from stilts_xtreme.report.results import FinishedCell, read_cells

# eval.schema.json, version 0.3.0, of github.com/evaleval/every_eval_ever, as its package has it; MIT licence beside it
SCHEMA = ROOT / "tests" / "support" / "schemas" / "every_eval_ever.schema.json"
HOSTILE = r"50% & $x_1$ #{a} \input{/etc/passwd} ~^|<>'`‡"


@pytest.fixture
def cells(tmp_path: Path) -> list[FinishedCell]:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.3, "pawsx": -0.1}, HOSTILE: {"xnli": 0.02}}, items=40)
    gold = {code: ["neutral"] * 40 for code in LANGUAGES}
    write_cell(tmp_path, (), "xnli", 3, gold, gold)
    write_cell(tmp_path, ("mnli",), "xnli", 3, gold, gold, collapsed=True)
    return read_cells(tmp_path)


def written(cells: list[FinishedCell]) -> str:
    return table(build([cell.result for cell in cells]), findings(cells))


def test_the_table_has_the_gains_and_marks_the_best(cells: list[FinishedCell]) -> None:
    found = findings(cells)
    lines = written(cells).splitlines()
    (line,) = [line for line in lines if line.startswith("mnli")]
    evidence = found.entries["mnli", "xnli"]
    low, high = evidence.mean.interval()
    assert rf"\textbf{{\boldmath ${evidence.mean.value:+.1f}$}}$^*$$\dagger$" in line
    assert f"$[{low:+.1f}, {high:+.1f}]$" in line
    assert line.count(r"\boldmath") == 1  # where all lose, none is the best
    assert all(line.count(" & ") == 2 for line in lines if line.endswith(r"\\"))
    assert lines.index(r"\toprule") < lines.index(r"\midrule") < lines.index(r"\bottomrule")


def test_names_are_printed_and_never_run() -> None:
    escaped = latex(HOSTILE)
    assert r"\input" not in escaped
    assert not re.search(r"(?<!\\)[%&#_]", escaped.replace(r"\textbackslash{}", ""))
    assert latex("mnli+qqp (0.5)") == "mnli+qqp (0.5)"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX here")
def test_the_table_compiles(cells: list[FinishedCell], tmp_path: Path) -> None:
    document = (
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}\\usepackage{textcomp}"
        f"\\begin{{document}}\n{written(cells)}\\end{{document}}\n"
    )
    (tmp_path / "page.tex").write_text(document, encoding="utf-8")
    run = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    found = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout[-2000:]
    assert (tmp_path / "page.pdf").exists()


def checked(document: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)


def test_documents_are_valid_and_hold_all_scores(cells: list[FinishedCell]) -> None:
    found = documents(cells, "A group")
    assert found.keys() == {cell.result["cell"] for cell in cells}
    for cell in cells:
        document = found[cell.result["cell"]]
        checked(document)
        scores = {
            (line["score_details"]["details"]["language"], line["metric_config"]["metric_id"]): line["score_details"]
            for line in document["evaluation_results"]
        }
        assert {key: line["score"] for key, line in scores.items()} == {
            (row["language"], row["metric"]): row["value"] for row in cell.result["rows"]
        }
        told = {"collapsed" in line["details"] for line in scores.values()}
        assert told == {bool(cell.result["collapsed"])}


def test_the_schema_refuses_what_is_no_document(cells: list[FinishedCell]) -> None:
    document = next(iter(documents(cells).values()))
    document["model_info"]["additional_details"]["seed"] = 0
    with pytest.raises(jsonschema.ValidationError):
        checked(document)


def test_rows_of_the_hub_are_named(cells: list[FinishedCell]) -> None:
    config = json.loads((cells[0].folder / "config.json").read_text())  # type: ignore[operator]
    config["dataset"]["own"]["id"] = "facebook/xnli"
    (cells[0].folder / "config.json").write_text(json.dumps(config))  # type: ignore[operator]
    document = documents(cells)[cells[0].result["cell"]]
    checked(document)
    source = document["evaluation_results"][0]["source_data"]
    assert (source["source_type"], source["hf_repo"]) == ("hf_dataset", "facebook/xnli")


def test_the_command_writes_figures_and_documents(tmp_path: Path) -> None:
    write_matrix(tmp_path / "in", {"mnli": {"xnli": 0.1}}, seeds=(0,), items=20)
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--every-eval-ever", "We"]) == 0
    assert len(list((tmp_path / "out" / "every_eval_ever").glob("*.json"))) == 2
    figures = {path.suffix: path for path in (tmp_path / "out" / "figures").glob("gains*")}
    assert figures.keys() == {".svg", ".png"}
    assert "currentColor" not in figures[".svg"].read_text(encoding="utf-8")


def test_one_large_loss_does_not_set_the_colours() -> None:
    assert reach([*[1.4] * 19, -40.0]) == 2.0
    assert (reach([]), reach([0.1]), reach([-12.3])) == (1.0, 1.0, 13.0)

"""The notebooks run as they stand."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT

NOTEBOOKS = ROOT / "notebooks"


def code_of(name: str) -> list[str]:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(name: str) -> list[Any]:
    """What a notebook shows below its cells: the value of the last line of each."""
    names: dict[str, Any] = {}
    found = []
    for cell in code_of(name):
        tree = ast.parse(cell)
        last = tree.body[-1]
        value = last.value if isinstance(last, ast.Expr) else None
        tree.body = tree.body[:-1] if value is not None else tree.body
        exec(compile(tree, name, "exec"), names)
        found.append(eval(compile(ast.Expression(value), name, "eval"), names) if value is not None else None)
    return found


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_short_and_uses_public_names_alone(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert len(notebook["cells"]) < 20
    assert "from stilts_xtreme." not in "\n".join(code_of(path.stem))
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "results are made, not kept"


def test_the_lightning_notebook_runs() -> None:
    cells = code_of("lightning")
    lines = [line for cell in cells for line in cell.splitlines() if line.strip()]
    assert len(lines) <= 15
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "notebook", "exec"), names)
    scores = names["scores"]
    assert {name for name in scores if "mean" not in name} == {
        f"test/reviews/{language}/accuracy" for language in ("en", "de", "sw")
    }
    assert scores["test/reviews/en/accuracy"] == 100.0  # four sentences, which it has seen 24 times each
    assert [len(answers) for (answers,) in names["answers"]] == [32, 2, 2]


def test_the_notebook_on_languages_tells_what_its_text_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(NOTEBOOKS)
    classes, pairs = shown("languages_left_behind")[-2:]
    assert "English 87.3, 194 others 62.6" in capsys.readouterr().out
    assert classes["mean"].tolist() == [80.4, 79.8, 74.9, 61.5, 54.2]
    assert all(pairs.loc[code, "Latn"] > pairs.loc[code, "Arab"] + 15 for code in ("ace", "bjn", "min"))


def test_the_notebook_on_a_gain_tells_what_its_text_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NOTEBOOKS)
    found = shown("what_a_gain_shows")[-1].set_index(["row", "over"])
    (own,) = (row for row, over in found.index if over == "placebo")
    loss, over, placebo = (found.loc[place] for place in ((own, "none"), (own, "placebo"), ("placebo(qqp)", "none")))
    assert (loss.verdict, over.verdict, placebo.verdict) == ("harms", "not shown", "a control")
    assert -1 < loss.low < loss.high < 0
    assert placebo.low < -1 < 1 < placebo.high

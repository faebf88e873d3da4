"""The notebook of a dozen lines runs as it stands."""

from __future__ import annotations

import json
from typing import Any

from support.cells import ROOT


def test_the_lightning_notebook_runs() -> None:
    notebook = json.loads((ROOT / "notebooks" / "lightning.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
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

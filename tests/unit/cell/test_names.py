"""Names and labels that cannot stand in prediction files are refused before any training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cells import composed

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.run import read_ahead
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError


@pytest.mark.parametrize("name", ["a b", "a|b", "[red]", "=1", "-x", "a\tb", "$x$", ""])
def test_a_target_whose_name_is_no_file_name_is_refused(name: str) -> None:
    cfg = composed("+target=xnli")
    cfg["target"]["name"] = name
    with pytest.raises(StiltsError, match=r"target\.name="):
        make_cell(cfg)


def test_a_language_that_is_no_file_name_is_refused() -> None:
    cfg = composed("+target=xnli", "data=hub")
    for code in ("d/e", "=de", False):  # YAML takes the code of Norwegian, no, for a truth value
        cfg["target"]["languages"] = ["en", code]
        with pytest.raises(StiltsError, match=r"target\.languages="):
            make_cell(cfg)


@pytest.mark.parametrize(("label", "good"), [("a\nb", False), ("a\tb", False), (" a", False), ("a|[red]$=", True)])
def test_a_label_that_is_no_line_is_refused_before_training(tmp_path: Path, label: str, good: bool) -> None:
    rows = [{"text_a": f"text {at}", "label": [label, "b"][at % 2]} for at in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    cfg = composed("+target=xnli", "data=hub", f"output={tmp_path / 'out'}", "trainer=cpu", "baseline=false")
    file = str(tmp_path / "rows.jsonl")
    cfg["dataset"]["own"] = {
        "name": "own", "format": "classification", "labels": [label, "b"],
        "files": {"train": file, "validation": file, "test": {"en": file}},
    }  # fmt: skip
    cfg["target"] |= {"train": ["own"], "test": "own", "languages": ["en"]}
    cell = make_cell(cfg)
    if good:
        read_ahead(plan(cell), Store(cell.output), {})
        return
    with pytest.raises(StiltsError, match=r"dataset\.own\.labels='.*' is refused: predictions are files"):
        read_ahead(plan(cell), Store(cell.output), {})

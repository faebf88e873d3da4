"""The file of costs: what is written is read again, and what is not there is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import costs
from stilts_xtreme.report.costs import Cost

CELL = finished("mini", "none", {"en": 1.0, "de": 1.0})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    name = str(CELL.result["cell"])
    rows = [
        Cost(name, "=mini", "xnli", "de", "latency_p50", "ms", 2, 0.1 + 0.2, "a, b", "r"),
        Cost(name, "=mini", "xnli", "", "parameters", "1", None, 12.0, "", ""),
    ]
    other = Cost("other", "mini", "xnli", "", "parameters", "1", None, 1.0, "", "")
    assert costs.write([*rows, other], tmp_path) == tmp_path / "costs.csv"
    cells = [finished("mini", "none", {"en": 1.0, "de": 1.0}, 0, tmp_path / "cells" / name)]
    assert costs.read(cells) == rows


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match="only the numbers are known"):
        costs.read([CELL])
    cells = [finished("mini", "none", {"en": 1.0, "de": 1.0}, 0, tmp_path / "cells" / "a")]
    with pytest.raises(StiltsError, match=rf"python -m stilts_xtreme.cost {tmp_path} measures"):
        costs.read(cells)
    costs.write([Cost("other", "mini", "xnli", "", "parameters", "1", None, 1.0, "", "")], tmp_path)
    with pytest.raises(StiltsError, match=rf"has other cells alone; python -m stilts_xtreme.cost {tmp_path} measures"):
        costs.read(cells)
    (tmp_path / "costs.csv").write_text("cell,value\na,b\n")
    with pytest.raises(StiltsError, match="is no file of costs"):
        costs.read(cells)

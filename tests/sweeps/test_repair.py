"""A sweep mends its store: what was deleted or damaged is made again at once, and a damaged cell is published again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.records import harm
from support.sweeps import values, weights

from stilts_xtreme.cell.store import Store
from stilts_xtreme.report import finished

GRID = ("+intermediate=none,mnli", "+target=xnli")


def stages(output: Path) -> dict[str, Path]:
    """Stages by kind and name."""
    return {json.loads(path.read_text())["label"]: path.parent for path in output.glob("stages/*/manifest.json")}


def test_what_is_deleted_or_damaged_is_mended_at_the_first_command(
    sweep: Callable[..., Any], pretrained: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert sweep(pretrained, *GRID)[0] == 0
    before = weights(pretrained), values(pretrained)
    where = stages(pretrained)
    # a training and the pretraining of all, while what was made from them is there
    shutil.rmtree(where["train mnli > mnli"])
    shutil.rmtree(where["pretrain mini on synthetic"])
    for name, file in (("train mnli", "models/mnli/model-00001-of-00002.safetensors"), ("floors xnli", "scores.json")):
        assert harm(where[name] / file, 0.5, 2)
    (where["evaluate none > xnli"] / "manifest.json").write_text("{}")
    code, _, err = sweep(pretrained, *GRID, "store.damaged=retrain")
    assert code == 0, err
    assert "7 distinct stages, 5 of them planned to be made: 5 made, 2 found, 0 failed" in err
    for name in ("train mnli", "floors xnli", "evaluate none > xnli"):
        assert f"the stage {name} in {where[name]} is damaged" in caplog.text
    assert (weights(pretrained), values(pretrained)) == before
    store = Store(pretrained)
    assert all(store.path(path.name).exists() and store.damage(path.name) is None for path in where.values())

    # now a cell: a number, and a configuration that was published alone
    one, other = sorted((pretrained / "cells").iterdir())
    result = (one / "result.json").read_text()
    (one / "result.json").write_text(result.replace('"value": ', '"value": 1'))
    (other / "config.json").write_text((one / "config.json").read_text())
    shutil.rmtree(other / "predictions")
    caplog.clear()
    code, _, err = sweep(pretrained, *GRID)
    assert code == 0, err
    assert "0 of them planned to be made" in err
    assert f"The cell {one} is damaged: result.json has" in caplog.text
    assert f"The cell {other} is damaged" in caplog.text
    assert values(pretrained) == before[1]
    assert all(finished.damage(cell) is None for cell in (one, other))
    assert (other / "predictions" / "xnli").is_dir()

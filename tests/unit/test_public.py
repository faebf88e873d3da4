"""The public names: all there, loaded late, and doing what the commands do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.cells import TINY, cell_of

import stilts_xtreme
from stilts_xtreme.core.errors import StiltsError


@pytest.mark.parametrize("name", stilts_xtreme.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    found = getattr(stilts_xtreme, name)
    assert found.__name__ == name
    assert found.__doc__
    assert name in dir(stilts_xtreme)


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'plam'"):
        _ = stilts_xtreme.plam  # type: ignore[attr-defined]
    assert set(stilts_xtreme._PLACES) == set(stilts_xtreme.__all__)


@pytest.mark.parametrize("first", ["import stilts_xtreme.plan, stilts_xtreme.score", "from stilts_xtreme import plan"])
def test_the_module_of_a_command_does_not_hide_a_function(first: str) -> None:
    program = (
        f"{first}\nimport sys, types, stilts_xtreme.plan, stilts_xtreme.score\n"
        "from stilts_xtreme import plan, score\n"
        "assert isinstance(plan, types.FunctionType) and isinstance(score, types.FunctionType)\n"
        "assert plan is stilts_xtreme.plan and callable(sys.modules['stilts_xtreme.plan'].main)\n"
        "assert 'torch' not in sys.modules\n"
        "assert plan('+target=xnli').final.languages\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_cell_is_planned_as_on_the_command_line() -> None:
    from stilts_xtreme.cell.plan import plan

    told = plan(cell_of("+intermediate=[mnli,squad_v1]", "+target=xquad", "seed=3", "volume=0.5"))
    found = stilts_xtreme.plan(
        "+target=xquad", {"intermediate": ["mnli", "squad_v1"], "seed": 3, "volume": 0.5, "mlm.weight": None}
    )
    assert [stage.key for stage in found.stages()] == [stage.key for stage in told.stages()]


@pytest.mark.parametrize(
    "text", ["/a,b", "a=b", "a (1)", "a b", "ü'q", "a#b", "~x", "a: b", "{cell}/own", "/a\\b", "a\\'b\\", "[x]y"]
)
def test_a_text_reaches_the_cell_as_it_is_given(text: str) -> None:
    values = {
        "target": "xnli",
        "++logger._target_": "my.Logger",
        "++logger.place": text,
        "++logger.more": [text, {"a": text}],
    }
    assert stilts_xtreme.plan(values).cell.logger["place"] == text
    assert stilts_xtreme.plan(values).cell.logger["more"] == [text, {"a": text}]


def test_what_cannot_be_planned_is_a_sentence() -> None:
    with pytest.raises(StiltsError, match="overrides=3 is refused: give words such as"):
        stilts_xtreme.plan(3)  # type: ignore[arg-type]
    with pytest.raises(StiltsError, match=r"target=xnly is not known .did you mean 'xnli'"):
        stilts_xtreme.plan("+target=xnly")
    with pytest.raises(StiltsError, match=r"option=recipe\.target\.epoch is not known"):
        stilts_xtreme.plan({"target": "xnli", "recipe.target.epoch": 1})
    with pytest.raises(StiltsError, match="-m is an option of the command line; a sweep is run by"):
        stilts_xtreme.run_cell("-m", "+target=xnli")


def test_a_cell_is_run_its_results_read_and_its_files_scored(outputs: Path) -> None:
    result = stilts_xtreme.run_cell(*TINY, "+target=tatoeba", {"output": outputs})
    rows = stilts_xtreme.load_results(outputs)
    assert [row for row in rows if row["cell"] == result["cell"]] == result["rows"] != []
    cell = outputs / "cells" / result["cell"]
    assert stilts_xtreme.load_results(cell) == result["rows"]
    scores = stilts_xtreme.score(cell / "predictions", cell / "labels", partial=True)
    told = {row["language"]: row["value"] for row in result["rows"] if row["metric"] == "accuracy"}
    assert scores["tatoeba"]["accuracy"] == pytest.approx(told, abs=1e-9)


def test_results_that_are_not_there_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match="is not a folder; take the one that output= named"):
        stilts_xtreme.load_results(tmp_path / "nowhere")
    with pytest.raises(StiltsError, match=r"holds no finished cell .no result\.json"):
        stilts_xtreme.load_results(tmp_path)
    (tmp_path / "result.json").write_text(json.dumps([]))
    with pytest.raises(StiltsError, match=r"result\.json is not a cell's result"):
        stilts_xtreme.load_results(tmp_path)

"""Cells of LAReQA and Mewsli-X, which end with rankings; sweeps over layers."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from support.cells import TINY, cell_of
from support.ranking import module

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.commands import score
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.data.synthetic import LANGUAGES
from stilts_xtreme.tasks.metrics.ranking import map_at_20


@pytest.mark.parametrize(("target", "task"), [("lareqa", "lareqa"), ("mewsli_x", "mewslix")])
def test_a_cell_ends_with_rankings_that_are_scored_again(target: str, task: str, run_tiny, tmp_path, capsys) -> None:
    result = run_tiny(f"+target={target}", "recipe.target.selection=best", "recipe.target.eval_every=3")
    folder = run_tiny.output / "cells" / result["cell"]
    values = {row["language"]: row["value"] for row in result["rows"] if row["metric"] == "map_at_20"}
    assert set(values) == set(LANGUAGES[:3])
    count = result["candidates"]["count"]
    spec, data = catalogue.load_spec(f"{target}_candidates"), cell_of(f"+target={target}", *TINY).data
    pool = {key for code in values for key in source_of(spec, data).rows("test", code)[0]["id"]}
    assert len(pool) == count
    for code, value in values.items():
        rankings = json.loads((folder / "predictions" / task / f"test-{code}.json").read_text())
        gold = json.loads((folder / "labels" / task / f"test-{code}.json").read_text())
        assert rankings.keys() == gold.keys()
        assert len(gold) == 20
        assert all(len(ids) == len(set(ids)) == 20 and set(ids) <= pool for ids in rankings.values())
        assert all(set(ids) <= pool for ids in gold.values())
        assert map_at_20(rankings, gold)["map_at_20"] == pytest.approx(value, abs=1e-9)
    whole = {row["language"]: row["value"] for row in result["rows"] if row["metric"] == "map"}
    assert all(0 < value <= 100 for value in whole.values())
    assert {line["floor_name"] for line in result["comparison"]} <= {"tfidf", "chance"}
    assert f"Ranked: {count:,} candidates" in (folder / "table.md").read_text()
    output = tmp_path / "scores.json"
    command = ("--predictions", str(folder / "predictions"), "--labels", str(folder / "labels"))
    assert score.main([*command, "--benchmark", "xtreme-r", "--partial", "--output", str(output)]) == 0
    assert json.loads(output.read_text())[task]["map_at_20"] == pytest.approx(values)
    capsys.readouterr()
    (trained,) = (stage for stage in result["stages"] if stage["kind"] == "train")
    assert trained["info"]["selected"]["dev"] > 0
    from transformers import AutoModel, AutoTokenizer

    (saved,) = (run_tiny.output / "stages" / trained["key"] / "models").iterdir()
    model, info = AutoModel.from_pretrained(saved, output_loading_info=True)
    assert all("pooler" in name for name in info["missing_keys"])
    assert not info["unexpected_keys"]
    with torch.no_grad():
        hidden = model.eval()(**AutoTokenizer.from_pretrained(saved)("ga sa", return_tensors="pt")).last_hidden_state
    assert torch.isfinite(hidden).all()


def test_cells_share_the_training() -> None:
    plans = {
        options: plan(cell_of("+target=lareqa", *TINY, *options))
        for options in ((), ("languages=[qab]",), ("benchmark=xtreme-r",), ("++data.world.candidates=30",), ("seed=1",))
    }
    trained = {options: planned.final.parent.key for options, planned in plans.items()}
    first = trained[()]
    assert [key == first for key in trained.values()] == [True, True, True, True, False]
    one, other = (plans[options].final for options in ((), ("languages=[qab]",)))
    assert one.candidates == other.candidates
    assert one.rows["candidates"] == 3 * 3 * 20
    # XQuAD's training is another one, and so is Mewsli-X's
    others = {plan(cell_of(f"+target={name}", *TINY)).final.parent.key for name in ("xquad", "mewsli_x")}
    assert len({first, *others}) == 3


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StiltsError, match=r"retrieval\.sweep=layer is not known.*did you mean 'layers'"):
        cell_of("+target=tatoeba", "retrieval.sweep=layer")
    with pytest.raises(StiltsError, match=r"target\.candidates=None does not fit target.head=ranking"):
        cell_of("+target=lareqa", "target.candidates=null")
    with pytest.raises(StiltsError, match="trained alone, not jointly"):
        cell_of("+intermediate=[mnli,qqp]", "intermediate.qqp.head=ranking", "intermediate.qqp.metric=map_at_20")
    with pytest.raises(StiltsError, match="max_query_length=200 is more than the 128 tokens"):
        module(max_query_length=200)


@pytest.mark.parametrize("target", ["tatoeba", "bucc2018"])
def test_a_sweep_over_layers_is_every_single_layer(target: str, run_tiny, capsys) -> None:
    swept = run_tiny(f"+target={target}", "retrieval.sweep=layers", "retrieval.layer=1")
    folder = run_tiny.output / "cells" / swept["cell"]
    with open(folder / "layers.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["layer"] for line in lines] == ["0", "1", "2"] * 2
    assert "Mean of every layer of hidden_states: [0] " in capsys.readouterr().out
    for layer in range(3):
        alone = run_tiny(f"+target={target}", f"retrieval.layer={layer}")
        values = {line["language"]: line["value"] for line in alone["comparison"]}
        curve = {line["language"]: float(line["value"]) for line in lines if line["layer"] == str(layer)}
        assert curve == pytest.approx(values, abs=1e-9)
        if layer == 1:
            assert values == {line["language"]: line["value"] for line in swept["comparison"]}
            assert alone["rows"][0]["stage"] != swept["rows"][0]["stage"]

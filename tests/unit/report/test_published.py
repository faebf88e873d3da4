"""Published numbers: what is said of them, and with which results they are compared."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT, composed

from stilts_xtreme.cell import run as cell
from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.data import catalogue
from stilts_xtreme.report.benchmark import averages as benchmarks
from stilts_xtreme.report.benchmark import published
from stilts_xtreme.report.cell import notes
from stilts_xtreme.tasks.metrics import METRICS

FACTS = Path(os.environ.get("STILTS_FACTS") or ROOT.parent / "shared" / "facts") / "reference_results.json"
MODELS = {
    "XLM-R large": "xlmr_large", "mBERT (bert-base-multilingual-cased)": "mbert", "XLM (xlm-mlm-100-1280)": "xlm",
    "XLM-R large + best per target": "xlmr_large", "mBERT-base": "mbert", "XLM-R base": "xlmr_base", "mBERT": "mbert",
    "mGTE-MLM-2048 (304M)": "mgte_mlm_2048", "mGTE-MLM-8192 (306M)": "mgte_mlm_8192", "RemBERT": "rembert",
    "mDeBERTa-v3-base": "mdeberta", "XLM-R XL": "xlmr_xl", "XLM-R XXL": "xlmr_xxl",
}  # fmt: skip
TARGETS = {
    "XNLI": "xnli", "PAWS-X": "pawsx", "POS": "udpos", "UDPOS": "udpos", "NER": "panx", "WikiANN": "panx",
    "XQuAD": "xquad", "MLQA": "mlqa", "TyDiQA-GoldP": "tydiqa", "TyDiQA": "tydiqa", "BUCC": "bucc2018",
    "Tatoeba": "tatoeba", "XCOPA": "xcopa", "Mewsli-X": "mewslix", "LAReQA": "lareqa",
}  # fmt: skip


def test_every_table_says_where_it_is_from_and_how_sure_it_is() -> None:
    assert len(published.tables()) > 15
    for table in published.tables():
        tasks = benchmarks.load(table.benchmark).tasks
        assert table.confidence in published.CONFIDENCE
        assert table.split in ("test", "dev")
        assert table.intermediate in ("none", "best")
        assert table.source
        assert table.recipe in (None, "xtreme", "phang2020")
        assert table.recipe is None or table.confidence != "memory"  # nothing is compared with a mere memory
        for target, scores in table.scores.items():
            metrics = {"mean"} if target == "all" else set(METRICS[tasks[target].metric].main)
            assert set(scores) <= metrics
            assert all(0 < value < 100 for value in scores.values())
        for target, values in table.languages.items():
            assert set(values) == set(tasks[target].languages)
            (mean,) = table.scores[target].values()
            assert sum(values.values()) / len(values) == pytest.approx(mean, abs=0.06)


@pytest.mark.skipif(not FACTS.is_file(), reason="the facts are not beside this checkout")
def test_every_number_stands_in_the_facts() -> None:
    known: set[tuple[str, str, str, float, str]] = set()
    for entry in json.loads(FACTS.read_text())["results"]:
        model = MODELS.get(entry["model"])
        for key, value in entry.get("scores", {}).items() if model else ():
            name, _, unit = key.rpartition("_") if "_" in key else (key, "", "")
            target = TARGETS.get(name) or TARGETS.get(key) or ("all" if key == "Avg" else "")
            values = value if isinstance(value, dict) else {unit: value}
            for number in values.values():
                if isinstance(number, float):
                    known.add((model, target, entry["split"][:3], number, entry["confidence"][:4]))
    for table in published.tables():
        sure = {"read": "veri", "checked": "cros", "memory": "memo"}[table.confidence]
        for target, scores in table.scores.items():
            for metric, value in scores.items():
                found = {split for m, t, split, v, how in known if (m, t, v, how) == (table.model, target, value, sure)}
                assert found, (table.table, table.model, target, metric, value, table.confidence)
                assert table.split[:3] in found or table.split == "test"


def result_of(config: dict[str, Any], value: float = 80.0, **changes: Any) -> dict[str, Any]:
    """A whole result of a cell, with the same scores in every language."""
    target = config["target"]["name"]
    task = benchmarks.load(config["benchmark"]["name"]).tasks[target]
    spec = catalogue.spec_from_mapping(config["dataset"][config["target"]["test"]])
    rows = [
        {"language": code, "metric": metric, "value": value, "n": catalogue.declared_count(spec, "test", code)}
        for code in task.languages
        for metric in METRICS[task.metric].main
    ]
    return {
        "target": target, "model": config["model"]["name"], "intermediate": [], "recipe": config["recipe"]["name"],
        "weights": "pretrained", "synthetic": False, "missing_languages": [], "rows": rows,
        "retrieval": {"layer": 14, "pooling": "mean"}, **changes,
    }  # fmt: skip


def of(*arguments: str, **changes: Any) -> list[dict[str, Any]]:
    config = composed("model=xlmr_large", "recipe=xtreme", *arguments)
    spec = catalogue.spec_from_mapping(config["dataset"][config["target"]["test"]])
    return published.of_cell(result_of(config, **changes), config, spec)


def test_a_result_is_compared_with_the_numbers_of_its_setting() -> None:
    (line,) = of("+target=xnli", value=79.9)
    assert (line["metric"], line["published"], line["confidence"]) == ("accuracy", 79.2, "read")
    assert line["delta"] == pytest.approx(0.7)
    said = published.sentence(line)
    assert (
        said == "Published (Hu et al. 2020, XTREME (arXiv 2003.11080), Table 2; read): accuracy 79.2, here 79.9 (+0.7)."
    )
    assert {line["metric"]: line["published"] for line in of("+target=xquad")} == {"f1": 76.6, "exact_match": 60.8}
    (line,) = of("+target=tatoeba", "recipe=phang2020", value=40.0)
    assert line["delta"] == pytest.approx(9.0)
    assert line["languages"]["sw"] == pytest.approx(32.1)


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["+target=xnli"], {"synthetic": True}),
        (["+target=xnli"], {"missing_languages": ["sw"]}),
        (["+target=xnli"], {"weights": "random"}),
        (["+target=xnli"], {"intermediate": ["mnli"]}),
        (["+target=xnli", "recipe=phang2020"], {}),
        (["+target=xnli", "recipe.target.epochs=4"], {}),
        (["+target=xnli", "recipe.target.tasks.xnli.learning_rate=1e-5"], {}),
        (["+target=xnli", "model=xlmr_base"], {}),
        (["+target=xnli", "model.id=some/other"], {}),
        (["+target=xnli", "benchmark=xtreme-r"], {}),
        (["+target=udpos"], {}),  # the hub's copy has other rows than XTREME
        (["+target=tatoeba", "recipe=phang2020"], {"retrieval": {"layer": 10, "pooling": "mean"}}),
        (["+target=tatoeba"], {}),
    ],
)
def test_another_setting_is_compared_with_nothing(arguments: list[str], changes: dict[str, Any]) -> None:
    assert of(*arguments, **changes) == []


def test_a_cut_of_the_rows_is_compared_with_nothing() -> None:
    config = composed("model=xlmr_large", "recipe=xtreme", "+target=xnli")
    spec = catalogue.spec_from_mapping(config["dataset"]["xnli"])
    result = result_of(config)
    assert published.of_cell(result, config, spec)
    result["rows"][3]["n"] -= 1
    assert not published.of_cell(result, config, spec)
    result = result_of(config)
    result["rows"] = result["rows"][1:]
    assert not published.of_cell(result, config, spec)


def test_part_of_speech_of_the_users_own_files_is_compared() -> None:
    (line,) = of("+target=udpos", "dataset.udpos.reader=conllu")
    assert line["published"] == 73.8


def test_the_table_of_a_cell_says_it() -> None:
    line = published.tables()[0].line("f1", 70.0, 71.25)
    base = {"missing_languages": [], "collapsed": [], "comparison": [], "substitutes": {}, "recipe": "phang2020"}
    found = notes({**base, "published": [line], "unverified": ["intermediate.epochs"]})
    assert any("f1 70.0, here 71.2 (+1.2)" in note for note in found)
    assert "Unverified values of recipe=phang2020: intermediate.epochs." in found


# --- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mini", "phang2020", "small", "xtreme"])
def test_every_value_of_a_recipe_says_where_it_is_from(name: str) -> None:
    recipe = composed("+target=xnli", f"recipe={name}")["recipe"]
    for phase in ("intermediate", "target"):
        assert set(recipe["sources"][phase]) == set(recipe[phase])
        for value, source in recipe["sources"][phase].items():
            assert source.split(":")[0] in ("read", "UNVERIFIED", "own", "own choice") or recipe[phase][value] is None


def test_unverified_values_are_named_for_the_phases_that_a_cell_has() -> None:
    def of_cell(*arguments: str) -> list[str]:
        config = composed(*arguments, "model=xlmr_large")
        return cell.unverified(make_cell(config), config["recipe"])

    both = of_cell("+intermediate=mnli", "+target=xnli")
    assert {"intermediate.learning_rate", "intermediate.epochs", "intermediate.tasks", "target.stride"} <= set(both)
    assert "target.learning_rate" not in both
    assert not any(name.startswith("intermediate") for name in of_cell("+target=xnli"))
    assert of_cell("+target=tatoeba") == []
    # neither what the user has chosen nor the user's own tasks are said to be the paper's
    mine = of_cell("+intermediate=mnli", "+target=xnli", "recipe.intermediate.epochs=1", "recipe.target.stride=7")
    assert set(both) - set(mine) == {"intermediate.epochs", "target.stride"}
    own = "++target.name=mine"
    assert not any(name.startswith("target") for name in of_cell("+target=xnli", own))
    assert {name for name in both if "intermediate" in name} == set(of_cell("+intermediate=mnli", "+target=xnli", own))
    config = composed("+target=xnli", "+intermediate=mnli")
    assert cell.unverified(make_cell(config), config["recipe"]) == []

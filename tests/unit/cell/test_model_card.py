"""Cards of trained models: what a training says of itself, and a cell's card with its scores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hydra import initialize_config_dir
from support.cells import cell_of

from stilts_xtreme.cell.model_card import card_of
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Training
from stilts_xtreme.tasks.card import OURS, About, card
from stilts_xtreme.training.about import about


@pytest.fixture(scope="module", autouse=True)
def _loaded_once() -> Iterator[None]:
    """Hydra reads each file of the configuration once for the whole module."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="stilts_xtreme"):
        yield


def trainings(cell: Cell) -> list[Training]:
    return [stage for stage in plan(cell).final.chain() if isinstance(stage, Training)]


def told(*arguments: str) -> About:
    cell = cell_of("+target=xnli", "data=synthetic", "trainer=cpu", *arguments)
    return about(cell, trainings(cell)[-1], {"mnli": 40}, {"mnli": 61.5})


def test_a_training_says_where_its_encoder_is_from() -> None:
    found = told("model=xlmr_base", "seed=3")
    assert (found.base, found.licence, found.seed) == ("FacebookAI/xlm-roberta-base", "mit", 3)
    assert found.languages == ("qaa",)
    (learnt,) = found.heads.values()
    assert (learnt.metric, learnt.rows, learnt.dev) == ("accuracy", 40, 61.5)
    assert [spec.name for spec in learnt.datasets] == ["mnli"]
    assert told().licence == OURS, "the encoder that comes with the package, made of its own text"
    assert told("model=xlmr_base", "model.licence=null").licence == "unknown"


@pytest.mark.parametrize(
    "arguments",
    [
        ("+target=xnli",),
        ("+intermediate=mnli", "+target=panx", "seed=2", "volume=50"),
        ("+intermediate=[qqp,squad_v2]", "+target=xquad", "model=xlmr_large", "data=synthetic", "mlm.weight=0.3"),
        ("+intermediate=qqp", "recipe=xtreme"),
    ],
)
def test_the_command_of_a_card_makes_the_training_again(arguments: tuple[str, ...]) -> None:
    cell = cell_of("trainer=cpu", *arguments)
    for at, stage in enumerate(trainings(cell)):
        said = about(cell, stage, dict.fromkeys((task.name for task in stage.tasks), 1), None).command
        words = said.removeprefix("python -m stilts_xtreme ").replace("'", "").split()
        assert trainings(cell_of("trainer=cpu", *words))[at].key == stage.key, said


def test_no_path_of_this_machine_is_in_a_card(tmp_path: Path) -> None:
    shape = {"model_type": "xlm-roberta", "num_hidden_layers": 2, "hidden_size": 32, "vocab_size": 100}
    (tmp_path / "config.json").write_text(json.dumps(shape), encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    found = told(f"model={tmp_path}", "data=synthetic")
    assert "model=FOLDER" in found.command
    assert str(tmp_path) not in repr(found)
    assert (found.base, found.licence) == (None, "unknown")


def cells_card(folder: Path, **more: Any) -> str | None:
    cell = cell_of("+target=xnli", "trainer=cpu")
    planned, store = plan(cell), Store(folder)
    place = store.path(trainings(cell)[-1].key) / "models" / "mnli"
    if not more.pop("without", False):
        place.mkdir(parents=True)
        text = card("mnli", "classification", ("a", "b"), "xlm-roberta", [{"what": "x"}], told(), 128, False)
        (place / "README.md").write_text(text, encoding="utf-8")
    lines = [{"language": code, "n": 5, "metric": "accuracy", "value": value} for code, value in more.pop("scores")]
    return card_of(cell, planned, store, {"comparison": lines, "source_language": "qaa", "collapsed": [], **more})


def test_the_card_of_a_cell_has_its_scores(tmp_path: Path) -> None:
    text = cells_card(tmp_path, scores=(("qaa", 71.25), ("qab", 40.0)))
    assert text is not None
    assert "| qab | 5 | accuracy | 40.00 |" in text
    assert "It was trained for the task in qaa; in the other languages it had no training rows." in text
    found = ModelCard(text).data.eval_results or []
    assert [(one.dataset_config, one.dataset_split, one.metric_value) for one in found] == [
        (None, "validation", 61.5),
        ("qaa", "test", 71.25),
        ("qab", "test", 40.0),
    ]
    assert "do not use it" not in text


def test_the_card_of_a_collapsed_cell_says_so(tmp_path: Path) -> None:
    text = cells_card(tmp_path, scores=(("qaa", 33.3),), collapsed=["none > mnli"])
    assert text is not None
    assert "do not use it" in text


def test_a_model_without_a_card_gets_none(tmp_path: Path) -> None:
    assert cells_card(tmp_path, scores=(), without=True) is None

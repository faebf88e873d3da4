"""What a sweeper that optimises is told of a cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from support.cells import TINY, cell_of

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep import objective


def config(aim: str, train: tuple[str, ...] = ("mnli",)) -> dict[str, Any]:
    return {"sweep": {"objective": aim}, "target": {"train": list(train)}}


def result(**more: Any) -> dict[str, Any]:
    """A cell whose intermediate training has a higher dev score than its target training."""
    return {
        "cell": "c",
        "target": "xnli",
        "collapsed": [],
        "averages": {"zero_shot_value": 30.0, "all_value": 40.0},
        "rows": [{"trained": "t"}, {"trained": "t"}],
        "stages": [
            {"key": "i", "info": {"dev": {"mnli": 90.0}}},
            {"key": "t", "info": {"dev": {"mnli": 70.0}}},
            {"key": "e", "info": {}},
        ],
        **more,
    }


def test_dev_rows_of_the_target_training_count() -> None:
    assert objective.value(config("dev"), result()) == 70.0
    assert objective.value(config("test"), result()) == 30.0
    assert objective.value(config("test"), result(averages={"all_value": 40.0})) == 40.0


def test_an_intermediate_training_alone_has_the_mean_of_its_dev_scores() -> None:
    alone = result(target=None, averages={"dev_mnli": 60.0, "dev_qqp": 80.0}, rows=[])
    assert objective.value({"sweep": {"objective": "dev"}, "target": None}, alone) == 70.0


@pytest.mark.parametrize("aim", ["dev", "test"])
def test_a_collapsed_cell_counts_as_nothing(aim: str) -> None:
    assert objective.value(config(aim), result(collapsed=["mnli"])) == 0.0


def test_what_has_no_such_score_is_a_sentence() -> None:
    stages = [{"key": "t", "info": {"dev": None}}]
    with pytest.raises(StiltsError, match=r"sweep\.objective=dev: the cell c has no such score"):
        objective.value(config("dev"), result(stages=stages))
    with pytest.raises(StiltsError, match="no such score"):
        objective.value(config("dev", ()), result())  # the dev score of the intermediate training is not the cell's
    with pytest.raises(StiltsError, match=r"sweep\.objective=test"):
        objective.value(config("test"), result(averages={}))


def test_cells_without_a_score_are_refused_before_anything_is_trained() -> None:
    objective.check(cell_of("+target=xnli", *TINY), "dev")
    objective.check(cell_of("+target=tatoeba", *TINY), "test")
    objective.check(cell_of("+intermediate=mnli", *TINY), "dev")
    with pytest.raises(StiltsError, match="refused for tatoeba, which trains on nothing"):
        objective.check(cell_of("+target=tatoeba", *TINY), "dev")
    with pytest.raises(StiltsError, match="needs a target"):
        objective.check(cell_of("+intermediate=mnli", *TINY), "test")


def test_a_task_without_dev_rows_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    class Rows:
        source_language = "en"

        def rows(self, split: str, language: str) -> None:
            raise StiltsError(f"There is no {split} split in {language}.")

    cell = cell_of("+target=xnli", *TINY)
    monkeypatch.setattr(objective, "source_of", lambda *_: Rows())
    with pytest.raises(StiltsError, match=r"needs dev rows of mnli \(There is no validation split in en\); bring them"):
        objective.check(cell, "dev")


def test_the_option_has_two_choices() -> None:
    with pytest.raises(StiltsError, match=r"sweep\.objective=def is not known \(did you mean 'dev'\?\)"):
        cell_of("+target=xnli", *TINY, "sweep.objective=def")
    with pytest.raises(StiltsError, match=r"option=sweep\.aim"):
        cell_of("+target=xnli", *TINY, "+sweep.aim=dev")


def hydra(name: str, **options: Any) -> Any:
    return OmegaConf.create({"runtime": {"choices": {"hydra/sweeper": name}}, "sweeper": options})


def test_which_sweepers_optimise() -> None:
    assert not objective.optimises(hydra("matrix"))
    assert not objective.optimises(hydra("basic", direction="minimize"))
    assert objective.optimises(hydra("optuna", direction="maximize"))
    assert objective.optimises(hydra("nevergrad", optim={"maximize": True}))
    assert objective.optimises(hydra("ax", ax_config={"experiment": {"minimize": False}}))
    assert objective.optimises(hydra("own"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"direction": "minimize"}, "hydra.sweeper.direction=maximize"),
        ({"optim": {"maximize": False}}, "hydra.sweeper.optim.maximize=True"),
        ({"ax_config": {"experiment": {"minimize": True}}}, "hydra.sweeper.ax_config.experiment.minimize=False"),
    ],
)
def test_a_sweeper_that_looks_for_the_lowest_score_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(StiltsError) as caught:
        objective.optimises(hydra("some", **options))
    assert words in str(caught.value)


def test_the_best_options_are_said_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search = objective.Search()
    search.report(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    for rate, score in (("1e-3", 50.0), ("1e-4", 60.0), ("1", 0.0)):
        search.add(["+target=xnli", f"rate={rate}"], "dev", score, f"cell-{rate}", score == 0)
    search.report(tmp_path)
    said = capsys.readouterr().out
    assert "best of 3: rate=1e-4\n" in said
    assert "objective 60.0: the target training's score on dev rows" in said
    assert "1 of 3 collapsed and counted as 0" in said
    written = json.loads((tmp_path / "objective.json").read_text())
    assert written["objective"] == "dev"
    assert written["best"]["cell"] == "cell-1e-4"
    assert [entry["value"] for entry in written["tried"]] == [50.0, 60.0, 0.0]

"""Few-shot transfer: in each language the model is trained on some rows, and is forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import begun, cell_of

from stilts_xtreme.cell.trained import find
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.report import matrix
from stilts_xtreme.report.merging import opened
from stilts_xtreme.training import few_shot

CELL = ("+target=udpos", "recipe.target.max_steps=3", "recipe.target.learning_rate=1e-4", "evaluation.floors=false")
SHOTS = ("shots.k=8", "shots.epochs=20", "shots.learning_rate=5e-3")


@pytest.fixture(scope="module")
def results(run_tiny: Callable[..., Any]) -> dict[str, Any]:
    arms = {arm: (*SHOTS[:2], f"shots.arm={arm}", *SHOTS[2:][: arm != "joint"]) for arm in ("after", "replay", "joint")}
    return {"zero": run_tiny(*CELL), **{arm: run_tiny(*CELL, *options) for arm, options in arms.items()}}


def folder_of(run_tiny: Callable[..., Any], result: dict[str, Any]) -> Path:
    return Path(run_tiny.output) / "cells" / result["cell"]  # type: ignore[attr-defined]


def values(result: dict[str, Any]) -> dict[str, float]:
    return {line["language"]: line["value"] for line in result["comparison"]}


def test_shots_teach_a_language_and_leave_english_as_it_was(results: dict[str, Any]) -> None:
    zero, few = values(results["zero"]), values(results["after"])
    assert few["qaa"] == zero["qaa"], "it is answered by the model that no shots were given to"
    assert few["qab"] > zero["qab"] + 5, "of 8 sentences tags are learnt that 3 steps in English did not teach"
    assert few["qac"] > zero["qac"] + 5
    for arm in ("replay", "joint"):
        assert values(results[arm])["qaa"] == zero["qaa"]
        assert values(results[arm])["qab"] not in (zero["qab"], few["qab"])


def test_only_the_training_in_english_is_kept(results: dict[str, Any]) -> None:
    trained = {arm: [s["key"] for s in result["stages"] if s["kind"] == "train"] for arm, result in results.items()}
    assert len({tuple(keys) for keys in trained.values()}) == 1
    assert len(trained["zero"]) == 1


def test_the_rows_that_were_drawn_are_listed(results: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    found = json.loads((folder_of(run_tiny, results["after"]) / "shots.json").read_text())
    assert (found["k"], found["draw"], found["arm"], found["split"], found["dataset"]) == (
        8,
        0,
        "after",
        "train",
        "udpos",
    )
    assert found["steps"] == 20
    cell = cell_of("+target=udpos", "++data.world.train=60", "++data.world.languages=3", "trainer=cpu")
    assert cell.target is not None
    source = source_of(cell.target.test, cell.data)
    for language in ("qab", "qac"):
        ids = found["rows"][language]
        assert len(set(ids)) == 8
        assert set(ids) <= set(source.rows("train", language)[0]["id"])
    assert set(found["rows"]) == {"qab", "qac"}


def test_steps_are_equal_with_and_without_english_rows(results: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    steps = {
        arm: json.loads((folder_of(run_tiny, results[arm]) / "shots.json").read_text())["steps"]
        for arm in ("after", "replay", "joint")
    }
    assert steps["after"] == steps["replay"]
    trained = next(stage for stage in results["zero"]["stages"] if stage["kind"] == "train")
    assert steps["joint"] == trained["info"]["steps"] == 3


@pytest.mark.parametrize(
    ("target", "damage"),
    [
        (CELL, None),
        (("+target=xquad", *CELL[1:]), None),
        (CELL, lambda text: text[: len(text) // 2]),
        (CELL, lambda text: "{}"),
        (CELL, lambda text: text.replace("NOUN", "VERB", 1)),
    ],
)
def test_a_killed_evaluation_goes_on_with_the_language_that_it_was_at(
    target: tuple[str, ...],
    damage: Callable[[str], str] | None,
    run_tiny: Callable[..., Any],
    pretrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = (*target, *SHOTS, "shots.draw=2")
    trained: list[str] = []
    train = few_shot._train

    def dying(*given: Any) -> None:
        trained.append(given[4].rpartition(" ")[2])
        if trained == ["qab", "qac"]:
            raise KeyboardInterrupt
        train(*given)

    monkeypatch.setattr(few_shot, "_train", dying)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(*options, output=pretrained)
    (kept,) = (pretrained / "scratch").rglob("shots-qab.json")
    if damage is not None:
        assert damage(kept.read_text()) != kept.read_text()
        kept.write_text(damage(kept.read_text()))
    again = run_tiny(*options, output=pretrained)
    assert trained == ["qab", "qac", *(["qab"] if damage else []), "qac"]
    assert ("shots-qab.json is damaged; the training in qab begins anew" in capsys.readouterr().err) == bool(damage)
    monkeypatch.setattr(few_shot, "_train", train)
    whole = run_tiny(*options, output=begun(Path(run_tiny.output), tmp_path / "whole"))  # type: ignore[attr-defined]
    folders = [output / "cells" / whole["cell"] for output in (pretrained, tmp_path / "whole")]
    assert again["comparison"] == whole["comparison"]
    files = sorted(file.relative_to(folders[1]) for file in folders[1].glob("predictions/**/*.*"))
    assert len(files) == 3
    for file in [*files, Path("shots.json")]:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file
    assert not list((pretrained / "scratch").rglob("shots-*"))


def test_there_is_no_one_model_to_predict_with(results: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    folder = folder_of(run_tiny, results["after"])
    with pytest.raises(StiltsError, match=r"has no one model: shots.k=8 trained a model for each language"):
        find(str(folder))
    assert not (folder / "model_card.md").exists()


def test_draws_and_numbers_of_shots_are_rows_of_their_own(
    results: dict[str, Any], run_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    other = run_tiny(*CELL, *SHOTS, "shots.draw=1")
    assert values(other) != values(results["after"])
    found = matrix.build([results["zero"], results["after"], results["joint"], other])
    assert found.rows == ["none", "none, 8 shots, draw 0", "none, 8 shots (joint), draw 0", "none, 8 shots, draw 1"]
    assert all(len(entry.zero_shot) == 1 for entry in found.entries.values())
    assert "no zero-shot transfer" in matrix.markdown(found)
    table = tmp_path / "rows.csv"
    table.write_text(matrix.tidy([results["zero"], results["after"], other]))
    with opened([table]) as (cells,):
        again = matrix.build([cell.result for cell in cells])
    assert again.rows == ["none", "none, 8 shots, draw 0", "none, 8 shots, draw 1"]


def test_a_language_is_answered_alike_whichever_others_are(
    results: dict[str, Any], run_tiny: Callable[..., Any]
) -> None:
    for arm in ("after", "replay"):
        alone = run_tiny(*CELL, *SHOTS, f"shots.arm={arm}", "languages=[qac]")
        assert values(alone)["qac"] == values(results[arm])["qac"]

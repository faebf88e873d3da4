"""One training, several weights: the rules that choose among the evaluation points of the target training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.cells import TINY, cell_of
from support.siege import die_in_step, siege, trained

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.stage import Evaluation, Selected, Training
from stilts_xtreme.report import matrix
from stilts_xtreme.training.points import chosen, points_of

COMMON = ("recipe.target.eval_every=2", "recipe.target.learning_rate=3e-2", "recipe.target.freeze=null")
RULES = "evaluation.rules=[best,last,average,oracle]"
CELL = ("+target=xnli", "+intermediate=mnli", *COMMON)


def weights(output: Path, stage: Any) -> dict[str, torch.Tensor]:
    """The weights of the only model of a stage."""
    found: dict[str, torch.Tensor] = {}
    for file in Store(output).open(stage.key).glob("models/*/*.safetensors"):
        found |= load_file(file)
    return found


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def result(run_tiny: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = run_tiny(*CELL, RULES)
    return found


def test_one_training_serves_all_rules(result: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    planned = plan(cell_of(*TINY, *CELL, RULES))
    stages = planned.stages()
    assert [stage.label for stage in stages if isinstance(stage, Training)] == ["none > mnli", "mnli", "mnli > mnli"]
    points = planned.rules["oracle"][0].parent
    assert points is not None
    own = {rule: pair[0] for rule, pair in planned.rules.items()}
    assert {stage.parent.parent.key for rule, stage in own.items() if rule != "oracle"} == {points.key}  # type: ignore
    made = [stage["label"] for stage in result["stages"] if stage["kind"] == "train" and stage["made_now"]]
    assert len(made) == len(set(made))
    again = run_tiny(*CELL, RULES)
    assert not any(stage["made_now"] for stage in again["stages"])


@pytest.mark.parametrize("rule", ["best", "last"])
def test_a_rule_takes_what_a_training_with_that_selection_takes(
    rule: str, result: dict[str, Any], run_tiny: Callable[..., Any]
) -> None:
    alone = (*CELL, f"recipe.target.selection={rule}")
    other = run_tiny(*alone)
    shared = plan(cell_of(*TINY, *CELL, RULES)).rules[rule][0].parent
    own = plan(cell_of(*TINY, *alone)).final.parent
    assert isinstance(shared, Selected)
    assert isinstance(own, Training)
    assert same(weights(Path(run_tiny.output), shared), weights(Path(run_tiny.output), own))  # type: ignore[attr-defined]
    (found,) = [entry for entry in result["rules"] if entry["rule"] == rule]
    values = {line["language"]: line["value"] for line in found["comparison"]}
    assert values == {line["language"]: line["value"] for line in other["comparison"]}
    for name in ("zero_shot_value", "zero_shot_gain"):
        assert found["averages"].get(name) == pytest.approx(other["averages"].get(name))
    said = [(mark["task"], mark["verdict"], mark["why"], mark["of"]) for mark in other["marks"]]
    assert [(mark["task"], mark["verdict"], mark["why"], mark["of"]) for mark in found["marks"]] == said


def test_the_average_is_the_mean_of_the_weights_at_the_points(
    result: dict[str, Any], run_tiny: Callable[..., Any]
) -> None:
    output = Path(run_tiny.output)  # type: ignore[attr-defined]
    average = plan(cell_of(*TINY, *CELL, RULES)).rules["average"][0].parent
    folder = Store(output).open(average.parent.key) / "points"  # type: ignore[union-attr]
    parts = [load_file(folder / f"{step}.safetensors") for step in (2, 4, 6)]
    whole, moved = weights(output, average), 0
    for name, value in whole.items():
        kept = [key for key in parts[0] if key.endswith(name.split(".", 1)[1]) and parts[0][key].shape == value.shape]
        if len(kept) == 1:
            mean = torch.stack([part[kept[0]].double() for part in parts]).mean(0)
            assert torch.allclose(value.double(), mean, atol=1e-7), name
            moved += not torch.equal(value, parts[-1][kept[0]])
    assert moved > 10
    last = weights(output, plan(cell_of(*TINY, *CELL, RULES)).rules["last"][0].parent)
    assert not same(whole, last)


def test_the_average_of_the_whole_embedding_is_that_of_its_rows(run_tiny: Callable[..., Any]) -> None:
    compact, full = (*CELL, RULES), (*CELL, RULES, "trainer.compact_embedding=false")
    output = Path(run_tiny.output)  # type: ignore[attr-defined]
    one = weights(output, plan(cell_of(*TINY, *compact)).rules["average"][0].parent)
    run_tiny(*full, output=output.parent / "full")
    other = weights(output.parent / "full", plan(cell_of(*TINY, *full)).rules["average"][0].parent)
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_the_oracle_is_in_no_comparison(result: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    (found,) = [entry for entry in result["rules"] if entry["rule"] == "oracle"]
    assert all(line["gain"] is None and line["baseline"] is None for line in found["comparison"])
    assert not [name for name in found["averages"] if name.endswith(("gain", "baseline"))]
    assert set(found["steps"].values()) <= {2, 4, 6}
    learnt = [{**entry, "collapsed": []} for entry in result["rules"]]  # so short a training has learnt nothing
    whole = {**result, "collapsed": [], "rules": learnt}
    page = matrix.page(matrix.build([whole]), [whole])
    assert "The oracle chooses on dev rows of the languages themselves" in page
    oracle = {stage["key"] for stage in result["stages"] if stage["label"].endswith("[oracle]")}
    assert oracle
    assert not oracle & {row["stage"] for row in result["rows"]}
    other = run_tiny(*CELL, "recipe.target.selection=best")
    assert matrix.build([result, other]).gain  # the matrix is made of the cells' own rule
    assert "oracle" not in matrix.markdown(matrix.build([result, other]))


def test_the_oracle_takes_the_best_point_of_each_language(result: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    from stilts_xtreme.tasks import format_of
    from stilts_xtreme.training import oracle

    cell = cell_of(*TINY, *CELL, RULES, f"output={run_tiny.output}")  # type: ignore[attr-defined]
    stage, store = plan(cell).rules["oracle"][0], Store(run_tiny.output)  # type: ignore[attr-defined]
    assert isinstance(stage, Evaluation)
    assert isinstance(stage.parent, Training)
    scratch = Path(run_tiny.output) / "scores"  # type: ignore[attr-defined]
    scores: dict[str, dict[int, float]] = {}
    for step in (2, 4, 6):
        wanted = [("validation", language) for language in stage.languages]
        found = oracle.answer_at(cell, stage, stage.parent, store.open, step, scratch, wanted)
        for language in stage.languages:
            rows, answers = found.rows["validation", language], found.answers["validation", language]
            gold = format_of("classification").gold(rows, found.labels)
            right = sum(a == g for a, g in zip(answers, gold, strict=True)) / len(gold)
            scores.setdefault(language, {})[step] = right
    (oracle,) = [entry for entry in result["rules"] if entry["rule"] == "oracle"]
    assert oracle["steps"] == {code: max(own, key=lambda step: own[step]) for code, own in scores.items()}


def test_an_average_alone_shares_the_training(result: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    found = run_tiny(*CELL, "recipe.target.selection=average")
    trained_now = [s["label"] for s in found["stages"] if s["kind"] == "train" and s["made_now"]]
    assert trained_now == []
    (shared,) = [entry for entry in result["rules"] if entry["rule"] == "average"]
    assert {line["language"]: line["value"] for line in found["comparison"]} == {
        line["language"]: line["value"] for line in shared["comparison"]
    }


def test_an_intermediate_training_is_averaged_too(run_tiny: Callable[..., Any]) -> None:
    chosen = ("recipe.intermediate.selection=average", "recipe.intermediate.eval_every=2")
    found = run_tiny("+target=tatoeba", "+intermediate=[mnli,squad_v1]", *chosen)
    kinds = [stage["kind"] for stage in found["stages"]]
    assert kinds.count("select") == 1
    info = next(stage["info"] for stage in found["stages"] if stage["kind"] == "select")
    assert set(info["dev"]) == {"mnli", "squad_v1"}
    assert info["chosen"] == [2, 4, 6, 8, 10, 12]


def test_killed_between_the_points(launch: Callable[..., Any], pretrained: Path, run_tiny: Callable[..., Any]) -> None:
    arguments = (*CELL, "baseline=false", "evaluation.rules=[best,average]")
    moments = [(die_in_step, "mnli > mnli", 3, "Checkpoint"), (die_in_step, "mnli > mnli", 4, "Guard")]
    siege(launch, pretrained, arguments, moments)
    run_tiny(*arguments)
    expected = trained(Path(run_tiny.output), *arguments)  # type: ignore[attr-defined]
    assert any("points" in name for name in expected)
    assert trained(pretrained, *arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluation.rules=[first]",), ("evaluation.rules", "first", "best", "oracle")),
        (("evaluation.rules=best",), ("evaluation.rules", "best", "list")),
        (("evaluation.rules=[best]", "recipe.target.patience=2"), ("recipe.target.patience", "2", "points")),
        (("recipe.target.selection=average", "recipe.target.patience=2"), ("recipe.target.patience", "2", "average")),
        (("recipe.target.selection=oracle",), ("recipe.target.selection", "oracle", "average")),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(StiltsError) as refused:
        cell_of(*TINY, "+target=xnli", *arguments)
    assert all(word in str(refused.value) for word in words)


def test_an_oracle_needs_dev_rows_of_each_language() -> None:
    cell = cell_of(*TINY, "+target=xquad", "evaluation.rules=[oracle]", "data=hub")
    with pytest.raises(StiltsError, match=r"xquad"):
        plan(cell)


def test_a_target_without_training_has_no_rules(run_tiny: Callable[..., Any]) -> None:
    assert plan(cell_of(*TINY, "+target=tatoeba", RULES)).rules == {}


def test_of_equal_scores_the_first_point_is_the_best() -> None:
    points = [{"step": step, "dev": dev} for step, dev in ((2, 1.0), (4, 3.0), (6, 3.0), (8, 2.0))]
    assert chosen("best", points) == [4]
    assert chosen("last", points) == [8]
    assert chosen("average", points) == [2, 4, 6, 8]


def test_points_are_listed(result: dict[str, Any], run_tiny: Callable[..., Any]) -> None:
    stage = plan(cell_of(*TINY, *CELL, RULES)).rules["oracle"][0].parent
    assert stage is not None
    assert [point["step"] for point in points_of(Store(run_tiny.output).open(stage.key))] == [2, 4, 6]  # type: ignore

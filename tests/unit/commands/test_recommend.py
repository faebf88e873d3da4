"""The command ``recommend``: rules, a finished matrix as a guide, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from support.finished import finished

from stilts_xtreme.commands import recommend as command
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.report import recommend

TASKS = [recommend.Candidate("mnli", "classification", 300), recommend.Candidate("squad_v1", "qa", 80)]
TASKS += [recommend.Candidate("qqp", "classification", 400), recommend.Candidate("ccg", "tagging", 30)]


@pytest.mark.parametrize(
    ("rule", "head", "first"),
    [
        (recommend.SIZE, "tagging", "qqp"),
        (recommend.FORMAT, "tagging", "ccg"),
        (recommend.FORMAT, "classification", "qqp"),
        (recommend.FORMAT, "retrieval", "qqp"),
        (recommend.USUAL, "tagging", "mnli"),
        (recommend.USUAL, "qa", "squad_v1"),
    ],
)
def test_each_rule_has_its_first_task(rule: str, head: str, first: str) -> None:
    assert recommend.ranked(rule, head, TASKS)[0] == first
    assert sorted(recommend.ranked(rule, head, TASKS)) == sorted(task.name for task in TASKS)


def test_the_sizes_are_those_of_the_catalogue() -> None:
    known = {task.name: task for task in recommend.candidates()}
    assert known["mnli"].examples == 392_702
    assert known["anli"].examples == 162_865 + 392_702 + 550_152  # ANLI, MNLI and SNLI
    assert "all" not in known
    assert "none" not in known


def test_regret_is_what_the_first_tasks_stay_behind_the_best() -> None:
    truth = {"mnli": {0: 60.0, 1: 64.0}, "qqp": {0: 63.0, 1: 63.0}, "ccg": {0: 50.0, 1: 51.0}}
    mean, half = recommend.regret(truth, ["mnli", "qqp"], 1)
    assert mean == pytest.approx((3 + 0) / 2)
    assert half is not None
    assert half > 10, "two seeds that differ by three points say little"
    assert recommend.regret(truth, ["mnli", "qqp"], 2)[0] == 0.0
    assert recommend.regret(truth, ["not_there", "ccg"], 1)[0] == pytest.approx((13 + 13) / 2)


def test_a_matrix_is_ranked_by_its_scores_and_the_baseline_is_no_task() -> None:
    cells = [
        finished("mini", "none", {"de": 90.0}),
        finished("mini", "mnli", {"de": 60.0}),
        finished("mini", "qqp", {"de": 63.0}),
    ]
    found = recommend.scores(cells)
    assert found == {"xnli": {"mnli": {0: 60.0}, "qqp": {0: 63.0}}}
    assert recommend.by_matrix(found["xnli"]) == ["qqp", "mnli"]
    with pytest.raises(StiltsError, match="several encoders"):
        recommend.scores([*cells, finished("other", "mnli", {"de": 1.0})])


def test_what_it_prints(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert command.main(["+target=panx"]) == 0
    assert "ccg" in capsys.readouterr().out
    assert command.main(["+target=pank"]) == 1
    assert "target=pank is not known (did you mean 'panx'?)" in capsys.readouterr().err
    assert command.main(["--proxy", "nowhere"]) == 1
    assert "nowhere is not a folder" in capsys.readouterr().err
    matrix = {"xnli": {"mnli": {0: 60.0}, "qqp": {0: 63.0}}}
    monkeypatch.setattr(command, "_matrix", lambda folder: matrix)
    assert command.main(["--measure", "x", "--proxy", "y"]) == 0
    printed = capsys.readouterr().out
    assert "another encoder's matrix" in printed
    assert "3.0" in printed  # mnli alone stays three points behind


def test_what_encoders_are_asked_and_what_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stilts_xtreme.cell import likeness

    def order(cell_of: Callable[[str | None], Cell], tasks: Sequence[str]) -> list[str]:
        cell = cell_of("ccg")
        assert (cell.model.label, cell.seed) == ("mini_xs", 3), "the options of the run reach the cell"
        assert cell.target is not None
        assert cell.target.name == "tydiqa"
        return ["ccg", *(task for task in tasks if task != "ccg")]

    monkeypatch.setattr(likeness, "by_texts", order)
    assert command.main(["+target=tydiqa", "--texts", "model=mini_xs", "seed=3"]) == 0
    assert "│ texts that are alike      │ ccg" in capsys.readouterr().out
    assert command.main(["+target=tydiqa", "+intermediate=mnli"]) == 1
    assert "recommend says which one to take" in capsys.readouterr().err

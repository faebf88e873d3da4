"""Shots of a cell: what is planned, what is keyed, and what is refused before anything is trained."""

from __future__ import annotations

import pytest
from support.cells import cell_of

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.stage import Evaluation, Training

XNLI = ("+target=xnli", "+intermediate=mnli", "trainer=cpu")
REAL = ("data=hub", "data.root=null", "model=xlmr_base", "recipe=phang2020", "trainer=cpu")


def final(*arguments: str) -> Evaluation:
    found = plan(cell_of(*arguments)).final
    assert isinstance(found, Evaluation)
    return found


def test_without_shots_nothing_of_the_group_is_keyed() -> None:
    plain = plan(cell_of(*XNLI))
    options = ("shots.draw=3", "shots.arm=joint", "shots.epochs=2", "shots.learning_rate=1")
    assert [stage.key for stage in plan(cell_of(*XNLI, *options)).stages()] == [stage.key for stage in plain.stages()]


@pytest.mark.parametrize("group", ["shots", "evaluation", "store", "sweep", "sampling", "mlm"])
def test_a_value_for_a_whole_group_of_options_is_refused(group: str) -> None:
    with pytest.raises(StiltsError, match=rf"^{group}=3 is refused: it is a group of options; .* such as {group}\."):
        cell_of(*XNLI, f"{group}=3")


def test_only_evaluations_change_and_all_of_them_have_the_same_shots() -> None:
    plain, few = plan(cell_of(*XNLI)), plan(cell_of(*XNLI, "shots.k=5"))
    trained = [[stage.key for stage in own.stages() if isinstance(stage, Training)] for own in (plain, few)]
    assert trained[0] == trained[1]
    evaluations = [stage for stage in few.stages() if isinstance(stage, Evaluation)]
    assert len(evaluations) == 3, "with random weights, of the baseline, and of the cell"
    assert {stage.shots.options.k for stage in evaluations if stage.shots} == {5}
    assert few.final.label == "mnli > xnli [5 shots, draw 0]"


@pytest.mark.parametrize(
    ("option", "keyed"),
    [
        ("shots.k=6", True),
        ("shots.draw=1", True),
        ("shots.arm=replay", True),
        ("shots.arm=joint", True),
        ("shots.epochs=3", True),
        ("shots.learning_rate=1e-4", True),
        ("seed=1", True),
        ("trainer.threads=3", False),
    ],
)
def test_what_a_training_on_shots_depends_on(option: str, keyed: bool) -> None:
    assert (final(*XNLI, "shots.k=5", option).key != final(*XNLI, "shots.k=5").key) == keyed


def test_a_joint_training_has_no_passes_of_its_own() -> None:
    joint = (*XNLI, "shots.k=5", "shots.arm=joint")
    assert final(*joint, "shots.epochs=3").key == final(*joint).key


@pytest.mark.parametrize(
    ("target", "split"),
    [("xnli", "validation"), ("pawsx", "validation"), ("panx", "train"), ("sib200", "train"), ("xcopa", "validation")],
)
def test_shots_are_never_machine_translated_and_never_test_rows(target: str, split: str) -> None:
    shots = final(f"+target={target}", "shots.k=5", *REAL).shots
    assert shots is not None
    assert shots.rows.split == split
    assert "en" not in shots.rows.languages


def test_shots_are_trained_on_with_the_recipe_of_the_target_but_for_its_steps() -> None:
    few = final(*XNLI, "shots.k=5", "recipe.target.max_steps=7", "recipe.target.selection=best").shots
    assert few is not None
    recipe = few.task.task.recipe
    assert (recipe.max_steps, recipe.selection, recipe.epochs) == (None, "last", 10)
    assert recipe.learning_rate == cell_of(*XNLI).target.recipe.learning_rate  # type: ignore[union-attr]
    assert few.english == ()


def rate(*arguments: str) -> float | None:
    shots = final(*XNLI, "shots.k=5", *arguments).shots
    assert shots is not None
    return shots.task.task.recipe.learning_rate


def test_a_recipe_may_have_a_rate_for_shots_and_the_cell_has_the_last_word() -> None:
    own = "recipe.shots_rate=3e-4"
    assert rate(own) == 3e-4
    assert rate(own, "shots.learning_rate=7e-4") == 7e-4
    assert rate(own, "shots.arm=replay") == 3e-4
    joint = (*XNLI, "shots.k=5", "shots.arm=joint")
    assert final(*joint, own).key == final(*joint).key
    assert final(*XNLI, own).key == final(*XNLI).key, "without shots it is no setting"
    assert final(*XNLI, "shots.k=5", own).key == final(*XNLI, "shots.k=5", "shots.learning_rate=3e-4").key


def test_the_small_recipe_learns_shots_more_slowly_than_the_target() -> None:
    small = ("+target=sib200", "shots.k=5", *REAL, "recipe=small")
    shots, target = final(*small).shots, cell_of(*small).target
    assert shots is not None
    assert target is not None
    assert shots.task.task.recipe.learning_rate < target.recipe.learning_rate


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("+target=tatoeba", "shots.k=5"), r"no head of tatoeba is trained .* such as .*udpos.*xnli"),
        (("+target=lareqa", "shots.k=5"), "no head of lareqa is trained that could learn from shots"),
        (("+target=xquad", "shots.k=5", *REAL), r"xquad has no rows but its test rows in .* such as .*panx"),
        (("+target=udpos", "shots.k=5", *REAL), r"udpos has no train rows in th, tl, yo .*languages=\[af,ar"),
        (("+target=panx", "shots.k=101", "languages=[de,yo]", *REAL), r"fewer train rows .* yo \(100\)"),
        (("+target=xnli", "shots.k=5", "languages=[en]", *REAL), "is evaluated in en alone"),
        (("+intermediate=mnli", "shots.k=2"), r"^shots\.k=2 is refused: shots come before the evaluation of a target"),
        (("+target=xnli", "shots.k=5", "evaluation.rules=[best]"), "evaluation.rules=.* is refused: .*shots"),
        (("+target=xnli", "shots.k=-1"), "shots.k=-1"),
        (("+target=xnli", "shots.k=5", "shots.arm=before"), "after, joint, replay"),
        (("+target=xnli", "shots.k=5", "shots.epochs=0"), "shots.epochs=0"),
        (("+target=xnli", "shots.k=5", "shots.arm=joint", "shots.learning_rate=1e-3"), "recipe.target.learning_rate"),
        (("+target=xnli", "shots.k=5", "recipe.shots_rate=0"), "recipe.shots_rate=0"),
        (("+target=xnli", "recipe.shots_rate=fast"), r"recipe\.shots_rate=fast"),
        (("+target=xnli", "+shots.n=5"), "option 'shots.n'|shots.n"),
        (("+target=xnli", "++dataset.xnli.shots=test"), "dataset.xnli.shots"),
    ],
)
def test_refusals(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(StiltsError, match=words):
        plan(cell_of("trainer=cpu", *arguments))

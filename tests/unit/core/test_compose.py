"""From a command line to a configuration: what is refused is a sentence that names the choices."""

from __future__ import annotations

import pytest

from stilts_xtreme.commands.plan import main as plan
from stilts_xtreme.core.compose import choices, compose, prepare

SWEEP = ("-m", "+target=xnli,panx")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*SWEEP, "hydra/launcher=locl"), "hydra/launcher=locl is not known (did you mean 'local'?); choose one of: "),
        ((*SWEEP, "hydra/sweeper=matrx"), "hydra/sweeper=matrx is not known (did you mean 'matrix'?); choose one of: "),
        (
            (*SWEEP, "hydra/launcher=ray", "hydra.launcher.adress=auto"),
            "option=hydra.launcher.adress is not known (did you mean 'hydra.launcher.address'?); choose one of: hydra.",
        ),
        (
            (*SWEEP, "hydra/launcher=slurm", "hydra.launcher.slots=2"),
            "hydra.launcher.slots is refused with the chosen launcher: it is an option of hydra/launcher=local or ray.",
        ),
        (("+study=phang2020",), "study=phang2020 is a sweep of many cells; add -m to the command."),
    ],
)
def test_what_cannot_be_composed_is_a_sentence(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(list(words)) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", ["study.controls=[placebo]", "controls=[placebo]"])
def test_every_study_takes_controls(option: str) -> None:
    """The file of a study need not name them."""
    for study in choices("study"):
        assert compose(prepare([f"+study={study}", "+target=xnli", option], many=True))["study"]["controls"] == [
            "placebo"
        ]


def test_a_task_that_the_recipe_does_not_name_can_have_values_of_its_own() -> None:
    common = ["+target=masakhaner2", "recipe=small", "recipe.target.tasks.masakhaner2.epochs=10"]
    assert compose(prepare(common))["recipe"]["target"]["tasks"]["masakhaner2"]["epochs"] == 10
    nothing = ["+target=xnli", "recipe.target.tasks=null", "recipe.target.tasks.xnli.epochs=2"]
    assert compose(prepare(nothing))["recipe"]["target"]["tasks"] == {"xnli": {"epochs": 2}}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("recipe.target.tasks.xnlii.epochs=2", "task of recipe.target.tasks=xnlii is not known (did you mean 'xnli'?)"),
        ("recipe.target.tasks.xnli.epoch=2", "epoch is not known (did you mean 'recipe.target.tasks.xnli.epochs'?)"),
    ],
)
def test_such_a_value_is_still_checked(option: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(["+target=xnli", option]) == 1
    assert said in capsys.readouterr().err

"""Callbacks, loggers and options of Lightning's trainer that a user adds: what is keyed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cells import cell_of

from stilts_xtreme.cell.config.extensions import ELSEWHERE, EXTRA, OWN, check_extra, make_callbacks
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError

CELL = ("+intermediate=mnli", "+target=xnli")
MONITOR = "++callbacks.rate._target_=pytorch_lightning.callbacks.LearningRateMonitor"
CHANGER = "++callbacks.mine._target_=my.package.Noise"


def keys(*arguments: str) -> dict[str, str]:
    return {f"{stage.kind} {stage.label}": stage.key for stage in plan(cell_of(*CELL, *arguments)).stages()}


def test_what_watches_is_not_keyed() -> None:
    plain = keys()
    assert keys("callbacks=none") == plain
    for watching in (
        (MONITOR,),
        ("callbacks=learning_rate",),
        ("callbacks=device_stats",),
        (CHANGER, "++callbacks.mine.watches=true"),
        ("++trainer.extra.profiler=simple",),
        ("++logger._target_=pytorch_lightning.loggers.CSVLogger",),
    ):
        assert keys(*watching) == plain


def test_what_may_change_a_training_is_keyed_in_every_training_and_nowhere_else() -> None:
    plain, changed = keys(), keys(CHANGER)
    assert plain.keys() == changed.keys()
    for name, key in plain.items():
        own = name.startswith("floors") or name.startswith("pretrain")
        assert (changed[name] == key) is own, name
    assert keys(CHANGER, "++callbacks.mine.watches=false") == changed
    assert keys(CHANGER, MONITOR) == changed
    assert len({keys(CHANGER, *more)["train mnli"] for more in ((), ("++callbacks.mine.size=1",))}) == 2
    # one's own word counts more than what is known of Lightning's
    assert keys(MONITOR, "++callbacks.rate.watches=false") != plain


def test_a_callback_can_be_taken_away_again() -> None:
    assert make_callbacks({"rate": None}) == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"x": 3}, "callbacks.x=3 is refused: it needs a _target_"),
        ({"x": {}}, "callbacks.x._target_=null is refused: it must be a class with its module"),
        ({"x": {"_target_": "Noise"}}, "callbacks.x._target_=Noise is refused"),
        ({"x": {"_target_": "a.B", "watches": "yes"}}, "callbacks.x.watches=yes is refused: it must be true or false"),
        *(
            ({"x": {"_target_": f"{package}.callbacks.{kind}"}}, reason.split(";")[0].replace("*", r"\*"))
            for kind, reason in OWN.items()
            for package in ("pytorch_lightning", "lightning.pytorch")
        ),
    ],
)
def test_callbacks_that_cannot_be_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(StiltsError, match=words):
        make_callbacks(values)


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_what_breaks_a_training_is_refused_with_what_does_it_here(name: str) -> None:
    with pytest.raises(StiltsError, match=rf"trainer\.extra\.{name}=2 is refused: ") as error:
        cell_of(*CELL, f"++trainer.extra.{name}=2")
    assert ELSEWHERE[name] in str(error.value)


def test_every_option_of_lightnings_trainer_is_known() -> None:
    import inspect

    import pytorch_lightning as pl

    known = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
    assert set(EXTRA) | set(ELSEWHERE) <= known
    assert known - set(EXTRA) - set(ELSEWHERE) == {"enable_autolog_hparams"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("profiler", "sumple", r"profiler=sumple is not known \(did you mean 'simple'\?\); choose one of: advanced"),
        ("log_every_n_steps", 0, "log_every_n_steps=0 is refused: it must be a whole number of at least 1"),
        ("deterministic", "yes", "deterministic=yes is refused: it must be true or false"),
        ("benchmark", 3, "benchmark=3 is refused: it must be true or false"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(StiltsError, match=rf"trainer\.extra\.{words}"):
        check_extra({name: value})


def test_values_that_can_be_are_taken() -> None:
    check_extra(dict.fromkeys(EXTRA))
    check_extra({"profiler": "simple", "deterministic": "warn", "benchmark": True, "log_every_n_steps": 1})


@given(st.text("abcdefgh_", min_size=1).filter(lambda name: name not in EXTRA and name not in ELSEWHERE))
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(StiltsError, match=f"option of trainer.extra={name} is not known"):
        check_extra({name: 1})

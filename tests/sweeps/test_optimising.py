"""A sweeper that optimises: what it is told of each cell, whichever launcher runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from support.cells import TINY
from support.sweeps import SLOTS

from stilts_xtreme.__main__ import main

TOLD: list[float] = []


class Greedy(Sweeper):
    """Tries two learning rates, one after the other, and keeps what it is told."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        for index, rate in enumerate(("1e-3", "1e-8")):
            batch = [[*arguments, f"recipe.target.learning_rate={rate}"]]
            TOLD.extend(float(job.return_value) for job in self.launcher.launch(batch, initial_job_idx=index))


@pytest.fixture(autouse=True)
def _greedy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import hydra_plugins

    module = ModuleType("hydra_plugins.search_of_tests")
    module.Greedy = Greedy  # type: ignore[attr-defined]
    monkeypatch.setattr(Greedy, "__module__", module.__name__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(hydra_plugins, "search_of_tests", module, raising=False)
    Plugins.instance().register(Greedy)
    node = {"_target_": "hydra_plugins.search_of_tests.Greedy"}
    ConfigStore.instance().store(group="hydra/sweeper", name="greedy", node=node, provider="tests")
    TOLD.clear()
    yield
    del ConfigStore.instance().repo["hydra"]["sweeper"]["greedy.yaml"]


@pytest.mark.parametrize(("launcher", "options"), [("local", SLOTS), ("basic", ())])
@pytest.mark.parametrize("aim", ["dev", "test"])
def test_what_a_sweeper_is_told(
    aim: str,
    launcher: str,
    options: tuple[str, ...],
    pretrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    how = ("hydra/sweeper=greedy", f"hydra/launcher={launcher}", f"sweep.objective={aim}", "+target=panx")
    line = ["stilts_xtreme", "-m", *TINY, *options, f"output={pretrained}", *how, "evaluation.floors=false"]
    monkeypatch.setattr(sys, "argv", line)
    capsys.readouterr()
    code = main()
    said = capsys.readouterr()
    assert code == 0, said.err
    (place,) = pretrained.glob("studies/*/objective.json")
    written = json.loads(place.read_text())
    assert written["objective"] == aim
    assert f"(sweep.objective={aim})" in said.out
    expected = []
    for entry in written["tried"]:
        found = json.loads((pretrained / "cells" / entry["cell"] / "result.json").read_text())
        (dev,) = next(stage["info"]["dev"] for stage in found["stages"] if stage["kind"] == "train").values()
        score = {"dev": dev, "test": found["averages"]["zero_shot_value"]}[aim]
        expected.append(0.0 if found["collapsed"] else score)
    assert expected == TOLD
    assert len(expected) == 2


def test_a_target_without_training_is_refused_at_once(sweep: Callable[..., Any], pretrained: Path) -> None:
    code, _, err = sweep(pretrained, "hydra/sweeper=greedy", "+target=tatoeba")
    assert code == 1
    assert "sweep.objective=dev is refused for tatoeba, which trains on nothing" in err
    assert not list(pretrained.glob("cells/*"))

"""The session of a command: it travels with the task function, and a copy in another process is empty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from support.cells import ROOT, composed

from stilts_xtreme.__main__ import application
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep.planning import controls
from stilts_xtreme.sweep.session import Session, session_of


def a_result(cell: str, **more: Any) -> dict[str, Any]:
    return {"cell": cell, "target": "xnli", "intermediate": [], "averages": {"all_value": 1.0}, **more}


def test_results_and_errors_come_once(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session()
    session.add([a_result("one"), a_result("two")], {"name": "sizes", "axis": "size"}, "out")
    session.add([a_result("two"), a_result("three")], {}, "")  # a batch in which every cell was refused
    assert [result["cell"] for result in session.results] == ["one", "two", "three"]
    assert (session.study, session.axis, session.output) == ("sizes", "size", "out")
    session.fail("It is wrong.")
    session.fail(StiltsError("It is wrong."))
    assert capsys.readouterr().err == "error: It is wrong.\n"
    assert session.errors == ["It is wrong."]


def test_a_copy_in_another_process_is_empty_and_knows_it(tmp_path: Path) -> None:
    session = Session()
    session.fail("It is wrong.")
    task = application(session)
    assert session_of(task) is session
    (tmp_path / "task").write_bytes(cloudpickle.dumps(task))
    code = (
        "import pathlib, pickle, sys; from stilts_xtreme.sweep.session import session_of; "
        "task = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()); session = session_of(task); "
        "assert session.away and not session.errors; "
        "assert any(cell.cell_contents is session for cell in task.__closure__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "task")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not session.away


def test_a_task_function_of_another_program_is_refused() -> None:
    with pytest.raises(StiltsError, match="of another program"):
        session_of(lambda cfg: None)


STUDY = "study.controls=['model.weights=random','baseline=false']"


def test_a_baseline_has_the_controls_of_its_study() -> None:
    config = composed("+target=xnli", "+study=phang2020", STUDY)
    found = list(controls(config))
    assert [option for option, _ in found] == ["model.weights=random", "baseline=false"]
    assert [(changed["model"]["weights"], changed["baseline"]) for _, changed in found] == [
        ("random", True),
        ("pretrained", False),
    ]
    assert config == composed("+target=xnli", "+study=phang2020", STUDY)


@pytest.mark.parametrize("arguments", [("+intermediate=mnli", "+target=xnli"), ("+intermediate=mnli",)])
def test_other_cells_have_none(arguments: tuple[str, ...]) -> None:
    assert not list(controls(composed(*arguments, "+study=phang2020", STUDY)))


NAMED = ("+study=phang2020", "controls=[random,placebo]")


def test_named_controls_belong_to_the_cells_that_they_control() -> None:
    ((name, without),) = controls(composed("+target=xnli", *NAMED))
    assert (name, without["model"]["weights"]) == ("model.weights=random", "random")
    ((name, with_one),) = controls(composed("+intermediate=mnli", "+target=xnli", *NAMED))
    assert (name, with_one["control"]) == ("control=placebo", "placebo")
    assert not list(controls(composed("+intermediate=mnli", *NAMED)))
    assert not list(controls(composed("+intermediate=mnli", "+target=xnli", "control=placebo", *NAMED)))


def test_a_launcher_of_hydras_own_leaves_them_to_do() -> None:
    session = Session()
    session.ran(composed("+target=xnli", "+study=phang2020", STUDY), a_result("baseline"))
    session.ran(composed("+intermediate=mnli", "+target=xnli", "+study=phang2020", STUDY), a_result("after"))
    assert len(session.controls) == 2
    assert session.by_cell

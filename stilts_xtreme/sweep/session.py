"""The session of one command: what its cells came to, what went wrong, and the controls that are left to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.result import recalled
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import terminal
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import digest_of
from stilts_xtreme.report import finished
from stilts_xtreme.sweep import objective
from stilts_xtreme.sweep.objective import Search
from stilts_xtreme.sweep.planning import controls, planned_cell


class Session:
    """Gathers what comes of one command.

    It travels with Hydra's task function, which launchers and sweepers are given (:func:`bind`, :func:`session_of`).
    A launcher that takes the task function to another process takes a copy along. Nothing that is put into a copy comes
    back, so a copy is empty and says that it is ``away``; what its cell came to is in the cell's folder.

    Attributes:
        away: Whether this is a copy in another process than the command's.
        results: What ``result.json`` holds of each cell, once, in the order in which they came.
        errors: What went wrong, each sentence once.
        study: Name of the study; None for a sweep without one.
        axis: The axis of the study's curves; None for a matrix.
        analysis: The analysis that the study ends with; None for none.
        hypothesis: What the study supposed before it ran.
        output: The output folder; empty before the first result.
        records: The folders of the sweeps that were run; a sweeper that goes by batches has several.
        by_cell: Whether a launcher of Hydra's own ran the sweep, cell by cell.
        controls: Configurations of controls that such a launcher has left to do.
        search: What a sweeper that optimises has tried.
    """

    def __init__(self, away: bool = False) -> None:
        self.away = away
        self.results: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.study: str | None = None
        self.axis: str | None = None
        self.analysis: str | None = None
        self.hypothesis: str | None = None
        self.output = ""
        self.records: list[Path] = []
        self.by_cell = False
        self.controls: list[dict[str, Any]] = []
        self.search = Search()
        self._ran: set[str] = set()

    def __reduce__(self) -> tuple[type[Session], tuple[bool]]:
        return Session, (True,)

    def fail(self, error: StiltsError | str) -> None:
        """Says an error, once; Hydra would print more than the sentence and stop at the first."""
        if str(error) not in self.errors:
            self.errors.append(str(error))
            terminal.error(error)

    def add(
        self, results: Iterable[dict[str, Any]], study: Mapping[str, Any], output: str, record: Path | None = None
    ) -> None:
        """Adds the results of a launch; sweepers that go by batches launch several times.

        Args:
            results: Of cells; what is there already is passed over.
            study: The settings of the study; empty without one.
            output: The output folder; empty where nothing was run.
            record: The folder of the sweep; None where there is none.
        """
        known = {result["cell"] for result in self.results}
        self.results.extend(result for result in results if result["cell"] not in known)
        if record is not None and record not in self.records:
            self.records.append(record)
        if output:
            self.study, self.axis, self.output = study.get("name"), study.get("axis"), output
            self.analysis, self.hypothesis = study.get("analysis"), study.get("hypothesis")

    def ran(self, config: dict[str, Any], result: dict[str, Any]) -> None:
        """Adds a cell that a launcher of Hydra's own has run."""
        self.add([result], config.get("study") or {}, config["output"])
        self.by_cell = True
        self._ran.add(digest_of(config))
        self.controls.extend(changed for _, changed in controls(config))

    def told(self, config: Mapping[str, Any], result: Mapping[str, Any], overrides: Iterable[str]) -> float:
        """What a sweeper that optimises is told of a cell; it is kept for the end of the sweep.

        Args:
            config: The composed configuration, plain.
            result: What ``result.json`` holds.
            overrides: The options of the job.

        Raises:
            StiltsError: The cell has no such score.
        """
        score = objective.value(config, result)
        aim, collapsed = config["sweep"]["objective"], bool(result["collapsed"])
        self.search.add(list(overrides), aim, score, result["cell"], collapsed)
        return score

    def find(self, config: dict[str, Any]) -> None:
        """Adds a cell that a launcher of Hydra's own has run, in whichever process, from its folder.

        A cell that ran in this process is there, and is not planned again.
        """
        if digest_of(config) in self._ran:
            return
        entry = planned_cell(config)
        folder = Path(entry.cell.output) / "cells" / entry.name
        if finished.begun(folder) and all(result["cell"] != entry.name for result in self.results):
            try:
                found = finished.read_result(folder)
                self.ran(config, recalled(found, entry.planned, Store(entry.cell.output)))
            except StiltsError as error:  # the other cells of the sweep have results
                self.fail(error)

    def run_controls(self) -> None:
        """Runs the controls that are left."""
        from stilts_xtreme.cell.run import run

        for config in self.controls:
            try:
                self.add([run(config)], config.get("study") or {}, config["output"])
            except StiltsError as error:
                self.fail(error)
        self.controls.clear()


def bind(task: Callable[..., Any], session: Session) -> None:
    """Lets a session travel with a task function."""
    task.session = session  # type: ignore[attr-defined]


def session_of(task: Callable[..., Any]) -> Session:
    """The session that travels with a task function.

    Raises:
        StiltsError: When the function is of another application.
    """
    found = getattr(task, "session", None)
    if not isinstance(found, Session):
        raise StiltsError(
            f"The launchers and the sweeper of stilts_xtreme run its own cells alone, not {task!r} of another program."
        )
    return found

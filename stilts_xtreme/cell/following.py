"""What runs follow: a stage while it trains, and a cell once it is finished."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stilts_xtreme.cell import lightning_run, mlflow_run
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.tracking import LOCAL, Goal, Tracker
from stilts_xtreme.core.progress import Phase
from stilts_xtreme.core.stage import Stage
from stilts_xtreme.report import matrix_run, runs
from stilts_xtreme.report.runs import CURVED, MATRIX, TABLE, Run


class Followed:
    """A stage that is made, and its run, which begins when the stage does.

    Args:
        tracker: Sends the run; None for a stage that does not train.
    """

    def __init__(self, tracker: Tracker | None):
        self.tracker = tracker

    def begin(self, phases: Sequence[Phase]) -> Callable[[dict[str, Any]], None]:
        """Begins the run.

        Args:
            phases: Those of the stage; it grows.

        Returns:
            What is told of each point of the curve.
        """
        tracker = self.tracker
        if tracker is None:
            return lambda values: None
        tracker.begin()
        pace = Pace(phases)
        return lambda values: tracker.point(pace(values))


@contextmanager
def stage(goal: Goal, stage: Stage, axes: Mapping[str, Any], store: Store) -> Iterator[Followed]:
    """Follows a stage that is made in the block; its run ends once the stage is published, or has failed.

    Args:
        goal: Where its run goes.
        stage: The stage.
        axes: Its axes.
        store: Where it is published.
    """
    if stage.kind not in CURVED:
        yield Followed(None)
        return
    parent = stage.parents[0].key if stage.parents else None
    tracker = Tracker(goal, runs.stage_run(stage.key, stage.kind, stage.label, parent, axes, stage.identity))
    try:
        yield Followed(tracker)
    except BaseException:
        tracker.end(None)
        raise
    _end(tracker, store)


def _end(tracker: Tracker, store: Store) -> None:
    if tracker.backend is not None:
        manifest = store.manifest(tracker.run.id)
        tracker.end(runs.of_stage(manifest) if manifest else None, store.path)


def send_stage(goal: Goal, key: str, kind: str, store: Store) -> None:
    """Sends a stage that was finished before to a logger of files that has no run of it.

    Args:
        goal: Where runs go.
        key: The stage's key.
        kind: Its kind.
        store: Where it is.
    """
    if kind not in CURVED or goal.kind not in (*LOCAL, "mlflow"):
        return
    manifest = store.manifest(key)
    if manifest is None or is_there(goal, run := runs.of_stage(manifest)):
        return
    with store.lock(f"curves-{key}", f"the curves of {run.name}"):
        if is_there(goal, run):
            return
        tracker = Tracker(goal, run)
        tracker.begin()
        for line in (store.path(key) / "curve.jsonl").read_text(encoding="utf-8").splitlines():
            tracker.point(json.loads(line))
        _end(tracker, store)


def is_there(goal: Goal, run: Run) -> bool:
    """Whether a logger of files has a run already."""
    if goal.kind == "mlflow":
        return mlflow_run.is_there(goal.settings, goal.output, run)
    return lightning_run.is_there(goal.kind, goal.curves(run))


def send_cell(goal: Goal, result: Mapping[str, Any], store: Store) -> None:
    """Sends a finished cell.

    Args:
        goal: Where its run goes.
        result: What ``result.json`` holds.
        store: Where its stages are.
    """
    run = runs.of_cell(result)
    tracker = Tracker(goal, run)
    tracker.begin()
    tracker.table(TABLE, *runs.table_of(result))
    tracker.end(run, store.path)


def send_matrix(goal: Goal, sweep: str, results: Sequence[Mapping[str, Any]]) -> None:
    """Sends the matrix of a sweep to W&B; other loggers have no such run.

    Args:
        goal: Where its run goes.
        sweep: The name of the sweep.
        results: Of its cells.
    """
    matrix = matrix_run.matrix_of(results) if goal.kind == "wandb" else None
    if matrix is None:
        return
    run = matrix_run.of_sweep(sweep, results, matrix)
    tracker = Tracker(goal, run)
    tracker.begin()
    if tracker.backend is None:
        return
    tracker.table(MATRIX[0], matrix_run.COLUMNS, matrix_run.table(matrix))
    with tempfile.TemporaryDirectory() as scratch:
        matrix_run.draw(matrix, picture := Path(scratch) / "matrix.png")
        tracker.picture(picture)
        tracker.end(run)


class Pace:
    """Tokens a second between the points of a curve at which a loss is known.

    What lies between such a point and one of dev scores is the time of the scoring, and counts for nothing.

    Args:
        phases: The phases of the stage, the training the last of them.
    """

    def __init__(self, phases: Sequence[Phase]):
        self.phases = phases
        self.tokens, self.since = 0, time.monotonic()

    def __call__(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A point with its ``tokens_per_second``; one that comes from a checkpoint, not from now, has none."""
        now, tokens = time.monotonic(), self.phases[-1].tokens if self.phases else 0
        done, seconds = tokens - self.tokens, now - self.since
        self.tokens, self.since = tokens, now
        pace = {"tokens_per_second": done / seconds} if "loss" in values and done > 0 and seconds > 0 else {}
        return {**values, **pace}

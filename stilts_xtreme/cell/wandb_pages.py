"""The saved view of a project in W&B, and the draft of a report: which runs they show, by what, in which panels.

They are made with W&B's package wandb-workspaces, which is an extra.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.wandb_run import short
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.report.runs import CELL, MATRIX, REPORT, TABLE

FILE = "wandb_pages.json"
"""Of an output folder: the addresses of the pages that were made for it."""
VIEW, DRAFT = "Transfer", "Transfer between languages"
"""The names of the view and of the draft."""
COLUMNS = ("intermediate", "target", "model", "seed", "volume", "rule")
"""Axes that the table of runs shows first."""
SCORES = ("zero_shot_value", "zero_shot_gain", "all_value", "collapsed")
"""Scores that the table of runs shows first."""
TRAINING = ("loss", "dev", "learning_rate", "tokens_per_second")
"""Curves of stages."""
STAGES = ("pretrain", "intermediate", "target")
"""Types of jobs of the runs of stages."""


def check() -> None:
    """Says what is missing.

    Raises:
        StiltsError: The package is not there.
    """
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise StiltsError("track workspace needs the package wandb-workspaces: pip install 'stilts-xtreme[wandb]'.")


def make(entity: str, project: str, output: Path) -> dict[str, str]:
    """Makes the view and the draft; those that were made before for this folder and project are made anew in place.

    Args:
        entity: The user or team.
        project: The project.
        output: The output folder; it keeps the addresses.

    Returns:
        The addresses of ``view`` and ``report``.

    Raises:
        StiltsError: The server does not take them.
    """
    if not os.access(output, os.W_OK):
        raise StiltsError(f"OUTPUT={output} cannot be written, and the addresses of the pages are kept there.")
    place = output / FILE
    kept = read_json(place) if place.exists() else {}
    before = kept.get(f"{entity}/{project}") or {}
    try:
        view = _view(entity, project, before.get("view"))
        found = {"view": view, "report": _draft(entity, project, before.get("report"))}
    except Exception as error:  # the package raises errors of no class of its own
        why = f"{type(error).__name__}: {short(error)}"
        raise StiltsError(f"The server of W&B does not take the pages of {entity}/{project} ({why}).") from error
    write_atomic(place, json.dumps({**kept, f"{entity}/{project}": found}, indent=1))
    return found


def _view(entity: str, project: str, address: str | None) -> str:
    import wandb_workspaces.workspaces as ws

    view = ws.Workspace(entity=entity, project=project, name=VIEW)
    if address is not None:
        with contextlib.suppress(ValueError):  # somebody has removed it
            view = ws.Workspace.from_url(address)
    view.sections = sections()
    view.runset_settings = runs_of_cells()
    view.save()
    return str(view.url)


def sections() -> list[Any]:
    """The sections of the view: the scores of cells, the matrix of sweeps, and the curves of stages."""
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    return [
        ws.Section(name="Transfer", is_open=True, panels=score_panels()),
        ws.Section(name="The matrix of a sweep", is_open=True, panels=[matrix_panel()]),
        ws.Section(name="Languages", panels=[wr.WeavePanelSummaryTable(table_name=TABLE)]),
        ws.Section(name="Training", panels=curve_panels()),
    ]


def score_panels() -> list[Any]:
    """What cells are compared by."""
    import wandb_workspaces.reports.v2 as wr

    axes = [wr.ParallelCoordinatesPlotColumn(metric=wr.Config(name)) for name in ("intermediate", "target", "seed")]
    score = wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric("zero_shot_gain"))
    by = wr.Config("intermediate")
    return [
        wr.BarPlot(title="Gain over no intermediate task, zero-shot mean", metrics=["zero_shot_gain"], groupby=by),
        wr.BarPlot(title="Score, zero-shot mean", metrics=["zero_shot_value"], groupby=by),
        wr.ParallelCoordinatesPlot(title="What the gain goes with", columns=[*axes, score]),
    ]


def matrix_panel() -> Any:
    """The heat map at the end of a sweep."""
    import wandb_workspaces.reports.v2 as wr

    return wr.MediaBrowser(title="Matrix", media_keys=[MATRIX[1]], num_columns=1)


def curve_panels() -> list[Any]:
    """The curves of stages."""
    import wandb_workspaces.reports.v2 as wr

    return [wr.LinePlot(title=name.replace("_", " "), x="Step", y=[name]) for name in TRAINING]


def runs_of_cells() -> Any:
    """The table of runs: cells first, by gain."""
    import wandb_workspaces.expr as ex
    import wandb_workspaces.workspaces as ws

    return ws.RunsetSettings(
        order=[ex.Ordering(ex.Summary("zero_shot_gain"), ascending=False)],
        pinned_columns=[*(f"config:{name}" for name in COLUMNS), *(f"summary:{name}" for name in SCORES)],
    )


def _draft(entity: str, project: str, address: str | None) -> str:
    import wandb_workspaces.reports.v2 as wr

    draft = wr.Report(entity=entity, project=project, title=DRAFT)
    if address is not None:
        with contextlib.suppress(ValueError):  # somebody has removed it
            draft = wr.Report.from_url(address)
    draft.blocks = blocks(entity, project)
    draft.save(draft=True)
    return str(draft.url)


def blocks(entity: str, project: str) -> list[Any]:
    """The parts of the draft.

    Args:
        entity: The user or team.
        project: The project.
    """
    import wandb_workspaces.reports.v2 as wr

    def runs(name: str, *kinds: str) -> Any:
        filters = " or ".join(f"JobType = '{kind}'" for kind in kinds)
        return wr.Runset(entity=entity, project=project, name=name, filters=filters)

    return [
        wr.TableOfContents(),
        wr.H1("Which intermediate task helps which target?"),
        wr.P("Say here what was asked, and what the answer is."),
        wr.PanelGrid(runsets=[runs("matrices", REPORT)], panels=[matrix_panel()]),
        wr.H1("Gains"),
        wr.P("A gain is over the same encoder without an intermediate task, in percentage points, with the same seed."),
        wr.PanelGrid(runsets=[runs("cells", CELL)], panels=score_panels()),
        wr.H1("Languages"),
        wr.PanelGrid(runsets=[runs("cells", CELL)], panels=[wr.WeavePanelSummaryTable(table_name=TABLE)]),
        wr.H1("Training"),
        wr.PanelGrid(runsets=[runs("stages", *STAGES)], panels=curve_panels()),
    ]

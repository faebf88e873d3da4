"""Sends to W&B, from the files of an output folder, what its server does not have."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.local_runs import LocalRun
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.wandb_run import WandbRun, short
from stilts_xtreme.cell.wandb_settings import INIT_SECONDS, OPTIONS, PROJECT, checked_options, mode_of, own_settings
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import matrix_run, runs
from stilts_xtreme.report.runs import MATRIX, TABLE, Keys

AT_ONCE = 100
"""So many runs the server is asked about in one request."""
AGAIN = "the same command goes on from there"


@dataclass(frozen=True)
class Known:
    """What the server has of a run.

    Attributes:
        state: ``finished`` for one that has ended well.
        summary: Its summary.
    """

    state: str
    summary: Mapping[str, Any]


def login() -> None:
    """Makes sure that something can be sent.

    Raises:
        StiltsError: W&B is told to stay offline, or nobody is logged in.
    """
    mode, reason = mode_of({})
    if mode != "online":
        because = reason or f"W&B's own settings say mode={mode}, such as by WANDB_MODE"
        raise StiltsError(f"Nothing can be sent: {because}.")


def options_of(local: LocalRun, given: Mapping[str, Any]) -> dict[str, Any]:
    """The group ``logger`` by which a run is sent.

    Args:
        local: The run.
        given: ``project``, ``entity`` and ``group`` that win over those of its cell; None leaves a choice to it.
    """
    own = local.logger if local.logger.get("kind") == "wandb" else {}
    named = {name: own.get(name) for name in OPTIONS if name != "mode"}
    return checked_options({**named, **{name: value for name, value in given.items() if value is not None}})


def lacking(
    found: Sequence[LocalRun], given: Mapping[str, Any], progress: Callable[[int], None] = lambda count: None
) -> list[LocalRun]:
    """The runs that the server does not have as they are here.

    Args:
        found: Runs of an output folder.
        given: As in :func:`options_of`.
        progress: Told how many runs the server was asked about, each time.

    Raises:
        StiltsError: The server does not answer.
    """
    places: dict[tuple[str, str | None], list[LocalRun]] = {}
    for local in found:
        places.setdefault(place_of(options_of(local, given)), []).append(local)
    missing = set()
    for (project, entity), own in places.items():
        for at in range(0, len(own), AT_ONCE):
            part = own[at : at + AT_ONCE]
            known = _ask(project, entity, [local.run.id for local in part])
            missing |= {local.run.id for local in part if not is_equal(local, known.get(local.run.id))}
            progress(len(part))
    return [local for local in found if local.run.id in missing]


def place_of(options: Mapping[str, Any]) -> tuple[str, str | None]:
    """The project and the entity of a run; None for that of the user.

    Args:
        options: The group ``logger`` by which it is sent.
    """
    settings, given = own_settings()
    project = options.get("project") or (settings.project if "project" in given else PROJECT)
    return str(project), options.get("entity") or (settings.entity if "entity" in given else None)


def own_entity() -> str:
    """The entity of the user who is logged in.

    Raises:
        StiltsError: The server does not answer.
    """
    import wandb

    try:
        return str(wandb.Api(timeout=int(INIT_SECONDS)).default_entity)
    except (wandb.errors.Error, OSError) as error:
        raise StiltsError(f"The server of W&B does not answer ({short(error)}); {AGAIN}.") from error


def _ask(project: str, entity: str | None, ids: Sequence[str]) -> dict[str, Known]:
    """What the server has of runs, by their ids."""
    import wandb

    try:
        api = wandb.Api(timeout=int(INIT_SECONDS))
        asked = api.runs(
            f"{entity or api.default_entity}/{project}",
            filters={"name": {"$in": list(ids)}},
            per_page=AT_ONCE,
            lazy=False,
        )
        return {run.id: Known(run.state, dict(run.summary_metrics)) for run in asked}
    except ValueError as error:
        if str(error).startswith("Could not find project"):
            return {}
        raise
    except (wandb.errors.Error, OSError) as error:
        raise StiltsError(f"The server of W&B does not answer ({short(error)}); {AGAIN}.") from error


def is_equal(local: LocalRun, known: Known | None) -> bool:
    """Whether the server has a run as it is here: finished, with the last point and all numbers, and its table.

    Args:
        local: The run here.
        known: The run there; None where there is none.
    """
    if known is None or known.state != "finished":
        return False
    if local.result is not None and runs.table_of(local.result)[1] and TABLE not in known.summary:
        return False
    if local.matrix is not None and MATRIX[0] not in known.summary:
        return False
    curve = points(local)
    if curve and int(known.summary.get("_step", -1)) < curve[-1][0]:
        return False
    return all(_same(known.summary.get(name), value) for name, value in local.run.summary.items())


def _same(there: Any, here: float) -> bool:
    return isinstance(there, int | float) and math.isclose(there, here, rel_tol=1e-9, abs_tol=1e-12)


def points(local: LocalRun) -> list[tuple[int, dict[str, float]]]:
    """The points of a stage's curve; none of other runs."""
    if local.curve is None or not local.curve.exists():
        return []
    keys = Keys()
    return [runs.point(json.loads(line), keys) for line in local.curve.read_text(encoding="utf-8").splitlines()]


def send(local: LocalRun, given: Mapping[str, Any], store: Store) -> None:
    """Sends a run; of a curve, the points that the server lacks.

    Args:
        local: The run.
        given: As in :func:`options_of`.
        store: Where stages are, for the lineage.

    Raises:
        StiltsError: The server does not take it, or not everything of it in time.
    """
    import wandb

    options = {**options_of(local, given), "mode": "online"}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        try:
            sent = WandbRun(options, place, local.run, local.group, _refuse, falls_back=False)
            for step, numbers in points(local):
                if numbers:
                    sent.point(step, numbers)
            if local.result is not None:
                sent.table(TABLE, *runs.table_of(local.result))
            if local.matrix is not None:
                sent.table(MATRIX[0], matrix_run.COLUMNS, matrix_run.table(local.matrix))
                matrix_run.draw(local.matrix, picture := place / "matrix.png")
                sent.picture(picture)
            sent.lineage(local.run, store.path)
            sent.end(local.run, False)
        except (wandb.errors.Error, TimeoutError, OSError) as error:
            raise StiltsError(
                f"The server of W&B does not take the run {local.run.name} ({short(error)}); {AGAIN}."
            ) from error


def _refuse(text: str) -> None:
    raise TimeoutError(text)

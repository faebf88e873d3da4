"""One run of MLflow: of a stage while it trains, or of a cell.

By default all runs are in a database of the output folder, and nothing goes over the network.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import shared
from stilts_xtreme.core.text import without_password
from stilts_xtreme.report.runs import AXES, Run

EXPERIMENT = "stilts_xtreme"
DATABASE = "mlflow.db"
ID = "stilts_xtreme.run"
"""The tag by which a run is found again."""
LONGEST = 500
"""Characters of a parameter that MLflow has always taken."""
BATCH = 1000
"""Numbers that MLflow takes at once."""
MORE = ("kind", "label", "phase", "stage", "parent", "cell")
"""Keys of a configuration that are parameters beside the axes."""


def check(settings: Mapping[str, Any]) -> None:
    """Refuses what MLflow would refuse.

    Raises:
        StiltsError: A package is missing, or the place of the runs is no address.
    """
    for package in ("mlflow", "sqlalchemy", "alembic"):
        if importlib.util.find_spec(package) is None:
            raise StiltsError(f"logger=mlflow needs the package {package}: pip install 'stilts-xtreme[mlflow]'.")
    uri = settings.get("uri")
    if uri is not None and not (isinstance(uri, str) and "://" in uri):
        raise StiltsError(
            f"logger.uri={uri} is refused: it must be an address as MLflow takes it, such as "
            "sqlite:////home/me/mlflow.db or http://localhost:5000; null is a database in the output folder."
        )
    if uri is not None and (shown := without_password(uri)) != uri:
        raise StiltsError(
            f"logger.uri={shown} is refused: it has a password, which config.json of each cell would show; give the "
            "address by MLFLOW_TRACKING_URI instead."
        )


def uri_of(settings: Mapping[str, Any], output: Path) -> str:
    """Where the runs are: what the option says, else ``MLFLOW_TRACKING_URI``, else a database in the output folder."""
    given = settings.get("uri") or os.environ.get("MLFLOW_TRACKING_URI")
    return str(given) if given else f"sqlite:///{(output / DATABASE).absolute()}"


def is_there(settings: Mapping[str, Any], output: Path, run: Run) -> bool:
    """Whether a finished run is there already."""
    client, experiment = _client(settings, output)
    found = _find(client, experiment, run)
    return found is not None and found.info.status == "FINISHED"


class MlflowRun:
    """A run of MLflow; one with the id of an earlier one continues it, and no step comes twice.

    Args:
        settings: The checked group ``logger``.
        output: The output folder.
        run: The run.
        group: What runs are grouped by; a tag.
    """

    def __init__(self, settings: Mapping[str, Any], output: Path, run: Run, group: str):
        from mlflow.entities import Param

        client, experiment = _client(settings, output)
        found = _find(client, experiment, run)
        tags = {ID: run.id, "group": group, "job_type": run.job_type, "tags": ",".join(run.tags)}
        tags |= {f"tag.{word}": "true" for word in settings.get("tags") or ()}
        if found is None:
            found = client.create_run(experiment, tags=tags, run_name=run.name)
        else:
            client.update_run(found.info.run_id, status="RUNNING")
        self.client, self.id = client, found.info.run_id
        self.last: dict[str, int] = {}
        known = found.data.params
        axes = {name: run.config.get(name) for name in (*AXES, *MORE)}
        params = [Param(name, str(value)[:LONGEST]) for name, value in axes.items() if name not in known]
        client.log_batch(self.id, params=params)

    def point(self, step: int, values: Mapping[str, float]) -> None:
        """Logs numbers of a step, but for those that an earlier attempt has logged."""
        from mlflow.entities import Metric

        for key in values:
            if key not in self.last:
                self.last[key] = max((old.step for old in self.client.get_metric_history(self.id, key)), default=-1)
        fresh = {key: value for key, value in values.items() if step > self.last[key]}
        now = int(time.time() * 1000)
        points = [Metric(key, value, now, step) for key, value in fresh.items()]
        for at in range(0, len(points), BATCH):
            self.client.log_batch(self.id, metrics=points[at : at + BATCH])

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """MLflow's small package knows no tables; the numbers of the table are metrics."""

    def picture(self, path: Path) -> None:
        """MLflow has no run of a report."""

    def lineage(self, run: Run, folder_of: Callable[[str], Path]) -> None:
        """Names the folders of the stages as tags."""
        for key in run.uses:
            self.client.set_tag(self.id, f"uses.{key}", str(folder_of(key).absolute()))
        if run.gives:
            self.client.set_tag(self.id, "gives", str(folder_of(run.gives).absolute()))

    def end(self, run: Run | None, failed: bool) -> None:
        """Logs the numbers of the end, once, and ends the run."""
        if run is not None and run.summary:
            self.point(int(run.summary.get("steps", 0)), run.summary)
        self.client.set_terminated(self.id, status="FAILED" if failed else "FINISHED")


def _client(settings: Mapping[str, Any], output: Path) -> tuple[Any, str]:
    """MLflow's client, and the id of the experiment, which is made once."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # its figures about itself go over the network
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    name = settings.get("project") or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    (output / "locks").mkdir(parents=True, exist_ok=True)
    with FileLock(output / "locks" / "mlflow.lock", mode=shared()):  # to make the database twice at once fails
        client = MlflowClient(uri_of(settings, output))
        found = client.get_experiment_by_name(name)
        return client, found.experiment_id if found else client.create_experiment(name)


def _find(client: Any, experiment: str, run: Run) -> Any:
    found = client.search_runs([experiment], filter_string=f"tags.`{ID}` = '{run.id}'", max_results=1)
    return found[0] if found else None

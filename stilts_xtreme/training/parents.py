"""The inputs of a training or an evaluation: encoder, options of a head, rows and labels."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import getproxies

from huggingface_hub import constants

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.mixing import Translation
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.core.specs import Cell, Target, TrainTask
from stilts_xtreme.core.stage import Evaluation, Merged, Pretraining, Trained, Training
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data import translated as translations
from stilts_xtreme.data.checks import Report
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models.encoder import Source
from stilts_xtreme.tasks import format_of, row_format_of
from stilts_xtreme.tasks.checkpoint import model_folder

FolderOf = Callable[[str], Path]
"""The folder of a finished stage by its key, verified."""

OFFLINE = constants.HF_HUB_OFFLINE
"""Whether the user told the hub's client to stay offline."""


def encoder_source(stage: Training | Evaluation, folder_of: FolderOf) -> Source:
    """Where the encoder of a stage comes from: its parent's folder, verified, or the model from outside."""
    if isinstance(stage.parent, Trained):
        return Source(str(model_folder(folder_of(stage.parent.key), stage.head)))
    return pretrained_source(stage, folder_of)


def pretrained_source(stage: Training | Merged | Evaluation, folder_of: FolderOf) -> Source:
    """The pretrained encoder that the chain of a stage began with."""
    first, random = stage.chain()[0], stage.from_fresh_weights()
    if isinstance(first, Pretraining):
        return Source(str(model_folder(folder_of(first.key))), random=random)
    assert isinstance(first, Training | Evaluation)
    assert first.origin is not None
    origin = first.origin
    if origin.path is not None:
        return Source(origin.path, origin.revision if origin.id else None, random, origin.layers)
    _offline_if_unreachable()
    return Source(str(origin.id), origin.revision, random, origin.layers)


def _offline_if_unreachable() -> None:
    """Tells the hub's client when there is no network; by itself it tries for half a minute before it says so.

    Asked anew each time, so that a short failure does not make a whole sweep go without the hub.
    """
    # behind a proxy the host itself need not be reachable; which proxy is taken is the client's affair
    proxies = [url for kind, url in getproxies().items() if kind in ("http", "https", "all")]
    constants.HF_HUB_OFFLINE = OFFLINE or not any(_connects(url) for url in (*proxies, constants.ENDPOINT))


def _connects(url: str) -> bool:
    place = urlparse(url if "://" in url else f"http://{url}")
    try:
        port = place.port or {"http": 80, "https": 443}.get(place.scheme, 1080)
        socket.create_connection((place.hostname or "", port), timeout=5).close()
    except (OSError, ValueError):  # ValueError: no port that could be one
        return False
    return True


def load_rows(
    cell: Cell, task: TrainTask, split: str, translation: Translation | None = None, placebo: int | None = None
) -> Columns:
    """The joined rows of a task's data sets; what was wrong with them is said.

    They are English, unless a translation puts others in their place or beside them.

    Args:
        cell: The cell.
        task: The task.
        split: The split.
        translation: Where translated rows are; None for none.
        placebo: The seed by which rows get the answers of others of their data set and language; None: they keep
            theirs. A translated row gets the answer of the same row as the English one, where all rows are translated.

    Raises:
        StiltsError: No row can be used.
    """
    joined: Columns = {}
    for spec in task.datasets:
        for rows, report in _parts(cell, spec, split, translation):
            if report.problems:
                say(f"  {report}")
            if placebo is not None:
                rows = format_of(task.head).placebo(rows, placebo, spec.name)
            for name, values in rows.items():
                joined.setdefault(name, []).extend(values)
    if not joined or not next(iter(joined.values())):
        raise StiltsError(f"{task.name}: its {split} split has no usable rows.")
    return joined


def _parts(
    cell: Cell, spec: DatasetSpec, split: str, translation: Translation | None
) -> Iterator[tuple[Columns, Report]]:
    """The checked rows of a data set, language after language."""
    source = source_of(spec, cell.data)
    english = source.unchecked(split, source.source_language)
    if translation is None or translation.mode == "add":
        yield source.checked(english, split, source.source_language)
    if translation is not None:
        for language in translations.languages(translation, spec, cell.data):
            yield translations.rows(translation, spec, language, cell.data, english)


def load_candidates(cell: Cell, target: Target) -> Columns:
    """What a ranking chooses from, of all languages that are there; what was wrong with them is said.

    Raises:
        StiltsError: When an id is that of two candidates.
    """
    spec = target.candidates
    assert spec is not None
    joined: Columns = {name: [] for name in row_format_of(spec.format).columns}
    source = source_of(spec, cell.data)
    for language in source.languages("test"):
        rows, report = source.rows("test", language)
        if report.problems:
            say(f"  {report}")
        for name, values in rows.items():
            joined[name].extend(values)
    twice = len(joined["id"]) - len(set(joined["id"]))
    if twice:
        raise StiltsError(f"{spec.name}: {twice} candidates have an id that another one has.")
    return joined


def task_labels(cell: Cell, task: TrainTask) -> tuple[str, ...]:
    """Label names of a task; data sets that share a head must agree on them."""
    found = {source_of(spec, cell.data).labels() for spec in task.datasets}
    if len(found) > 1:
        raise StiltsError(
            f"{task.name}: its data sets have different labels ({'; '.join(map(', '.join, sorted(found)))})."
        )
    return found.pop()

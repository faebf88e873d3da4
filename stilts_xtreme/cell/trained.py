"""The model that a user names by a folder: of a stage, of a cell, or any that transformers loads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.files import digest
from stilts_xtreme.core.manifest import refuse_removed
from stilts_xtreme.core.paths import home
from stilts_xtreme.models.encoder import Source
from stilts_xtreme.models.naming import source_named
from stilts_xtreme.report import finished
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.saved import Told, told

KINDS = "the folder of a training (outputs/stages/KEY), of a cell (outputs/cells/NAME), or of a saved model"


def find(place: str, head: str | None = None, format: str | None = None) -> tuple[Source, Told]:
    """Where a model is, and what its head is.

    Args:
        place: A folder, a hub id, or the name of an encoder that comes with the package.
        head: Which head of a joint training.
        format: The format to use it for; None: that of its head, or of the cell.

    Raises:
        StiltsError: It is no model, is damaged, or has not the head.
    """
    folder = home(place)
    if (folder / "result.json").is_file():
        return _of_cell(folder, head, format)
    if (folder / "models").is_dir():
        folder = _of_stage(folder, head)
    elif head is not None:
        raise StiltsError(f"--head {head}: {place} is not the folder of a training, which may have several heads.")
    elif (folder / "points").is_dir():
        raise StiltsError(
            f"{place} holds the weights of the evaluation points of a training, which are no model yet: name the cell, "
            "or the folder of the stage that a rule chose weights in."
        )
    elif folder.is_dir() and not (folder / "config.json").is_file():
        raise StiltsError(f"{place} is not a model: name {KINDS}.")
    elif folder.is_file():
        raise StiltsError(f"{place} is a file: name {KINDS}.")
    if folder.is_dir():
        source = Source(str(folder))
    else:
        try:
            source = source_named(place)
        except StiltsError as error:
            raise StiltsError(f"{place} does not exist: name {KINDS}, or a hub id such as owner/name.") from error
    return source, told(source, format)


def _of_stage(stage: Path, head: str | None) -> Path:
    """The folder of one head of a training, its files verified."""
    heads = sorted(entry.name for entry in (stage / "models").iterdir() if (entry / "config.json").is_file())
    if head is not None and head not in heads:
        raise unknown("--head", head, heads)
    if head is None and len(heads) != 1:
        raise StiltsError(f"{stage} has {len(heads)} heads ({', '.join(heads)}): choose one with --head NAME.")
    name = head or heads[0]
    refuse_removed(stage)
    manifest = _json(stage / "manifest.json") if (stage / "manifest.json").is_file() else {}
    files = manifest.get("files", {}) if isinstance(manifest, dict) else {}
    for file, expected in files.items():
        if file.startswith(f"models/{name}/") and not _whole(stage / file, expected):
            raise StiltsError(
                f"The training in {stage} is damaged: {file} is not what was written; it is not used. Give the command "
                "that made it again with store.damaged=retrain."
            )
    return stage / "models" / name


def _whole(file: Path, expected: dict[str, Any]) -> bool:
    return file.is_file() and file.stat().st_size == expected["size"] and digest(file) == expected["sha256"]


def _of_cell(cell: Path, head: str | None, format: str | None) -> tuple[Source, Told]:
    """The model of a cell, with the options of its evaluation."""
    from stilts_xtreme.cell.config import make_cell
    from stilts_xtreme.cell.config.machine import elsewhere

    finished.refuse_damage(cell, only=finished.RECORDS)
    result = _json(cell / "result.json")
    with elsewhere(True):
        made = make_cell(_json(cell / "config.json"))
    target = made.target
    if target is None:
        key = result["stages"][-1]["key"]
        return find(str(cell.parent.parent / "stages" / key), head, format)
    key = next((row["trained"] for row in result["rows"]), None)
    if made.shots is not None:
        raise StiltsError(
            f"{cell} has no one model: shots.k={made.shots.k} trained a model for each language, which was not kept; "
            f"name the training that they began with, {cell.parent.parent / 'stages' / str(key)}."
        )
    if key is not None:
        stage = cell.parent.parent / "stages" / key
        if not stage.is_dir():
            raise StiltsError(
                f"{cell} was evaluated with the training {key}, which is not in {stage.parent}: bring that folder, or "
                "give the cell's command again."
            )
        shared = sorted(entry.name for entry in (stage / "models").iterdir())[0]  # all of them have the encoder
        source = Source(str(_of_stage(stage, head or (target.train[-1].name if target.train else shared))))
    elif made.model.shipped or made.model.path:
        source = replace(source_named(str(made.model.path or made.model.shipped)), layers=made.model.layers)
    else:
        source = Source(str(made.model.id), made.model.revision, layers=made.model.layers)
    own = format_of(target.head)
    options = own.head_options(made, target.recipe, target.metric)
    found = told(source, format or target.head)
    if format is not None and format != target.head:
        return source, found
    return source, Told(target.head, found.labels, options, found.columns, made.trainer.precision)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StiltsError(f"{path} does not exist; name {KINDS}.") from error
    except (ValueError, OSError) as error:
        raise StiltsError(f"{path} cannot be read as JSON ({error}); give the command that made it again.") from error

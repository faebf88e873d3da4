"""Where an encoder comes from: from outside, or pretrained here on the text of a corpus."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from stilts_xtreme.cell.rows import rows_in
from stilts_xtreme.core.checks import choice
from stilts_xtreme.core.inputs import Origin
from stilts_xtreme.core.specs import Cell, ModelSpec
from stilts_xtreme.core.stage import Pretraining
from stilts_xtreme.data.corpus import corpus_specs, world_identity, world_text
from stilts_xtreme.data.sources import source_of


@lru_cache(maxsize=64)
def _file_digest(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def origin(model: ModelSpec) -> Origin:
    """A pretrained encoder from outside: hub id and revision, or a folder with the digests of its files."""
    files = {}
    if model.id is None:  # with an id it is known by that, also where its files were brought into a folder
        for file in sorted(Path(str(model.path)).iterdir()):
            if file.suffix in (".json", ".safetensors", ".model", ".txt") and file.is_file():
                stat = file.stat()
                files[file.name] = _file_digest(str(file), stat.st_size, stat.st_mtime_ns)
    return Origin(model.id, model.revision, model.path, files, model.shipped is not None, model.layers)


def pretraining(cell: Cell) -> Pretraining | None:
    """The stage that pretrains a cell's encoder; None for one from outside."""
    model = cell.model
    if model.architecture is None:
        return None
    specs = corpus_specs(cell)
    sources = [source_of(spec, cell.data) for spec in specs]
    parts = [(source, split, source.languages(split)) for source in sources for split in source.splits()]
    only, world = model.languages, None if specs else world_identity(cell.data)
    if only is not None:
        there = {language for _, _, found in parts for language in found} if specs else world_text(cell.data)
        for language in only:
            choice("model.languages", language, sorted(there))
        parts = [(source, split, tuple(one for one in found if one in only)) for source, split, found in parts]
        world = None if world is None else world | {"only": sorted(only)}
    corpus = tuple(rows_in(cell, source.spec, split, found) for source, split, found in parts if found)
    settings = model.pretraining or {}
    label = f"{model.name} on {', '.join(spec.name for spec in specs) or 'synthetic'}"
    return Pretraining(
        label=label if only is None else f"{label} in {', '.join(only)}",
        architecture=model.architecture,
        settings=settings,
        corpus=corpus,
        world=world,
        rows={"steps": int(settings["steps"])},
    )

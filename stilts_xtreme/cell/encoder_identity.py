"""Where an encoder comes from: from outside, or pretrained here on the text of a corpus."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from stilts_xtreme.core.specs import Cell, Stage
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.corpus import corpus_specs, world_identity

SCHEMA = 4
"""Raised whenever the same identity would give other weights or predictions than before."""


@lru_cache(maxsize=64)
def _file_digest(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def origin(cell: Cell) -> dict[str, Any]:
    """The identity of a pretrained encoder from outside: hub id and revision, or the digests of a folder's files."""
    model = cell.model
    if model.id is not None:  # also where its files were brought into a folder
        return {"hub": model.id, "revision": model.revision}
    files = {}
    for file in sorted(Path(str(model.path)).iterdir()):
        if file.suffix in (".json", ".safetensors", ".model", ".txt") and file.is_file():
            stat = file.stat()
            files[file.name] = _file_digest(str(file), stat.st_size, stat.st_mtime_ns)
    return {"files": files}


def pretraining(cell: Cell) -> Stage | None:
    """The stage that pretrains a cell's encoder; None for one from outside."""
    model = cell.model
    if model.architecture is None:
        return None
    specs = corpus_specs(cell)
    if specs:
        corpus: object = [
            catalogue.identity(spec, split, catalogue.languages(spec, split, cell.data), cell.data)
            for spec in specs
            for split in ("train", "validation", "test")
            if spec.splits.get(split)
        ]
    else:
        corpus = world_identity(cell.data)
    identity = {
        "schema": SCHEMA,
        "kind": "pretrain",
        "architecture": model.architecture,
        "pretraining": model.pretraining,
        "corpus": corpus,
    }
    name = ", ".join(spec.name for spec in specs) or "synthetic"
    steps = int((model.pretraining or {})["steps"])
    return Stage("pretrain", f"{model.name} on {name}", identity, rows={"steps": steps})

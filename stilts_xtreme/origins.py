"""Where an encoder comes from: from outside, or pretrained here on the text of a corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stilts_xtreme.data import catalogue
from stilts_xtreme.data.schema import DatasetSpec
from stilts_xtreme.data.world import world_identity
from stilts_xtreme.errors import StiltsError
from stilts_xtreme.specs import Cell, Stage, TrainTask

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


def _corpus_names(cell: Cell) -> list[str]:
    corpus = cell.model.corpus
    if corpus in (None, "auto"):
        if cell.data.kind == "synthetic":
            return []
        if cell.target:
            specs = [spec for task in cell.target.train for spec in task.datasets] + [cell.target.test]
            specs += [cell.target.candidates] if cell.target.candidates else []
        else:
            specs = [spec for task in cell.intermediate_tasks for spec in task.datasets]
        return sorted({spec.name for spec in specs})
    if corpus == "synthetic":
        return []
    return sorted(str(name) for name in (corpus if isinstance(corpus, list) else [corpus]))


def corpus_specs(cell: Cell) -> list[DatasetSpec]:
    """The data sets whose text ``mini`` is pretrained on; empty for the synthetic world's own corpus."""
    names = _corpus_names(cell)
    if names and cell.data.kind == "synthetic":
        raise StiltsError(
            f"model.corpus={','.join(names)} needs data=hub; with data=synthetic the corpus is the world's own."
        )
    known = {spec.name: spec for task in _all_tasks(cell) for spec in task.datasets}
    if cell.target:
        known[cell.target.test.name] = cell.target.test
        if cell.target.candidates:
            known[cell.target.candidates.name] = cell.target.candidates
    return [known[name] if name in known else catalogue.load_spec(name) for name in names]


def _all_tasks(cell: Cell) -> Sequence[TrainTask]:
    return (*cell.intermediate_tasks, *(cell.target.train if cell.target else ()))


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

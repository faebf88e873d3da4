"""The synthetic world's unlabelled text, which ``mini`` is pretrained on by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.core.specs import Cell, TrainTask
from stilts_xtreme.data import catalogue, synthetic


def world_of(data: DataSpec) -> synthetic.World:
    """The world that the ``data`` group describes; with real data the default one."""
    return synthetic.World.from_mapping(data.world if data.kind == "synthetic" else {})


def world_identity(data: DataSpec) -> dict[str, Any]:
    """What the world's unlabelled text depends on: nothing of its rows."""
    world = world_of(data)
    options = {"seed": world.seed, "languages": world.languages, "sentences": world.sentences, "mixed": world.mixed}
    return {"kind": "synthetic", "version": synthetic.WORLD_VERSION, "world": options}


def world_corpus(data: DataSpec) -> dict[str, list[str]]:
    """Language -> texts."""
    world = world_of(data)
    texts = {language: synthetic.corpus(world, language) for language in synthetic.LANGUAGES[: world.languages]}
    if not any(texts.values()):
        raise StiltsError("data.world.sentences leaves no text to pretrain on; take a larger number.")
    return texts


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

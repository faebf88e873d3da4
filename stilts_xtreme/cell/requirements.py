"""The list of what cells need from the hub, read from the identities of their stages. Free of torch, as planning is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import Cell, TrainTask
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.hub.mirror import Part, Repo
from stilts_xtreme.data.readers import bitext
from stilts_xtreme.data.readers import columns as readers


@dataclass
class Needs:
    """What cells need: parts of repositories of data, encoders, and rows that are on no hub."""

    repos: dict[Repo, set[Part]] = field(default_factory=dict)
    local: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, cell: Cell, root: Path) -> None:
        """Adds what one cell needs; ``root`` is looked into for the user's own files."""
        if cell.model.id is not None:
            self.repos.setdefault(Repo(cell.model.id, cell.model.revision, model=True), set())
        specs = {spec.name: spec for task in _tasks(cell) for spec in task.datasets}
        if cell.target:
            specs[cell.target.test.name] = cell.target.test
        for entry in _entries(cell):
            spec = specs.get(entry["dataset"]) or catalogue.load_spec(entry["dataset"])
            for language, (repo, config, revision, *splits) in entry["rows"].items():
                if repo is None or entry["reader"] in readers.LOCAL:
                    self._own(spec, language, splits, root)
                elif not (spec.reader == "bucc" and all(bitext.files(root, language, split) for split in splits)):
                    parts = {Part(config, *layout.sliced(split)) for split in splits}
                    self.repos.setdefault(Repo(repo, revision), set()).update(parts)
        for task in _tasks(cell):
            for spec in task.datasets:
                if spec.reader == "ccg":  # its labels are in its files, so that no plan has it
                    self._own(spec, "en", ["train", "val"], root)
        if cell.target and cell.target.head == "bitext" and cell.bitext["threshold"] == "dev":
            for language in _languages(cell):
                if not bitext.files(root, language, "sample"):
                    self._lack(
                        "bucc2018: the dev corpora, on which the threshold is chosen, are on no hub: take "
                        "bucc2018-<l>-en.sample-gold.tar.bz2 from comparable.limsi.fr/bucc2018 and put them at "
                        "FOLDER/local/bucc2018/<l>-en/<l>-en.sample.{<l>,en,gold}, or give bitext.threshold=NUMBER.",
                        language,
                    )

    def _own(self, spec: DatasetSpec, language: str, splits: Sequence[str], root: Path) -> None:
        for split in splits:
            try:
                layout.files(spec, split, language, root)
            except StiltsError as error:
                self._lack(f"{spec.name}: {error}".replace(f"{spec.name}: {spec.name} ", f"{spec.name} "), language)

    def _lack(self, sentence: str, language: str) -> None:
        self.local.setdefault(sentence, {})[language] = None


def _tasks(cell: Cell) -> tuple[TrainTask, ...]:
    return (*cell.intermediate_tasks, *(cell.target.train if cell.target else ()))


def _languages(cell: Cell) -> Sequence[str]:
    assert cell.target is not None
    return cell.languages if isinstance(cell.languages, list) else cell.target.languages


def _entries(cell: Cell) -> Iterator[Mapping[str, Any]]:
    """The identities of all rows that the stages of a cell depend on, and of the dev rows that a training is scored on.

    What decides a stage's key is what it reads, so nothing that is needed can be missing here.
    """
    kept = tuple(task for task in cell.intermediate_tasks if all(spec.reader != "ccg" for spec in task.datasets))
    if cell.target is None and not kept:
        return
    settings = {**cell.bitext, "threshold": "test"} if cell.bitext["threshold"] == "dev" else cell.bitext
    planned = plan(replace(cell, intermediate_tasks=kept, bitext=settings))
    source = (catalogue.source_language(cell.data),)
    for stage in planned.stages():
        yield from _walk(stage.identity)
        for task in stage.tasks if stage.kind == "train" else ():
            for spec in task.datasets:
                if source[0] in catalogue.languages(spec, "validation", cell.data):
                    yield catalogue.identity(spec, "validation", source, cell.data)


def _walk(node: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        if node.get("kind") == "hub" and "rows" in node:
            yield node
            return
        node = list(node.values())
    for child in node if isinstance(node, list | tuple) else ():
        yield from _walk(child)

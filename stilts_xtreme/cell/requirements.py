"""The list of what cells need from the hub, read from the identities of their stages. Free of torch, as planning is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.specs import Cell, TrainTask
from stilts_xtreme.data.hub.mirror import Part, Repo
from stilts_xtreme.data.hub.repositories import HubSource
from stilts_xtreme.data.readers import bitext, reader_of
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import format_of


@dataclass
class Needs:
    """What cells need: parts of repositories of data, encoders, and rows that are on no hub."""

    repos: dict[Repo, set[Part]] = field(default_factory=dict)
    local: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, cell: Cell, root: Path) -> None:
        """Adds what one cell needs; ``root`` is looked into for the user's own files."""
        if cell.model.id is not None:
            self.repos.setdefault(Repo(cell.model.id, cell.model.revision, model=True), set())
        for rows in _reads(cell):
            for language in rows.languages:
                self._rows(HubSource(rows.spec, rows.data), rows.split, language, root)
        for task in _tasks(cell):
            for spec in task.datasets:
                source = source_of(spec, cell.data)
                if isinstance(source, HubSource) and source.reader.labels_in_files:  # so that no plan has it
                    for split in ("train", "validation"):
                        self._rows(source, split, source.source_language, root)
        if cell.target and format_of(cell.target.head).reads_dev(cell):
            for language in _languages(cell):
                if not bitext.files(root, language, "sample"):
                    self._lack(
                        "bucc2018: the dev corpora, on which the threshold is chosen, are on no hub: take "
                        "bucc2018-<l>-en.sample-gold.tar.bz2 from comparable.limsi.fr/bucc2018 and put them at "
                        "FOLDER/local/bucc2018/<l>-en/<l>-en.sample.{<l>,en,gold}, or give bitext.threshold=NUMBER.",
                        language,
                    )

    def _rows(self, source: HubSource, split: str, language: str, root: Path) -> None:
        name = source.spec.name
        try:
            for repo, part in source.needs(split, language, root):
                self.repos.setdefault(repo, set()).add(part)
        except StiltsError as error:
            self._lack(f"{name}: {error}".replace(f"{name}: {name} ", f"{name} "), language)

    def _lack(self, sentence: str, language: str) -> None:
        self.local.setdefault(sentence, {})[language] = None


def _tasks(cell: Cell) -> tuple[TrainTask, ...]:
    return (*cell.intermediate_tasks, *(cell.target.train if cell.target else ()))


def _languages(cell: Cell) -> Sequence[str]:
    assert cell.target is not None
    return cell.languages if isinstance(cell.languages, list) else cell.target.languages


def _reads(cell: Cell) -> Iterator[RowSet]:
    """The rows that the stages of a cell read and that can be fetched, or are the user's own."""
    kept = tuple(
        task
        for task in cell.intermediate_tasks
        if not any(reader_of(spec.reader).labels_in_files for spec in task.datasets)
    )
    if cell.target is None and not kept:
        return
    own = format_of(cell.target.head).without_dev(cell) if cell.target else cell
    for stage in plan(replace(own, intermediate_tasks=kept)).stages():
        for rows in stage.reads():
            source = source_of(rows.spec, rows.data)
            if rows.data.root is not None or not isinstance(source, HubSource):
                continue  # translations in a folder are there, and so are files of the user's own
            if rows.content is None:  # dev rows that decide nothing
                there = source.languages(rows.split)
                rows = replace(rows, languages=tuple(language for language in rows.languages if language in there))
            yield rows

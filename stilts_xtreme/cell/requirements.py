"""The list of what cells need from the hub, read from the identities of their stages. Free of torch, as planning is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import Cell, TrainTask
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.hub.mirror import Part, Repo
from stilts_xtreme.data.readers import bitext
from stilts_xtreme.data.readers import columns as readers
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
            spec = rows.spec
            splits = layout.raw_splits(spec, spec.held_in(rows.split))
            for language in rows.languages:
                source = layout.source(spec, language)
                if source.id is None or spec.reader in readers.LOCAL:
                    self._own(spec, language, splits, root)
                elif not (spec.reader == "bucc" and all(bitext.files(root, language, split) for split in splits)):
                    parts = {Part(source.config, *layout.sliced(split)) for split in splits}
                    self.repos.setdefault(Repo(source.id, source.revision), set()).update(parts)
        for task in _tasks(cell):
            for spec in task.datasets:
                if spec.reader == "ccg":  # its labels are in its files, so that no plan has it
                    self._own(spec, "en", ["train", "val"], root)
        if cell.target and format_of(cell.target.head).reads_dev(cell):
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


def _reads(cell: Cell) -> Iterator[RowSet]:
    """The rows that the stages of a cell read and that can be fetched, or are the user's own."""
    kept = tuple(task for task in cell.intermediate_tasks if all(spec.reader != "ccg" for spec in task.datasets))
    if cell.target is None and not kept:
        return
    own = format_of(cell.target.head).without_dev(cell) if cell.target else cell
    for stage in plan(replace(own, intermediate_tasks=kept)).stages():
        for rows in stage.reads():
            if rows.data.root is not None:
                continue  # translations in a folder are there
            if rows.content is None:  # dev rows that decide nothing
                there = catalogue.languages(rows.spec, rows.split, rows.data)
                rows = replace(rows, languages=tuple(language for language in rows.languages if language in there))
            yield rows

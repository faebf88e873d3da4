"""The synthetic world as a source of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import SPLITS, Columns, DatasetSpec, DataSpec
from stilts_xtreme.data import synthetic as world
from stilts_xtreme.data.source import RowSource, corpus_of
from stilts_xtreme.tasks import row_format_of


class SyntheticSource(RowSource):
    """Rows that are generated: those of the benchmarks' data sets and of the intermediate tasks."""

    synthetic = True
    origin = "the synthetic world"
    source_language = world.LANGUAGES[0]

    def __init__(self, spec: DatasetSpec, data: DataSpec):
        super().__init__(spec, data)
        if spec.name not in world.DATASETS:
            raise StiltsError(
                f"The synthetic world has no data set '{spec.name}': give data=hub to read it from the hub, or name "
                f"files of your own in its YAML, as in files: {{train: FILE, test: FILE}}."
            )
        self.options = world.World.from_mapping(data.world)

    def labels(self) -> tuple[str, ...]:
        """The world's own."""
        return tuple(world.labels(self.spec.name))

    def described(self) -> DatasetSpec:
        """Nothing of the world is withheld."""
        return replace(super().described(), blind=())

    def languages(self, split: str) -> tuple[str, ...]:
        """The languages of the world that have the split."""
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        inventory = world.LANGUAGES[: self.options.languages]
        return tuple(code for code in world.splits(self.spec.name).get(split, ()) if code in inventory)

    def wanted(self, asked: Sequence[str]) -> tuple[str, ...]:
        """Those that are there: a task names languages of real data."""
        return self.languages("test")

    def splits(self) -> tuple[str, ...]:
        """Those of the data set."""
        return tuple(split for split in SPLITS if split in world.splits(self.spec.name))

    def unchecked(self, split: str, language: str) -> Columns:
        """Generates the rows."""
        present = self.languages(split)
        if language not in present:
            raise unknown(f"language of the synthetic {self.spec.name}/{split}", language, present)
        return world.rows(self.options, self.spec.name, split, language)

    def translated(self, language: str) -> Columns:
        """The training rows of the source language in another one."""
        return world.translated(self.options, self.spec.name, language)

    def count(self, split: str, language: str) -> int | None:
        """The number of rows that are generated."""
        return int(world.size(self.options, self.spec.name, split, language))

    def identity(self, split: str, languages: Iterable[str]) -> dict[str, Any]:
        """The world's version and options, and the data set's own version."""
        languages = list(languages)
        what = self.common_identity(split, languages)
        rows: object = world.size(self.options, self.spec.name, split)
        if row_format_of(self.spec.format).pool:  # not as many in every language
            rows = [world.size(self.options, self.spec.name, split, language) for language in languages]
        options = {"seed": self.options.seed, "rows": rows}  # of the other splits: nothing
        own = world.rows_version(self.spec.name)
        what |= {"rows_version": own} if own > 1 else {}
        return {"kind": "synthetic", "version": world.WORLD_VERSION, "world": options, **what}

    def corpus(self) -> dict[str, list[str]]:
        """The world's unlabelled text in the languages of the data set."""
        codes = dict.fromkeys(code for split in self.splits() for code in self.languages(split))
        return corpus_of((code, world.corpus(self.options, code)) for code in codes)

    def rivals(self, language: str) -> list[list[str]] | None:
        """What the world knows of each context."""
        return world.rivals(self.options, self.spec.name, language)

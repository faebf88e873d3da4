"""The texts of test rows, for the browser of examples: from files of gold answers that hold them, or from the source.

Rows are read again only where their source is at hand: generated ones, files, or a folder in the hub's layout. Nothing
is asked of another machine. Rows whose right answers differ from those beside the predictions are not shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.schema import Columns, DatasetSpec, DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.source import RowSource
from stilts_xtreme.data.sources import generated, source_of
from stilts_xtreme.report.answers import Target
from stilts_xtreme.report.page.arms import by_item
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.format import TaskFormat

LENGTH = 400
"""So many characters of a text are shown at the most."""
MARKED = 120
"""So many of what is marked in it."""


@dataclass
class Texts:
    """The texts of the test rows of a target.

    Attributes:
        format: Its format.
        rows: Language -> canonical rows.
        places: Language -> item -> position of its row.
        found: Language -> name of what can be found -> its text.
        licence: That of the rows, as the hub names it; None: it is not known.
        missing: Why there are no texts, or not in every language, in a sentence; empty where there are.
    """

    format: TaskFormat
    rows: dict[str, Columns] = field(default_factory=dict)
    places: dict[str, Mapping[str, int]] = field(default_factory=dict)
    found: dict[str, Mapping[str, str]] = field(default_factory=dict)
    licence: str | None = None
    missing: str = ""

    def add(self, language: str, rows: Columns, gold: Any) -> None:
        """Adds the rows of a language, whose right answers are known."""
        named = isinstance(gold, Mapping) or (bool(gold) and isinstance(gold[0], tuple))
        keys = map(str, rows["id"] if named else range(len(next(iter(rows.values())))))
        self.rows[language] = rows
        self.places[language] = {key: at for at, key in enumerate(keys)}
        self.found[language] = self.format.found_texts(rows)

    def parts(self, language: str, item: str) -> list[tuple[str, ...]]:
        """The texts of an item, cut: name and text, or name, text, what is marked in it, and the rest."""
        at = self.places.get(language, {}).get(item)
        if at is None:
            return []
        return [cut(*part) for part in self.format.item_texts(self.rows[language], at)]

    def in_words(self, language: str, item: str, answer: Any, right: Any) -> Any:
        """An answer as a reader wants it; as it is where the texts are not there."""
        at = self.places.get(language, {}).get(item)
        if at is None or answer == "":
            return answer
        return self.format.in_words(answer, right, self.rows[language], at, self.found[language])


def read(cell: FinishedCell, target: Target, folder: Path, gold: Mapping[str, Any]) -> Texts:
    """The texts of the test rows that a cell was evaluated on.

    Args:
        cell: The cell, whose configuration says where its rows are from.
        target: Its target.
        folder: The folder that holds the gold answers.
        gold: Language -> gold answers, as they are read from their files.
    """
    texts = Texts(format_of(target.format))
    for language, right in gold.items():
        files = (folder / "labels" / target.name).glob(f"test-{language}.*")
        rows = texts.format.gold_rows(next(files))
        if rows is not None:
            texts.add(language, rows, right)
    try:
        config = read_json(cell.folder / "config.json") if cell.folder is not None else {}
        spec, data = _described(config)
        texts.licence = None if generated(data) else spec.licence
        if not texts.rows:
            _from_source(texts, spec, data, gold)
    except (StiltsError, OSError) as error:
        if not texts.rows:
            texts.missing = f"The texts of {target.name} are not shown: {error}"
    return texts


def _described(config: Mapping[str, Any]) -> tuple[DatasetSpec, DataSpec]:
    """The data set of a configuration's target, and where its rows are.

    Raises:
        StiltsError: The description is none that this version reads.
    """
    name = config["target"]["test"]
    described = (config.get("dataset") or {}).get(name)
    data = config.get("data") or {}
    if "kind" not in data:
        raise StiltsError("the cell's config.json does not say where its rows are from.")
    return (
        catalogue.spec_from_mapping(described) if described is not None else catalogue.load_spec(name),
        DataSpec(**{key: data[key] for key in ("kind", "root", "bad_rows", "world") if key in data}),
    )


def _from_source(texts: Texts, spec: DatasetSpec, data: DataSpec, gold: Mapping[str, Any]) -> None:
    if not spec.files and not generated(data) and data.root is None:
        texts.missing = (
            f"The texts of {spec.name} are not shown: its rows are on the hub, and a report asks no other machine. "
            f"Fetch them into a folder, and train with data.root=FOLDER, to see them."
        )
        return
    source = source_of(spec, data)
    other = []
    for language, right in gold.items():
        rows = _rows(source, language)
        if by_item(texts.format.gold(rows, source.labels())) == by_item(right):
            texts.add(language, rows, right)
        else:
            other.append(language)
    if other:
        texts.missing = (
            f"The texts of {spec.name} in {', '.join(other[:10])} are not shown: the rows that are there now are not "
            f"those that were scored."
        )


def _rows(source: RowSource, language: str) -> Columns:
    rows, _ = source.rows("test", language)
    return rows


def cut(name: str, before: str, marked: str | None = None, after: str = "") -> tuple[str, ...]:
    """A text of bounded length; what is marked in it stays inside, with as much on both sides."""
    if marked is None:
        return name, head(before, LENGTH)
    inside = head(marked, MARKED)
    half = (LENGTH - len(inside)) // 2
    return (
        name,
        tail(before, max(half, LENGTH - len(inside) - len(after))),
        inside,
        head(after, max(half, LENGTH - len(inside) - len(before))),
    )


def head(text: str, most: int) -> str:
    """The beginning of a text; marks stay with the character that they belong to."""
    if len(text) <= most:
        return text
    end = most - 1
    while end > 1 and unicodedata.category(text[end]).startswith("M"):
        end -= 1
    return text[:end] + "…"


def tail(text: str, most: int) -> str:
    """The end of a text; it does not begin with a mark of a character that is cut off."""
    if len(text) <= most:
        return text
    start = len(text) - most + 1
    while start < len(text) and unicodedata.category(text[start]).startswith("M"):
        start += 1
    return "…" + text[start:]

"""The answers of finished evaluations, item by item, from the files beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.data import catalogue
from stilts_xtreme.report.labels import evaluation
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.tasks import format_of, predictions
from stilts_xtreme.tasks.metrics.items import Items


@dataclass
class Answers:
    """Finds the answers of evaluations by their keys, in the folders of cells and in the stages beside them."""

    folders: dict[str, list[Path]] = field(default_factory=dict)
    _read: dict[tuple[str, str], Mapping[str, Items] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, cells: Iterable[FinishedCell]) -> Answers:
        """The answers of cells and of what they are compared with."""
        found = cls()
        for cell in cells:
            if cell.folder is None:
                continue
            if (key := evaluation(cell.result)) is not None:
                found.folders.setdefault(key, []).append(cell.folder)
            for stage in cell.result.get("stages") or ():
                if stage["kind"] == "evaluate":
                    place = cell.folder.parent.parent / "stages" / stage["key"]
                    found.folders.setdefault(stage["key"], []).append(place)
        return found

    def items(self, key: str | None, target: Target, languages: Sequence[str]) -> Mapping[str, Items] | None:
        """The items of an evaluation, or None where its files are not there, or its metric has no items.

        Args:
            key: The key of the evaluation.
            target: Its target.
            languages: The languages that are wanted.

        Raises:
            StiltsError: Files are there, and cannot be read.
        """
        metric = format_of(target.format).metric(target.metric)
        if key is None or metric.items is None:
            return None
        known = key, target.name
        if known not in self._read:
            self._read[known] = next(
                filter(None, (self._from(place, target) for place in self.folders.get(key, ()))), None
            )
        found = self._read[known]
        if found is None or not set(languages) <= set(found):
            return None
        return {language: found[language] for language in languages}

    def given(self, key: str | None, target: Target, languages: Sequence[str]) -> Mapping[str, tuple[Any, Any]] | None:
        """The answers of an evaluation and what is right, by language; None where its files are not there.

        Args:
            key: The key of the evaluation.
            target: Its target.
            languages: The languages that are wanted.

        Raises:
            StiltsError: Files are there, and cannot be read.
        """
        for folder in self.folders.get(key or "", ()):
            found = _read(folder, target)
            if set(languages) <= set(found):
                return {language: found[language] for language in languages}
        return None

    def _from(self, folder: Path, target: Target) -> Mapping[str, Items] | None:
        metric = format_of(target.format).metric(target.metric)
        assert metric.items is not None
        return {
            language: metric.items(answers, gold, language)
            for language, (answers, gold) in _read(folder, target).items()
        } or None


def _read(folder: Path, target: Target) -> dict[str, tuple[Any, Any]]:
    """Language -> answers and gold, of the files in a folder; empty where they are not there."""
    labelled = folder / "labels"
    files = sorted((labelled / target.name).glob("test-*.*"))
    if not files or not (folder / "predictions" / target.name).is_dir():
        return {}
    found = {}
    for file in files:
        language = file.stem.removeprefix("test-")
        gold = predictions.read_gold(labelled, target.name, language, target.format)
        found[language] = answered(folder, target, language, gold), gold
    return found


def answered(folder: Path, target: Target, language: str, gold: Any) -> Any:
    """The answers of an evaluation in a language, which must fit the gold.

    Raises:
        StiltsError: The file cannot be read or does not fit; names it.
    """
    like = None if format_of(target.format).strangers_ignored else gold
    return predictions.read(folder / "predictions", target.name, language, target.format, like)


@dataclass(frozen=True)
class Target:
    """What scores a target.

    Attributes:
        name: Its name, in the names of files too.
        format: The id of its format.
        metric: The metric's name.
        parallel: Whether its test rows are the same items in all languages.
    """

    name: str
    format: str
    metric: str
    parallel: bool


def benchmark_of(cell: FinishedCell) -> str | None:
    """The benchmark that a cell was evaluated for; None where that is not known."""
    path = cell.folder / "config.json" if cell.folder else None
    if path is None or not path.is_file():
        return None
    name = (read_json(path).get("benchmark") or {}).get("name")
    return None if name is None else str(name)


def target_of(cell: FinishedCell) -> Target | None:
    """The target of a cell, from the configuration beside its result; None where there is none."""
    path = cell.folder / "config.json" if cell.folder else None
    if path is None or not path.is_file():
        return None
    cfg: dict[str, Any] = read_json(path)
    target = cfg["target"]
    described = (cfg.get("dataset") or {}).get(target["test"]) or {}
    parallel = described.get("parallel")
    if parallel is None and target["test"] in catalogue.names():  # a cell of an earlier version
        parallel = catalogue.load_spec(target["test"]).parallel
    return Target(target["name"], target["head"], target["metric"], bool(parallel) or bool(cell.result["synthetic"]))

"""What a stage starts from and learns: rows, an encoder from outside, tasks, translations, text.

Each part says itself what of it changes a result (``identity()``); see :mod:`stilts_xtreme.core.stage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_xtreme.core.mixing import Mlm, Translation
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.core.shots import Shots
from stilts_xtreme.core.specs import TrainTask


@dataclass(frozen=True)
class RowSet:
    """Rows that a stage reads: one split of a data set in some languages.

    Attributes:
        spec: The data set.
        split: ``train``, ``validation`` or ``test``.
        languages: Codes.
        data: Where the rows are; for translations this may be another place than the cell's.
        content: What the rows depend on, in plain containers, as their source says it. It is material for keys alone.
            None for dev rows that are scored beside a training and decide nothing: they need not be there.
        translations: Language -> the file that its texts are read from instead, which holds their translations. Not
            keyed: ``content`` has the digests of the files.
    """

    spec: DatasetSpec
    split: str
    languages: tuple[str, ...]
    data: DataSpec
    content: Mapping[str, Any] | None
    translations: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """A pretrained encoder from outside, with which a chain of stages begins.

    Attributes:
        id: Its id on the hub; None for a folder of the user's own.
        revision: Of the hub.
        path: The folder that it is in; None: the hub's client finds it. Not keyed.
        files: File name -> digest of a folder's files; empty with an id, also where its files are in a folder.
        shipped: Whether it comes with the package and knows synthetic languages only. Not keyed.
        layers: How many of its lowest layers are kept; None: all of them.
    """

    id: str | None = None
    revision: str | None = None
    path: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    shipped: bool = False
    layers: int | None = None

    def identity(self) -> dict[str, Any]:
        """Hub id and revision, or the digests of a folder's files; and the number of layers where it is cut."""
        found: dict[str, Any] = {"files": dict(self.files)}
        if self.id is not None:
            found = {"hub": self.id, "revision": self.revision}
        return found if self.layers is None else {**found, "layers": self.layers}


@dataclass(frozen=True)
class StageTask:
    """A task as a training stage learns it.

    Attributes:
        task: Its head, data sets and recipe.
        train: The training rows of each data set.
        dev: The dev rows of each data set, on which weights are selected, or which are only scored.
        settings: What else its training depends on because of its format.
    """

    task: TrainTask
    train: tuple[RowSet, ...]
    dev: tuple[RowSet, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """What of it changes a training; the metric and the dev rows only where weights are selected by them."""
        selects = self.task.recipe.selects
        parts = zip(self.train, self.dev, strict=True) if selects else ((train,) for train in self.train)
        found = {
            "head": self.task.head,
            "data": [[rows.content for rows in part] for part in parts],
            "recipe": self.task.recipe.identity(),
            **self.settings,
        }
        return {**found, "metric": self.task.metric} if selects else found


@dataclass(frozen=True)
class Translated:
    """Translated rows of the tasks of a training.

    Attributes:
        options: Where they are, and what they are for.
        rows: The rows, for each task and each of its data sets.
    """

    options: Translation
    rows: tuple[tuple[RowSet, ...], ...]

    def identity(self) -> dict[str, Any]:
        """The mode and the rows."""
        return {"mode": self.options.mode, "data": [[rows.content for rows in parts] for parts in self.rows]}


@dataclass(frozen=True)
class MixedMlm:
    """Masked language modelling beside the tasks of a training.

    Attributes:
        options: Its settings.
        languages: The languages that it has text in.
        rows: The data set that the text is from; None for a folder, and for the synthetic world's own text.
        content: What the text depends on.
    """

    options: Mlm
    languages: tuple[str, ...]
    rows: RowSet | None
    content: Any

    def identity(self) -> dict[str, Any]:
        """The settings, the languages and the text."""
        return {**self.options.identity(), "languages": list(self.languages), "text": self.content}


@dataclass(frozen=True)
class FewShot:
    """What a model is trained on in each language before it is evaluated there.

    Attributes:
        options: How many rows, which, and when.
        task: The training on them: the head's recipe, and the rows that they are drawn from.
        english: The rows of the training in English that come beside them; none for ``after``.
    """

    options: Shots
    task: StageTask
    english: tuple[RowSet, ...] = ()

    @property
    def rows(self) -> RowSet:
        """The rows that shots are drawn from; the model of any other language is left as it is."""
        return self.task.train[0]

    def identity(self) -> dict[str, Any]:
        """The options, the training and the English rows."""
        english = [rows.content for rows in self.english]
        return {**self.options.identity(), "training": self.task.identity(), "english": english}

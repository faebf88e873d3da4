"""The description of a data set, and where rows come from. What the rows are is their format's, in ``tasks``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Columns = dict[str, list]
"""Rows as columns of equal length: column name -> one value per row."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetSpec:
    """One YAML of ``conf/dataset``: where the rows are and what they mean.

    Attributes:
        name: The name of the YAML file.
        format: The id of a format's rows.
        id: Hub id ``owner/name``; None for data that has no public copy.
        config: Hub configuration; ``{lang}`` is filled with the language, ``{code}`` with ``codes[language]``.
        revision: Pinned revision, or None for the hub's main branch.
        splits: ``train``, ``validation`` and ``test`` -> raw split name, several names (rows are joined), or None.
        columns: Canonical column -> raw column.
        labels: Label names in canonical order; empty for qa and retrieval. For ``choice``: the names of the choices.
        label_values: Raw label value (as text) -> label name, where the raw values are neither names nor positions.
        languages: ISO 639-1 codes with rows in at least one split.
        codes: Language -> the source's own name of it.
        sources: Language -> ``{id, config, revision}`` where a language lives elsewhere than the others.
        counts: Split -> rows, or language -> split -> rows; what the source is known to hold. Empty when not known.
        reader: How raw rows become canonical: ``columns`` (by the mapping above) or a named one of ``data/readers``.
        blind: Splits whose labels are withheld; scoring one is refused.
        unanswerable: Whether questions without an answer are part of the task, so that a split may have no others.
        dev: Where dev rows come from when the source has no validation split to select on: ``{split, fraction}``.
        source_language: The language that is trained on, where it is not English.
        files: Files of the user's own: split -> file, files, or language -> file or files; ``{lang}`` in a name stands
            for the language. Or a folder of ``datasets.DatasetDict.save_to_disk``, or, from Python, split ->
            ``datasets.Dataset``.
        folder: Where relative names of files begin, beside the working folder: the folder of the YAML.
        language_column: The column of the files that holds a row's language (``codes[language]``, or the language).
        parallel: Whether the test rows are the same items in all languages, with the same ids or in the same order, so
            that statistics draw them together.
        shots: The split that rows for few-shot transfer are drawn from; None: ``train`` where other languages than the
            source have rows in it, else ``validation``.
        notes: What a reader of the scores must know.
        licence: As the hub names licences, such as ``cc-by-4.0``; None: it is not known.
    """

    name: str
    format: str
    id: str | None = None
    config: str | None = None
    revision: str | None = None
    splits: Mapping[str, str | list[str] | None] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    label_values: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ("en",)
    codes: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    counts: Mapping[str, object] = field(default_factory=dict)
    reader: str = "columns"
    blind: tuple[str, ...] = ()
    dev: Mapping[str, object] | None = None
    unanswerable: bool = False
    notes: str = ""
    source_language: str | None = None
    files: Mapping[str, Any] = field(default_factory=dict)
    folder: str | None = None
    language_column: str | None = None
    parallel: bool = False
    shots: str | None = None
    licence: str | None = None

    def held_in(self, split: str) -> str:
        """The split whose rows are read for a split: ``validation`` may be a share of another one (``dev``)."""
        return str(self.dev["split"]) if split == "validation" and self.dev else split


@dataclass(frozen=True)
class DataSpec:
    """The ``data`` group: which source, and what to do with rows that cannot be used.

    Attributes:
        kind: ``synthetic`` or ``hub``.
        root: Folder laid out like the hub; None reads the hub itself.
        bad_rows: ``skip`` (counted and named) or ``refuse``.
        world: Options of the synthetic world; empty for ``hub``.
    """

    kind: str
    root: str | None = None
    bad_rows: str = "skip"
    world: Mapping[str, object] = field(default_factory=dict)

"""The catalogue of data sets: their descriptions, as ``conf/dataset/*.yaml`` and the user's own YAML give them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import yaml

from stilts_xtreme.core.checks import refused
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import SPLITS, DatasetSpec
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.local.found import check_files
from stilts_xtreme.data.readers import reader_of, readers
from stilts_xtreme.tasks import row_format_of, row_formats


def names() -> list[str]:
    """Names of all data sets."""
    return sorted(path.stem for path in (CONF / "dataset").glob("*.yaml"))


@functools.cache
def task_names(group: str) -> tuple[str, ...]:
    """Names by which recipes know the tasks of ``conf/intermediate`` or ``conf/target``."""
    found = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CONF / group).glob("*.yaml")}
    return tuple(sorted((values or {}).get("name", stem) for stem, values in found.items()))


def load_spec(name: str) -> DatasetSpec:
    """Reads the description of a data set from its YAML.

    Raises:
        StiltsError: If there is no such data set.
    """
    if name not in names():
        raise unknown("dataset", name, names())
    return spec_from_mapping(yaml.safe_load((CONF / "dataset" / f"{name}.yaml").read_text(encoding="utf-8")))


def spec_from_mapping(mapping: Mapping[str, Any]) -> DatasetSpec:
    """Checks and types the description of a data set.

    Args:
        mapping: Plain containers with the fields of :class:`DatasetSpec`.

    Raises:
        StiltsError: If a field, the format, the reader, a split or the source language is not known, or name or format
            is missing.
    """
    name = mapping.get("name") or "?"
    option = f"dataset.{name}"
    known = [field.name for field in fields(DatasetSpec)]
    for key in mapping:
        if key not in known:
            raise unknown(f"field of {option}", key, known)
    for key in ("name", "format"):
        if not mapping.get(key):
            raise StiltsError(f"{option} lacks the field '{key}'.")
    if mapping["format"] not in row_formats():
        raise unknown(f"{option}.format", mapping["format"], row_formats())
    canonical = row_format_of(mapping["format"]).columns
    if mapping.get("reader", "columns") not in readers():
        raise unknown(f"{option}.reader", mapping["reader"], readers())
    for split in [*(mapping.get("splits") or {}), *(mapping.get("blind") or [])]:
        if split not in SPLITS:
            raise unknown(f"split of {option}", split, SPLITS)
    for column in mapping.get("columns") or {}:
        if column not in canonical:
            raise unknown(f"column of {option}", column, canonical)
    values = {key: value for key, value in mapping.items() if value is not None}
    for key in ("labels", "languages", "blind"):
        if key in values:
            values[key] = tuple(_words(f"{option}.{key}", values[key]))
    for name in values.get("labels", ()):
        if values["labels"].count(name) > 1:
            raise StiltsError(f"{option}.labels names '{name}' more than once.")
    if "label_values" in values:
        given = values["label_values"]
        names_ = _words(f"{option}.label_values", given), _words(f"{option}.label_values", given.values())
        values["label_values"] = dict(zip(*names_, strict=True))
    if not isinstance(values.get("unanswerable", False), bool):
        raise refused(f"{option}.unanswerable", values["unanswerable"], "write true or false")
    if values.get("shots") not in (None, "train", "validation"):
        raise unknown(f"{option}.shots", values["shots"], ("train", "validation"))
    if "files" in values:
        values["files"] = check_files(option, values["files"])
        values.setdefault("languages", ())
    spec = DatasetSpec(**values)
    if spec.source_language and spec.languages and spec.source_language not in spec.languages:
        raise unknown(f"{option}.source_language", spec.source_language, spec.languages)
    return spec


def _words(option: str, values: Iterable[object]) -> list[str]:
    """Words as text: numbers are what they look like; YAML reads yes, no, on, off as true and false."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise StiltsError(f"{option} holds {value!r}, which is no text: put the word in quotes, as in 'no'.")
    return [str(value) for value in values]


def caveat(spec: DatasetSpec) -> str:
    """What a reader of scores on a data set must know, as long as it is read in the way that the catalogue says."""
    own = spec.name not in names() or load_spec(spec.name).reader == spec.reader
    return " ".join(spec.notes.split()) if own else ""


def declared_count(spec: DatasetSpec, split: str, language: str) -> int | None:
    """Rows that the hub is known to hold of a canonical split, before any is dropped; None where that is not known."""
    value = spec.counts.get(language, {} if any(isinstance(v, Mapping) for v in spec.counts.values()) else spec.counts)
    n = value.get(split) if isinstance(value, Mapping) else None
    limits = [layout.sliced(name)[1] for name in layout.raw_splits(spec, split)]
    if n is None or None in limits:
        return n
    return min(n, sum(limit or 0 for limit in limits))


def comparable_count(spec: DatasetSpec, split: str, language: str) -> int | None:
    """How many rows a copy of the data set must have to be the one that others report on; None where no one can tell.

    Corpora are not counted in pairs, nor have files of treebanks the counts of the hub's copy.
    """
    return declared_count(spec, split, language) if reader_of(spec.reader).as_declared else None

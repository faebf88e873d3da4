"""Every data set of the catalogue on rows in the exact types that the hub is known to have."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from datasets import ClassLabel, List, Value
from support.facts import facts, needs_facts

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.hub.repositories import HubSource
from stilts_xtreme.data.readers import reader_of
from stilts_xtreme.data.readers.raw import Raw, raw_columns
from stilts_xtreme.data.sources import source_of

LOCAL = ("ccg", "ud_relations", "lareqa", "mewsli_x")  # what their readers make of own files is shown elsewhere
BEYOND = (
    "americas_nli",
    "belebele",
    "masakhaner2",
    "race",
    "sib200",
)  # the facts have no schema; test_beyond reads these
READ = [name for name in catalogue.names() if catalogue.load_spec(name).reader not in LOCAL and name not in BEYOND]
TEXTS = ["เมืองหลวงของไทย", "عاصمة مصر القاهرة", "北京是首都 👩‍👩‍👧"]


def feature(kind: Any, labels: list) -> Any:
    """A type as the facts write it, in the library's own."""
    if isinstance(kind, dict):
        return {name: feature(inner, labels) for name, inner in kind.items()}
    word = kind.split(" ")[0]
    if word.startswith("list<"):
        return List(feature(word[5:-1], labels))
    if word == "ClassLabel":
        return ClassLabel(names=[str(label) for label in labels])
    return Value(word)


def value(name: str, kind: Any, spec: DatasetSpec, at: int) -> Any:
    """A plausible value of a raw column."""
    if isinstance(kind, dict):
        if "answer_start" in kind:
            return {"text": [TEXTS[at][:3]], "answer_start": [0]}
        return {"label": list("ABCDE"), "text": [f"{TEXTS[at]} {letter}" for letter in "ABCDE"]}
    if name == "gold":
        return [[1, 2]]
    if name == spec.columns.get("label"):
        first = {"commonsense_qa": "B", "hellaswag": "1", "siqa": "3"}.get(spec.name)
        return first if first is not None else 1
    if kind.startswith("list<ClassLabel>"):
        return [0, 1]
    if kind.startswith("list<string>"):
        return ["un", "deux", "trois", "quatre"] if name == "endings" or spec.reader == "bucc" else ["un", TEXTS[at]]
    if kind.startswith("int"):
        return at
    if name == "question" and spec.reader == "copa":
        return "cause"
    return f"english-{at}-1" if name == "id" else TEXTS[at]


def raw_of(name: str) -> tuple[DatasetSpec, Raw]:
    spec, fact = catalogue.load_spec(name), facts()[{"squad_sentences": "squad_v1"}.get(name, name)]
    if name == "udpos":
        fact = fact["alternatives"][0]
    kinds = fact["features"]
    n = 1 if spec.reader == "bucc" else 3
    columns = {column: [value(column, kind, spec, at) for at in range(n)] for column, kind in kinds.items()}
    features = {column: feature(kind, fact["labels"]) for column, kind in kinds.items()}
    return spec, Raw(columns, features, [f"row-{at}" for at in range(n)], f"'{spec.id}'")


@needs_facts
@pytest.mark.parametrize("name", READ)
def test_rows_in_the_hubs_types_are_read_and_a_missing_column_refuses(name: str) -> None:
    spec, raw = raw_of(name)
    rows = reader_of(spec.reader).columns(raw, spec, spec.labels)
    assert {len(values) for values in rows.values()} == {8 if spec.reader == "bucc" else 3}
    if spec.format in ("classification", "choice"):
        assert set(rows["label"]) == {2 if name == "siqa" else 1}
    if spec.format == "tagging":
        assert rows["tags"] == [[0, 1]] * 3
    for column in raw_columns(spec, list(raw.features)):
        left = Raw(
            {key: values for key, values in raw.columns.items() if key != column},
            {key: kind for key, kind in raw.features.items() if key != column},
            raw.ids,
            raw.where,
        )
        with pytest.raises(StiltsError, match=f"'{spec.id}' has no column '{column}'"):
            reader_of(spec.reader).columns(left, spec, spec.labels)


@needs_facts
@pytest.mark.parametrize("name", [name for name in READ if catalogue.load_spec(name).reader != "bucc"])
def test_a_count_that_moved_warns_with_both_numbers(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec, raw = raw_of(name)
    rows = reader_of(spec.reader).columns(raw, spec, spec.labels)
    monkeypatch.setattr(HubSource, "_read", lambda *args: {key: list(values) for key, values in rows.items()})
    language = "en" if "en" in spec.languages else spec.languages[0]
    splits = [split for split in ("train", "validation", "test") if spec.splits.get(split) and split not in spec.blind]
    for split in splits:
        declared = catalogue.declared_count(spec, split, language)
        if declared is None:
            continue
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            source_of(spec, DataSpec("hub")).rows(split, language)
        assert f"{name}/{split}/{language}: 3 rows read, {declared} declared" in caplog.text
        assert declared > 3
        monkeypatch.setattr(catalogue, "declared_count", lambda *args: 3)
        caplog.clear()
        source_of(spec, DataSpec("hub")).rows(split, language)
        assert "declared" not in caplog.text
        monkeypatch.undo()
        monkeypatch.setattr(HubSource, "_read", lambda *args: {key: list(values) for key, values in rows.items()})
    assert splits

"""Rows of the hub: what a folder or the hub lacks is named, and real rows where a folder of them is named."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Dataset, List, Value
from support.loading import load
from support.rows import INT, TEXT, pairs, write

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.hub import rows as hub
from stilts_xtreme.data.sources import source_of

pytestmark = pytest.mark.usefixtures("cache")


ROOT = os.environ.get("STILTS_DATA_ROOT")


def test_what_a_root_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match="is not a folder"):
        load("xnli", "test", "de", tmp_path / "nowhere")
    columns, features = pairs()
    write(tmp_path, "facebook/xnly", "de", "test", columns, features)
    with pytest.raises(StiltsError, match=r"has no folder 'facebook/xnli' \(did you mean 'facebook/xnly'\?\)"):
        load("xnli", "test", "de", tmp_path)
    write(tmp_path, "facebook/xnli", "de", "test", columns, features)
    with pytest.raises(StiltsError, match=r"has no configuration 'fr'.*it holds: de"):
        load("xnli", "test", "fr", tmp_path)
    with pytest.raises(StiltsError, match=r"has no split 'validation'.*it holds: test"):
        load("xnli", "validation", "de", tmp_path)
    with pytest.raises(StiltsError, match="language of xnli=xx"):
        load("xnli", "test", "xx", tmp_path)
    with pytest.raises(StiltsError, match="xcopa has no train split; it has: validation, test"):
        load("xcopa", "train", "et", tmp_path)
    with pytest.raises(StiltsError, match=r"LDC2005T13.*FOLDER/local/ccg.*ud_tags, a free substitute"):
        load("ccg", "train", "en", tmp_path)
    (tmp_path / "facebook/xnli/de/test-00000-of-00001.parquet").write_bytes(b"not parquet")
    with pytest.raises(StiltsError, match="cannot be read as parquet"):
        load("xnli", "test", "de", tmp_path)


def test_a_script_is_never_run(tmp_path: Path) -> None:
    folder = tmp_path / "facebook" / "xnli"
    folder.mkdir(parents=True)
    (folder / "xnli.py").write_text("raise SystemExit")
    with pytest.raises(StiltsError, match="holds a loading script"):
        load("xnli", "test", "de", tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": ([0.0, 1.0, 2.0], Value("float32"))}, "'label' holds float32; expected label or string or integer"),
        ({"premise": ([[1], [2], [3]], List(INT))}, "'premise' holds list of integer; expected string"),
        ({"label": (["neutral", "nutral", "neutral"], TEXT)}, r"has no label 'nutral' \(did you mean 'neutral'"),
        ({"hypothesis": None}, r"no column 'hypothesis' \(did you mean 'hypotheses'\?\); it holds"),
    ],
)
def test_columns_of_another_type_are_refused(tmp_path: Path, change: dict, sentence: str) -> None:
    columns, features = pairs()
    for name, value in change.items():
        if value is None:
            columns["hypotheses"], features["hypotheses"] = columns.pop(name), features.pop(name)
        else:
            columns[name], features[name] = value
    write(tmp_path, "facebook/xnli", "de", "test", columns, features)
    with pytest.raises(StiltsError, match=sentence) as caught:
        load("xnli", "test", "de", tmp_path)
    assert "'facebook/xnli', configuration 'de', split 'test' in data.root" in str(caught.value)


def test_tokens_must_be_lists(tmp_path: Path) -> None:
    features = {"tokens": TEXT, "ner_tags": List(ClassLabel(names=["O"]))}
    write(tmp_path, "unimelb-nlp/wikiann", "de", "test", {"tokens": ["a b"], "ner_tags": [[0, 0]]}, features)
    with pytest.raises(StiltsError, match="'tokens' holds string; expected list of string"):
        load("panx", "test", "de", tmp_path)


def test_a_root_with_an_odd_name_is_read(tmp_path: Path) -> None:
    columns, features = pairs()
    root = tmp_path / "rows [1] *ä"
    write(root, "facebook/xnli", "de", "test", columns, features)
    assert load("xnli", "test", "de", root)["label"] == [0, 1, 2]


def test_a_folder_is_read_without_network(tmp_path: Path, wire: list) -> None:
    columns, features = pairs()
    write(tmp_path, "facebook/xnli", "de", "test", columns, features)
    assert load("xnli", "test", "de", tmp_path)["label"] == [0, 1, 2]
    assert wire == []


def test_without_network_the_hub_is_refused_at_once(wire: list) -> None:
    with pytest.raises(StiltsError, match=r"There is no network for 'facebook/xnli'.*data.root=FOLDER"):
        source_of(catalogue.load_spec("xnli"), DataSpec("hub")).rows("test", "de")
    assert 1 <= len(wire) <= 2, "it is not tried again and again, which takes half a minute"


def test_the_hub_is_asked_for_the_pinned_rows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: dict = {}

    def fake(path: str, name: str, **options: object) -> Dataset:
        asked.update(options, path=path, name=name)
        return Dataset.from_dict({"sentence1": ["ein"], "sentence2": ["one"]})

    monkeypatch.setattr(datasets, "load_dataset", fake)
    monkeypatch.setattr(hub, "_reachable", lambda repo, revision: True)
    spec = catalogue.load_spec("tatoeba")
    with caplog.at_level(logging.WARNING):
        rows, report = source_of(spec, DataSpec("hub")).rows("test", "de")
    assert rows["text_a"] == ["ein"]
    assert report.n_kept == 1
    assert (asked["path"], asked["name"], asked["split"]) == (spec.id, "deu-eng", "test")
    assert asked["revision"] == spec.revision
    assert "trust_remote_code" not in asked
    assert "1 rows read, 1000 declared" in caplog.text


@pytest.mark.parametrize("end", ["csv", "tsv"])
@pytest.mark.parametrize("split", ["test", "test[:1]"])
def test_texts_that_the_library_would_change_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str, split: str
) -> None:
    """It reads the words NA and 007 of such files as nothing and as 7."""
    mark = {"csv": ",", "tsv": "\t"}[end]
    (tmp_path / f"test.{end}").write_text(f"sentence1{mark}sentence2\nNA{mark}007\nein{mark}one\n")
    real = datasets.load_dataset

    def fake(path: str, name: str, **options: Any) -> Any:
        asked = {key: options[key] for key in ("split", "streaming") if key in options}
        return real(str(tmp_path), cache_dir=str(tmp_path / "cache"), **asked)

    monkeypatch.setattr(datasets, "load_dataset", fake)
    monkeypatch.setattr(hub, "_reachable", lambda repo, revision: True)
    spec = replace(catalogue.load_spec("tatoeba"), splits={"test": split})
    with pytest.raises(StiltsError, match=r"in csv or tsv files.*stilts_xtreme\.fetch .*data\.root=FOLDER"):
        source_of(spec, DataSpec("hub")).rows("test", "de")


def test_what_the_hub_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = catalogue.load_spec("xnli")

    class Info:
        siblings = (type("File", (), {"rfilename": "xnli.py"}),)

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *args, **kwargs: Info())
    with pytest.raises(StiltsError, match=r"'facebook/xnli' holds a loading script \(xnli.py\)"):
        source_of(spec, DataSpec("hub")).rows("test", "de")
    Info.siblings = ()

    def broken(*args: object, **kwargs: object) -> None:
        raise ValueError("BuilderConfig 'de' not found.\nAvailable: x")

    monkeypatch.setattr(datasets, "load_dataset", broken)
    monkeypatch.setattr(hub, "_reached", set())
    with pytest.raises(
        StiltsError, match=r"'facebook/xnli' cannot be read from the hub: BuilderConfig 'de' not found."
    ):
        source_of(spec, DataSpec("hub")).rows("test", "de")


@pytest.mark.real
@pytest.mark.skipif(not ROOT, reason="STILTS_DATA_ROOT names no folder of real rows")
@pytest.mark.parametrize("name", catalogue.names())
def test_real_rows(name: str, wire: list) -> None:
    spec, data, seen = catalogue.load_spec(name), DataSpec("hub", ROOT), 0
    own = {"ccg": "ccg", "ud_tags": "ud/en"}.get(name, "")
    size = len(source_of(spec, data).labels()) if (Path(str(ROOT)) / "local" / own).is_dir() or not own else 0
    for split in ("train", "validation", "test"):
        for language in source_of(spec, data).languages(split):
            try:
                columns, report = source_of(spec, data).rows(split, language)
            except StiltsError as error:
                if "blind" not in str(error):
                    raise
                continue
            seen += 1
            assert len({len(values) for values in columns.values()}) == 1
            assert report.n_kept == len(columns["id"])
            if not own and (not spec.dev or split == "test"):  # a user's own files have any number of rows
                assert report.n_read == source_of(spec, data).count(split, language)
            for label in columns.get("label", []):
                assert 0 <= label < size
            for tokens, tags in zip(columns.get("tokens", []), columns.get("tags", []), strict=True):
                assert len(tokens) == len(tags)
                assert all(0 <= tag < size for tag in tags)
            for choices in columns.get("choices", []):
                assert len(choices) == size
            if spec.format == "qa":
                triples = zip(columns["context"], columns["answer_texts"], columns["answer_starts"], strict=True)
                for context, texts, starts in triples:
                    assert all(context[s : s + len(t)] == t for t, s in zip(texts, starts, strict=True))
                assert len(set(columns["id"])) == len(columns["id"])
    assert wire == []
    if not seen:
        pytest.skip("no rows of it there")


@pytest.mark.real
@pytest.mark.skipif(not ROOT, reason="STILTS_DATA_ROOT names no folder of real rows")
@pytest.mark.parametrize(
    ("name", "split", "language"),
    [("xnli", "test", "de"), ("siqa", "train", "en"), ("tatoeba", "test", "fr"), ("udpos", "test", "lt")],
)
def test_the_files_are_those_that_the_library_would_read(name: str, split: str, language: str, tmp_path: Path) -> None:
    spec = catalogue.load_spec(name)
    if language not in source_of(spec, DataSpec("hub", ROOT)).languages(split):
        pytest.skip("no rows of it there")
    source = layout.source(spec, language)
    with hub._offline():
        theirs = datasets.load_dataset(f"{ROOT}/{source.id}", source.config, split=split, cache_dir=str(tmp_path))
    ours = source_of(spec, DataSpec("hub", ROOT)).unchecked(split, language)
    assert len(theirs) == len(ours["id"])
    for canonical, raw in spec.columns.items():
        if canonical in ("text_a", "tokens", "context"):
            strip = (lambda t: t.strip()) if name == "tatoeba" else (lambda t: t)
            assert [strip(value) for value in theirs[raw]] == ours[canonical]

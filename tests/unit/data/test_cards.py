"""Dataset cards: each legal form of ``configs`` gives the rows that the library ``datasets`` reads, or is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from datasets import ClassLabel, Dataset, Features, Value

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data.catalogue import spec_from_mapping
from stilts_xtreme.data.hub import card, layout
from stilts_xtreme.data.hub import rows as hub
from stilts_xtreme.data.source import RowSource
from stilts_xtreme.data.sources import source_of

pytestmark = pytest.mark.usefixtures("cache")

FIELDS: dict[str, Any] = {
    "name": "mine",
    "format": "classification",
    "id": "me/mine",
    "splits": {"train": "train", "validation": "validation", "test": "test"},
    "columns": {"text_a": "text", "label": "label"},
    "labels": ["bad", "good"],
}


def spec(config: str | None = None, **fields: Any) -> DatasetSpec:
    return spec_from_mapping({**FIELDS, "config": config, **fields})


def source(root: Path, config: str | None = None, **fields: Any) -> RowSource:
    return source_of(spec(config, **fields), DataSpec("hub", str(root)))


def place(root: Path, files: Mapping[str, list[str]], head: dict[str, Any] | None = None) -> Path:
    """A repository with files of texts, each the name of its file and a number, and a card."""
    folder = root / "me" / "mine"
    for name, texts in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"text": text, "label": "good"} for text in texts]
        if name.endswith(".parquet"):
            Dataset.from_list(rows).to_parquet(path)
        elif name.endswith(".csv"):
            path.write_text("text,label\n" + "".join(f"{text},good\n" for text in texts))
        elif name.endswith(".tsv"):
            path.write_text("text\tlabel\n" + "".join(f"{text}\tgood\n" for text in texts))
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if head is not None:
        (folder / "README.md").write_text(f"---\n{yaml.safe_dump(head)}---\n# Mine\n")
    return folder


FLAT = {"train.csv": ["a", "b"], "dev.csv": ["c"], "test.csv": ["d"]}
PARTS = {"data/train-00000-of-00002.parquet": ["a"], "data/train-00001-of-00002.parquet": ["b"],
         "data/test-00000-of-00001.parquet": ["c"]}  # fmt: skip
DEEP = {"de/train/x.jsonl": ["a"], "de/train/w.jsonl": ["b"], "de/test/y.jsonl": ["c"], "en/test/z.jsonl": ["d"]}
CARDS: list[tuple[str, Mapping[str, list[str]], Any, str]] = [
    ("no card", FLAT, None, "default"),
    ("no card, shards", PARTS, None, "default"),
    ("no card, folders", {"train/a.jsonl": ["a"], "test/b.jsonl": ["b"]}, None, "default"),
    ("a string", FLAT, [{"config_name": "default", "data_files": "train.csv"}], "default"),
    ("a pattern", FLAT, [{"config_name": "default", "data_files": "*.csv"}], "default"),
    ("a list of strings", FLAT, [{"config_name": "default", "data_files": ["test.csv", "train.csv"]}], "default"),
    ("splits", FLAT, [{"config_name": "x", "data_files": [{"split": "train", "path": "dev.csv"},
                                                          {"split": "test", "path": "test.csv"}]}], "x"),
    ("a list of paths in a split", FLAT,
     [{"config_name": "x", "data_files": [{"split": "train", "path": ["test.csv", "dev.csv"]}]}], "x"),
    ("patterns", PARTS, [{"config_name": "x", "data_files": [{"split": "train", "path": "data/train-*"},
                                                             {"split": "test", "path": "data/test-*"}]}], "x"),
    ("deep patterns", DEEP, [{"config_name": "x", "data_files": [{"split": "train", "path": "de/**/*.jsonl"}]}], "x"),
    ("a character of some", DEEP, [{"config_name": "x", "data_files": [{"split": "train", "path": "[d]e/*/[xy]*"}]}],
     "x"),
    ("only a folder", DEEP, [{"config_name": "x", "data_dir": "de"}, {"config_name": "y", "data_dir": "en"}], "x"),
    ("only a folder, the other", DEEP, [{"config_name": "x", "data_dir": "de"}, {"config_name": "y", "data_dir": "en"}],
     "y"),
    ("a folder and files", DEEP, [{"config_name": "x", "data_files": "en/test/*"},
                                  {"config_name": "y", "data_dir": "de", "data_files": "test/*"}], "y"),
    ("only a name", FLAT, [{"config_name": "default"}], "default"),
    ("a default", FLAT, [{"config_name": "x", "data_files": "dev.csv", "default": True},
                         {"config_name": "y", "data_files": "test.csv"}], "y"),
    ("drop_labels", FLAT, [{"config_name": "x", "data_files": "train.csv", "drop_labels": True}], "x"),
    ("a number as name", FLAT, [{"config_name": "2018", "data_files": "train.csv"}], "2018"),
    ("hidden files", {**FLAT, ".train.csv": ["h"], "__x__/train.csv": ["i"]},
     [{"config_name": "x", "data_files": "**/*.csv"}], "x"),
    ("tsv", {"train.tsv": ["a"], "test.tsv": ["b"]}, None, "default"),
    ("most files", {"train.jsonl": ["a"], "train2.jsonl": ["c"], "train.csv": ["b"]}, None, "default"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "configs", "name"), [entry[1:] for entry in CARDS], ids=[e[0] for e in CARDS])
def test_a_card_is_read_as_the_library_reads_it(
    tmp_path: Path, files: Mapping[str, list[str]], configs: Any, name: str
) -> None:
    folder = place(tmp_path / "root", files, None if configs is None else {"configs": configs})
    with hub._offline():
        theirs = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))
    splits = {split: [split] for split in theirs}
    found = layout._layout(folder, name)
    assert found is not None
    assert {split for split, paths in found.items() if paths} == set(splits)
    for split in theirs:
        paths = layout.files(tmp_path / "root", layout.Source("me/mine", name, None), split)
        ours = hub._from_folder(spec(name), paths, folder, name, None)
        assert ours.columns["text"] == theirs[split]["text"]


@pytest.mark.parametrize(
    ("configs", "words"),
    [
        ({"config_name": "x"}, "README.md: configs has .*which the library datasets does not take either"),
        ([{"data_files": "a.csv"}], "README.md: configs has"),
        (["x"], "README.md: configs has 'x'"),
        ([{"config_name": "x", "data_files": 3}], "README.md: data_files has '3'"),
        ([{"config_name": "x", "data_files": [{"split": "train"}]}], "README.md: data_files has"),
        ([{"config_name": "x", "data_files": [{"path": "a.csv"}]}], "README.md: data_files has"),
        ([{"config_name": "x", "data_files": "../a.csv"}], "README.md names '../a.csv', which is outside of its own"),
        ([{"config_name": "x", "data_files": "https://a.b/c.csv"}], "outside of its own folder"),
        ([{"config_name": "x", "data_dir": "/etc"}], "README.md names '/etc'"),
        ([{"config_name": "x", "data_files": "train.csv", "skiprows": 1}], "says skiprows, which is not read here"),
        ([{"config_name": "x", "data_files": "none.csv"}], "has no split 'train'; it holds: nothing"),
        ([{"config_name": "x", "data_files": "a.xlsx"}], "a.xlsx is of no known format"),
        ([{"config_name": "x", "data_files": ["train.csv", "more.csv"]}],
         "train.csv is not all of the split 'train' of 'me/mine': more.csv is missing; bring the whole split"),
    ],
)  # fmt: skip
def test_what_no_card_says_is_one_sentence(tmp_path: Path, configs: Any, words: str) -> None:
    folder = place(tmp_path, FLAT, {"configs": configs})
    (folder / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(StiltsError, match=words) as caught:
        source(tmp_path, "x").rows("train", "en")
    assert "\n" not in str(caught.value)


def test_a_card_may_say_what_stands_between_fields_and_what_labels_are_called(tmp_path: Path) -> None:
    folder = place(tmp_path, {}, None)
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text('text;label\n"a; ""b""";0\nNA;1\n')
    names = {"class_label": {"names": {"0": "bad", "1": "good"}}}
    features = [{"name": "text", "dtype": "string"}, {"name": "label", "dtype": names}]
    head: dict[str, Any] = {"configs": [{"config_name": "x", "data_files": "train.csv", "sep": ";"}]}
    for at in ("dataset_info", "configs"):
        told = {**head, "dataset_info": {"config_name": "x", "features": features}}
        if at == "configs":
            told = {"configs": [{**head["configs"][0], "features": features}]}
        (folder / "README.md").write_text(f"\ufeff---\r\n{yaml.safe_dump(told)}---\r\n# Mine\r\n", encoding="utf-8")
        rows, _ = source(tmp_path, "x").rows("train", "en")
        assert (rows["text_a"], rows["label"]) == (['a; "b"', "NA"], [0, 1])


def test_files_of_one_split_must_name_labels_alike(tmp_path: Path) -> None:
    folder = tmp_path / "me" / "mine" / "data"
    folder.mkdir(parents=True)
    for at, names in enumerate((["bad", "good"], ["good", "bad"])):
        features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
        part = Dataset.from_dict({"text": ["a"], "label": [0]}, features=features)
        part.to_parquet(folder / f"train-0000{at}-of-00002.parquet")
    with pytest.raises(
        StiltsError, match=r"train-00001-of-00002.parquet row 1: the column 'label' has the label names"
    ):
        source(tmp_path).rows("train", "en")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = place(tmp_path, {f"data/train-0000{at}-of-00004.parquet": ["a", "b"] for at in (0, 2)}, None)
    for ask in (source(tmp_path).count, source(tmp_path).rows):
        with pytest.raises(StiltsError, match="train-00001-of-00004 is missing and 1 more; bring the whole split"):
            ask("train", "en")
    assert source(tmp_path).languages("train") == ("en",), "it is there, and whoever reads it is told"
    first = source(tmp_path, splits={"train": "train[:4]"})
    assert first.rows("train", "en")[0]["text_a"] == ["a", "b", "a", "b"], "of a slice only the first files are needed"
    with pytest.raises(StiltsError, match="is missing"):
        source(tmp_path, splits={"train": "train[:5]"}).rows("train", "en")
    (folder / "README.md").write_text(
        "---\nconfigs: [{config_name: default, data_files: [{split: train, path: data/train-*}]}]\n---\n"
    )
    with pytest.raises(StiltsError, match="is missing"):
        source(tmp_path).identity("train", ["en"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"---\nconfigs: [\n---\n", "The header of .*README.md is not valid YAML"),
        ("---\nlicense: für alle\n---\n".encode("latin-1"), "README.md line 2: not UTF-8 .byte 0xfc.; save the file"),
        ("---\nlicense: mit\n---\n".encode("utf-16"), "README.md is in UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1\n", "README.md is only Git LFS's pointer"),
        (b"<!DOCTYPE html>\n<html>", "README.md is a web page and not the file"),
    ],
)
def test_a_card_that_cannot_be_read_is_one_sentence(tmp_path: Path, data: bytes, words: str) -> None:
    folder = place(tmp_path, FLAT, None)
    (folder / "README.md").write_bytes(data)
    with pytest.raises(StiltsError, match=words):
        source(tmp_path).rows("train", "en")


@pytest.mark.parametrize("data", [b"", b"# Mine\n", b"---\n---\n", b"---\nlicense: mit\n", b"---\n- a\n---\n"])
def test_a_card_may_say_nothing_of_files(tmp_path: Path, data: bytes) -> None:
    folder = place(tmp_path, FLAT, None)
    (folder / "README.md").write_bytes(data)
    assert card.card_of(folder).configs == {}
    assert source(tmp_path).rows("train", "en")[0]["text_a"] == ["a", "b"]

"""Data sets of one's own: files in every format, where they are, what is in a key, and what is refused."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data.catalogue import spec_from_mapping
from stilts_xtreme.data.source import RowSource
from stilts_xtreme.data.sources import source_of

ROWS = [{"text": "gut", "stars": "good"}, {"text": "None", "stars": "bad"}, {"text": 'a, "b"\nc', "stars": "good"}]
FIELDS: dict[str, Any] = {
    "name": "mine",
    "format": "classification",
    "columns": {"text_a": "text", "label": "stars"},
    "labels": ["bad", "good"],
}


def spec(files: object, **fields: Any) -> DatasetSpec:
    return spec_from_mapping({**FIELDS, "files": files, **fields})


def own(files: object, kind: str = "synthetic", bad_rows: str = "skip", **fields: Any) -> RowSource:
    return source_of(spec(files, **fields), DataSpec(kind, bad_rows=bad_rows))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes rows in the format that a file's name ends with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.name.removesuffix(".gz").rpartition(".")[2]
    if suffix == "parquet":
        Dataset.from_list(rows).to_parquet(path)
        return path
    if suffix == "json":
        text = json.dumps(rows)
    elif suffix == "jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    elif suffix == "tsv":
        text = "\n".join(["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]) + "\n"
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path
    data = text.encode("utf-8", "surrogatepass")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("kind", ["synthetic", "hub"])
@pytest.mark.parametrize("end", ["jsonl", "json", "csv", "parquet", "jsonl.gz"])
def test_every_format_gives_the_same_rows(tmp_path: Path, end: str, kind: str) -> None:
    source = own({"train": str(write(tmp_path / f"rows.{end}", ROWS))}, kind)
    rows, report = source.rows("train", "en")
    assert rows["text_a"] == ["gut", "None", 'a, "b"\nc'], "the word None is text"
    assert rows["label"] == [1, 0, 1]
    assert rows["id"] == ["train-0", "train-1", "train-2"]
    assert rows["text_b"] == ["", "", ""]
    assert not report.problems
    assert (source.count("train", "en"), source.languages("train"), source.source_language) == (3, ("en",), "en")
    assert (source.synthetic, source.languages("test"), source.splits()) == (False, (), ("train",))


def test_a_tsv_has_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_bytes('\ufefftext\tstars\r\n"open\tgood\r\nNA\tbad\r\n'.encode())
    rows, _ = own({"train": str(path)}).rows("train", "en")
    assert rows["text_a"] == ['"open', "NA"]


def test_what_datasets_has_saved_and_what_is_given_from_python(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "stars": ClassLabel(names=["good", "bad"])})  # another order
    table = Dataset.from_dict({"text": ["x", "y"], "stars": [0, 1]}, features=features)
    table.save_to_disk(tmp_path / "one")
    both = DatasetDict(train=table, test=table.select([1]))
    both.save_to_disk(tmp_path / "both")
    for files in ({"train": str(tmp_path / "one")}, str(tmp_path / "both"), {"train": table}, both):
        source = own(files)
        assert source.rows("train", "en")[0]["label"] == [1, 0], "labels go by name"
        assert source.count("train", "en") == 2
    assert own(str(tmp_path / "both")).rows("test", "en")[0]["text_a"] == ["y"]
    assert own(both).languages("validation") == own(str(tmp_path / "both")).languages("validation") == ()
    with pytest.raises(StiltsError, match="has no split 'validation'; it has: train, test"):
        own({"validation": str(tmp_path / "both")}).rows("validation", "en")
    keys = [own({"train": value}).identity("train", ["en"]) for value in (table, table.select([0]))]
    assert keys[0] != keys[1]
    json.dumps(keys)


def test_a_file_for_each_language(tmp_path: Path) -> None:
    for language in ("sw", "de"):
        write(tmp_path / "test" / f"rows.{language}.jsonl", [{"text": language, "stars": "bad"}])
    for files in (
        {"test": str(tmp_path / "test" / "rows.{lang}.jsonl")},
        {"test": {code: str(tmp_path / "test" / f"rows.{code}.jsonl") for code in ("de", "sw")}},
    ):
        source = own(files)
        assert source.languages("test") == ("de", "sw")
        assert source.rows("test", "sw")[0]["text_a"] == ["sw"]
    assert own({"test": str(tmp_path / "test" / "rows.{lang}.jsonl")}, languages=["sw"]).languages("test") == ("sw",)
    coded = own({"test": str(tmp_path / "test" / "rows.{lang}.jsonl")}, languages=["xx", "de"], codes={"xx": "sw"})
    assert coded.languages("test") == ("xx", "de")
    assert coded.rows("test", "xx")[0]["text_a"] == ["sw"]


def test_a_column_of_languages(tmp_path: Path) -> None:
    rows = [{"text": f"{code}{n}", "stars": "good", "lang": code} for n in range(2) for code in ("en", "de")]
    path = write(tmp_path / "rows.csv", rows)
    source = own({"train": str(path), "test": str(path)}, language_column="lang")
    assert source.languages("test") == ("de", "en")
    assert source.source_language == "en"
    assert source.rows("test", "de")[0]["text_a"] == ["de0", "de1"]
    assert source.rows("test", "de")[0]["id"] == ["test-1", "test-3"]
    assert source.count("test", "de") == 2
    with pytest.raises(StiltsError, match=r"dataset\.mine\.language_column=lng: .* has no column 'lng'.*every file of"):
        own({"test": str(path)}, language_column="lng").languages("test")


@pytest.mark.parametrize("code", [None, "", " "])
def test_a_row_without_a_language_is_refused(tmp_path: Path, code: Any) -> None:
    rows = [{"text": "a", "stars": "good", "code": "de"}, {"text": "b", "stars": "bad", "code": code}]
    source = own({"test": str(write(tmp_path / "rows.jsonl", rows))}, language_column="code")
    with pytest.raises(StiltsError, match=r"rows.jsonl line 2: the column 'code' names no language; fill it in"):
        source.languages("test")


def test_the_file_that_lacks_a_column_is_named_with_its_own_columns(tmp_path: Path) -> None:
    files = [str(write(tmp_path / "a.jsonl", ROWS)), str(tmp_path / "B.JSONL")]
    Path(files[1]).write_text('{"stars": "good"}\n')
    assert own({"test": files[1]}).count("test", "en") == 1
    with pytest.raises(StiltsError, match=r"B.JSONL line 1 has no column 'text'; it holds: stars\."):
        own({"train": files}).rows("train", "en")


def test_the_source_language_is_part_of_the_data(tmp_path: Path) -> None:
    path = str(write(tmp_path / "rows.jsonl", ROWS))
    assert own({"train": {"de": path}}).source_language == "de"
    assert own({"train": {"de": path, "en": path}}).source_language == "en"
    assert own({"train": path}, source_language="sw").languages("train") == ("sw",)
    with pytest.raises(StiltsError, match="training rows in de, fr: say with source_language"):
        _ = own({"train": {"de": path, "fr": path}}).source_language
    hub = spec_from_mapping({**FIELDS, "id": "me/mine", "languages": ["de"], "splits": {"train": "train"}})
    assert source_of(hub, DataSpec("hub")).source_language == "de"


def test_lists_and_questions(tmp_path: Path) -> None:
    tagging = {"format": "tagging", "columns": {"tokens": "words"}, "labels": ["O", "B"]}
    path = write(tmp_path / "tags.csv", [{"words": '["a", "None"]', "tags": '["O", "B"]'}])
    rows, _ = own({"train": str(path)}, **tagging).rows("train", "en")
    assert (rows["tokens"], rows["tags"]) == ([["a", "None"]], [[0, 1]])
    bad = write(tmp_path / "bad.csv", [{"words": "a None", "tags": '["O", "B"]'}])
    with pytest.raises(StiltsError, match=r"bad.csv line 2: the column 'words' must hold lists.*found 'a None'"):
        own({"train": str(bad)}, **tagging).rows("train", "en")
    answers = {"context": "ab cd", "question": "q", "answers": {"text": ["cd"], "answer_start": [3]}}
    qa = {"format": "qa", "columns": {"answer_texts": "answers.text", "answer_starts": "answers.answer_start"}}
    path = write(tmp_path / "qa.jsonl", [{"id": 7, **answers}, {"id": None, **answers}])
    rows, _ = own({"train": str(path)}, **qa, labels=[]).rows("train", "en")
    assert (rows["id"], rows["answer_starts"]) == (["7", "train-1"], [[3], [3]])
    squad = {"id": "1", "question": "q", "answers": [{"text": "cd", "answer_start": 3}]}
    (tmp_path / "qa.json").write_text(json.dumps({"data": [{"paragraphs": [{"context": "ab cd", "qas": [squad]}]}]}))
    rows, _ = own({"test": str(tmp_path / "qa.json")}, format="qa", columns={}, labels=[]).rows("test", "en")
    assert rows["answer_texts"] == [["cd"]]


def test_null_in_a_list_is_a_bad_row_with_its_line(tmp_path: Path) -> None:
    rows = [{"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a", None], "tags": ["O", "O"]}]
    path = write(tmp_path / "tags.jsonl", rows)
    fields = {"format": "tagging", "columns": {}, "labels": ["O"]}
    for split in ("train", "test"):
        found, report = own({split: str(path)}, **fields).rows(split, "en")
        assert found["tokens"] == [["a"]]
        assert report.places == {"tokens has null": f"{path} line 2"}
        with pytest.raises(StiltsError, match=r"data.bad_rows=refuse: .*tags.jsonl line 2"):
            own({split: str(path)}, bad_rows="refuse", **fields).rows(split, "en")


def test_relative_names_begin_at_the_yaml_or_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "conf" / "rows.jsonl", ROWS[:1])
    write(tmp_path / "here" / "other.jsonl", ROWS[:2])
    write(tmp_path / "home" / "rows.jsonl", ROWS)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    files = {"train": "rows.jsonl", "validation": "other.jsonl", "test": "~/rows.jsonl"}
    source = own(files, folder=str(tmp_path / "conf"))
    assert [source.count(split, "en") for split in files] == [1, 2, 3]
    looked = f"{tmp_path}/conf/x.jsonl and {tmp_path}/here/x.jsonl"
    with pytest.raises(StiltsError, match=f"files.train=x.jsonl is not there: looked for {looked}; bring the file"):
        own({"train": "x.jsonl"}, folder=str(tmp_path / "conf")).languages("train")
    with pytest.raises(StiltsError, match=r"fits no file: looked for .*/here/x-\{lang\}.jsonl"):
        own({"test": "x-{lang}.jsonl"}).languages("test")


def test_a_key_holds_what_is_read_and_no_path(tmp_path: Path) -> None:
    def key(folder: str, rows: list = ROWS, end: str = "jsonl", **fields: Any) -> dict[str, Any]:
        path = write(tmp_path / folder / f"rows.{end}", rows)
        return own({"train": str(path)}, **fields).identity("train", ["en"])

    first = key("a")
    assert key("b") == first
    assert str(tmp_path) not in json.dumps(first)
    others = [key("c", ROWS[:2]), key("d", end="json"), key("e", labels=["good", "bad"])]
    others += [key("f", columns={"text_a": "text", "text_b": "text", "label": "stars"})]
    others += [key("g", label_values={"x": "good"}), key("h", dev={"split": "train", "fraction": 0.5})]
    assert all(other != first for other in others)
    assert json.loads(json.dumps(first)) == first


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.jsonl", b'{"text": "a", "stars": "good"}\nnope\n', "x.jsonl line 2: not JSON"),
        ("x.jsonl", b'{"text": "a", "stars": "good"}\n[1]\n', "x.jsonl line 2: a list, and a row is an object"),
        ("x.jsonl", b'{"text": 1, "stars": "bad"}', "the column 'text' holds integer; expected string"),
        ("x.jsonl", b'{"txt": "a", "stars": "good"}', "no column 'text' .did you mean 'txt'.*it holds: txt, stars"),
        ("x.jsonl", b'{"text": "a", "stars": "great"}', "no label 'great'.*mend .*x.jsonl line 1"),
        ("x.jsonl", b'{"text": "a"}\n\xff\n', "x.jsonl line 2: not UTF-8 .byte 0xff.; save the file in UTF-8"),
        ("x.jsonl", '{"text": "a"}'.encode("utf-16"), "x.jsonl is in UTF-16; save it in UTF-8"),
        ("x.jsonl", b" \n", "x.jsonl is empty"),
        ("x.jsonl.gz", b"no gzip", "x.jsonl.gz is no whole gzip file"),
        ("x.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "only Git LFS's pointer .* 'git lfs pull'"),
        ("x.parquet", b"version https://git-lfs.github.com/spec/v1\n", "only Git LFS's pointer"),
        ("x.parquet", b"PAR1 and then nothing", "x.parquet cannot be read as parquet"),
        ("x.csv", b"text,stars\na,good\nb\n", "x.csv line 3: 1 fields with commas between them, and line 1 names 2"),
        ("x.csv", b'text,stars\n"a,good\n', "x.csv line 2: not csv"),
        ("x.csv", b"text,text\na,good\n", "x.csv line 1: the column 'text' occurs more than once"),
        ("x.tsv", b"text\tstars\na\n", "x.tsv line 2: 1 fields with tabs"),
        ("x.json", b"null", "x.json holds a null, and rows are a list of objects"),
        ("x.jsonl", b'{"text": "a", "stars": "bad", "text": "b"}', "x.jsonl line 1: the key 'text' occurs twice"),
        ("x.json", b'[{"text": "a", "stars": {"a": 1, "a": 1}}]', "x.json: the key 'a' occurs twice in one object"),
        ("x.json", b"[" * 100_000, "x.json: not JSON"),
        ("x.jsonl", b"[" * 100_000, "x.jsonl line 1: not JSON"),
        ("x.jsonl", b'{"text": "\\ud800", "stars": "bad"}', "x.jsonl line 1: half a character"),
        ("x.xlsx", b"PK", "x.xlsx is of no known format: .*jsonl, .json, .csv, .tsv, .parquet"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(StiltsError, match=words) as error:
        own({"train": str(path)}).rows("train", "en")
    assert name.partition(".")[0] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"files": {"tran": "x.jsonl"}}, "split of dataset.mine.files=tran is not known .did you mean 'train'"),
        ({"files": {"train": 3}}, "dataset.mine.files.train=3 is refused: write it as"),
        ({"files": ["x.jsonl"]}, "is refused: write it as"),
        ({"files": {"test": {False: "x.jsonl"}}}, "has the language False: put its code in quotes"),
        ({"labels": [True, False]}, "labels holds True, which is no text: put the word in quotes"),
        ({"label_values": {True: "good"}}, "label_values holds True"),
        ({"labels": []}, "dataset.mine lacks the field 'labels'"),
        ({"labels": ["good", "bad", "good"]}, "dataset.mine.labels names 'good' more than once"),
    ],
)
def test_a_description_that_cannot_be_right_is_one_sentence(
    tmp_path: Path, change: Mapping[str, Any], words: str
) -> None:
    path = str(write(tmp_path / "rows.jsonl", ROWS))
    with pytest.raises(StiltsError, match=words):
        own(**{"files": {"train": path}, **change}).rows("train", "en")  # type: ignore[arg-type]


def test_the_synthetic_world_says_what_it_lacks() -> None:
    mine = spec_from_mapping({**FIELDS, "id": "me/mine", "splits": {"train": "train"}})
    with pytest.raises(StiltsError, match=r"synthetic world has no data set 'mine': give data=hub .*or name files"):
        source_of(mine, DataSpec("synthetic"))


def test_integers_stand_for_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"text": "a", "stars": 5}, {"text": "b", "stars": 1}])
    rows, _ = own({"train": str(path)}, label_values={5: "good", 1: "bad"}).rows("train", "en")
    assert rows["label"] == [1, 0]


def test_dev_rows_can_be_a_share_of_the_training_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"text": f"t{i}", "stars": "bad"} for i in range(100)])
    source = own({"train": str(path)}, dev={"split": "train", "fraction": 0.3})
    train, dev = (source.rows(split, "en")[0]["text_a"] for split in ("train", "validation"))
    assert sorted(train + dev) == sorted(f"t{i}" for i in range(100))
    assert 10 < len(dev) < 50
    assert source.count("validation", "en") == 30


def test_the_text_of_all_splits_is_the_corpus(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"text": "a"}, {"text": "b"}])
    other = write(tmp_path / "de.jsonl", [{"text": "c"}])
    source = own({"train": str(path), "test": {"en": str(path), "de": str(other)}})
    assert source.corpus() == {"en": ["a", "b"], "de": ["c"]}


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20).filter(lambda text: text.strip())


@pytest.mark.parametrize("end", ["jsonl", "csv", "parquet", "json"])
@given(texts=st.lists(st.one_of(TEXT, st.sampled_from(["None", "null", "NA", "nan", "\ufeffx", "a\u2028b", "\x85"]))
                      .filter(lambda text: text.strip()), min_size=1, max_size=5))  # fmt: skip
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_as_it_was(tmp_path: Path, end: str, texts: list[str]) -> None:
    path = write(tmp_path / f"rows.{end}", [{"text": text, "stars": "good"} for text in texts])
    source = own({"test": str(path)})
    assert source.rows("test", "en")[0]["text_a"] == texts
    assert source.count("test", "en") == len(texts)

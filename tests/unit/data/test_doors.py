"""Files that are damaged, or are something else: rows, or one sentence that names the file, and never anything else."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.rows import ZUM, pairs, write

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.catalogue import spec_from_mapping
from stilts_xtreme.data.source import RowSource
from stilts_xtreme.data.sources import source_of

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
TEXTS = ["gut", 'a, "b"', "早く\u2028早く", "NA"]
TABLE = [{"text": text, "label": "good"} for text in TEXTS]
SQUAD = {"data": [{"paragraphs": [{"context": "ab cd", "qas": [
    {"id": "q1", "question": "what?", "answers": [{"text": "cd", "answer_start": 3}]}]}]}]}  # fmt: skip


def packed(rows: list[dict[str, Any]], end: str) -> bytes:
    """The bytes of a file of rows."""
    if end.endswith(".gz"):
        return gzip.compress(packed(rows, end.removesuffix(".gz")), mtime=0)
    if end == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if end == "json":
        return json.dumps(rows).encode()
    if end in ("csv", "tsv"):
        text = io.StringIO()
        how: dict[str, Any] = {} if end == "csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}
        writer = csv.DictWriter(text, list(rows[0]), **how)
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    if end == "txt":
        return "".join(f"{row['text']}\n" for row in rows).encode()
    found = io.BytesIO()
    if end == "parquet":
        Dataset.from_list(rows).to_parquet(found)
    else:
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(found, table.schema) as stream:
            stream.write_table(table)
    return found.getvalue()


@dataclass(frozen=True)
class Kind:
    """A kind of file: where it is below a root, its bytes, and who reads it."""

    path: str
    data: bytes
    source: Callable[[Path], RowSource]
    split: str = "test"
    language: str = "en"
    beside: tuple[tuple[str, bytes], ...] = ()

    def put(self, root: Path, data: bytes) -> Path:
        for name, content in (*self.beside, (self.path, data)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return root / self.path

    def read(self, root: Path) -> Any:
        source = self.source(root)
        source.languages(self.split)
        source.count(self.split, self.language)
        source.identity(self.split, [self.language])
        return source.rows(self.split, self.language)[0]


def own(end: str, **fields: Any) -> Kind:
    fields = {"format": "classification", "labels": ["bad", "good"], "columns": {"text_a": "text"}, **fields}

    def source(root: Path) -> RowSource:
        files = {"test": str(root / f"rows.{end}")}
        return source_of(spec_from_mapping({"name": "mine", "files": files, **fields}), DataSpec("synthetic"))

    return Kind(f"rows.{end}", packed(TABLE, end), source)


def card(end: str) -> bytes:
    head = f"---\nconfigs:\n- config_name: default\n  data_files: [{{split: test, path: data/test.{end}}}]\n---\n"
    return head.encode()


def of_hub(end: str) -> Kind:
    fields: dict[str, Any] = {"format": "classification", "labels": ["bad", "good"], "splits": {"test": "test"}}
    fields |= {"name": "mine", "columns": {"text_a": "text", "label": "label"}, "id": "me/mine"}

    def source(root: Path) -> RowSource:
        return source_of(spec_from_mapping(fields), DataSpec("hub", str(root)))

    beside = (("me/mine/README.md", card(end)),)
    return Kind(f"me/mine/data/test.{end}", packed(TABLE, end), source, beside=beside)


def released(name: str, path: str, data: bytes, language: str = "en", split: str = "test",
             beside: tuple[tuple[str, bytes], ...] = (), **changes: Any) -> Kind:  # fmt: skip
    def source(root: Path) -> RowSource:
        return source_of(replace(catalogue.load_spec(name), **changes), DataSpec("hub", str(root)))

    return Kind(f"local/{path}", data, source, split, language, tuple((f"local/{at}", own) for at, own in beside))


XQUAD_R = {"data": [{"paragraphs": [{"context": "One. Two.", "sentence_breaks": [[0, 4], [5, 9]], "qas": [
    {"id": "q1", "question": "which?", "answers": [{"text": "Two", "answer_start": 5}]}]}]}]}  # fmt: skip
MENTION = {"context": {"language": "en", "text": "In Rome.", "sentence_spans": [{"start": 0, "end": 8}]},
           "mentions": [{"example_id": "m1", "mention_span": {"start": 3, "end": 7}, "entity_id": "Q220"}]}  # fmt: skip
SIDES = (("bucc2018/de-en/de-en.training.en", b"en-1\tone\nen-2\ttwo\n"),
         ("bucc2018/de-en/de-en.training.gold", b"de-1\ten-1\n"))  # fmt: skip
KINDS = {
    **{f"own {end}": own(end) for end in ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "jsonl.gz", "csv.gz")},
    **{f"hub {end}": of_hub(end) for end in ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "json.gz")},
    "own txt": own("txt", format="text", labels=[], columns={"text": "text"}),
    "own squad": Kind("rows.json", json.dumps(SQUAD).encode(), own("json", format="qa", labels=[], columns={}).source),
    "card": Kind("me/mine/README.md", card("jsonl"), of_hub("jsonl").source,
                 beside=(("me/mine/data/test.jsonl", packed(TABLE, "jsonl")),)),
    "xquad": released("xquad", "xquad/xquad.de.json", json.dumps(SQUAD).encode(), "de", reader="original"),
    "panx": released("panx", "panx/de/test", b"de:Berlin\tB-LOC\nde:ist\tO\n\n", "de", reader="original"),
    "paws_x": released("paws_x", "paws_x/de/test_2k.tsv", b"id\ta\tb\tlabel\n1\tx\ty\t1\n", "de", reader="original"),
    "xnli": released("xnli", "xnli/xnli.test.tsv", b"h\nde\tneutral\t\t\t\t\tein\tzwei\n", "de", reader="original"),
    "tatoeba": released("tatoeba", "tatoeba/tatoeba.deu-eng.deu", b"ein\nzwei\n", "de", reader="original",
                        beside=(("tatoeba/tatoeba.deu-eng.eng", b"one\ntwo\n"),)),
    "conllu": released("udpos", "ud/de_x-ud-test.conllu", ZUM.encode(), "de", reader="conllu"),
    "ccg": released("ccg", "ccg/a.train.tsv", b"a b\tN N/N\nc\tN\n", split="train"),
    "ccg tags": released("ccg", "ccg/a.tags_to_id.json", b'{"N": 0, "N/N": 1}', split="train",
                         beside=(("ccg/a.train.tsv", b"a b\tN N/N\nc\tN\n"),)),
    "lareqa": released("lareqa", "lareqa/en.json", json.dumps(XQUAD_R).encode()),
    "mewsli_x": released("mewsli_x", "mewsli_x/wikinews_mentions-test.jsonl", json.dumps(MENTION).encode()),
    "bucc": released("bucc2018", "bucc2018/de-en/de-en.training.de", b"de-1\tein\nde-2\tzwei\n", "de", beside=SIDES),
}  # fmt: skip


def attempt(read: Callable[[], Any]) -> tuple[Any, str]:
    """What is read, or the sentence that refuses it, of one line."""
    try:
        return read(), ""
    except StiltsError as error:
        return None, str(error)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_whole_is_read(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    kind.put(tmp_path, kind.data)
    rows = kind.read(tmp_path)
    assert all(rows.values())
    if name.startswith(("own ", "hub ")) and "squad" not in name:
        assert next(rows[column] for column in ("text_a", "text") if column in rows) == TEXTS
    if name != "card" and not name.endswith(("parquet", "arrow", ".gz")):
        kind.put(tmp_path, b"\xef\xbb\xbf" + kind.data)
        assert kind.read(tmp_path) == rows, "a byte-order mark is no part of the first word"


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("damage", ["a pointer", "nothing", "a web page", "half", "UTF-16", "latin-1", "a folder"])
def test_something_else_in_the_place_of_a_file_is_one_sentence(tmp_path: Path, name: str, damage: str) -> None:
    kind = KINDS[name]
    binary = name.endswith(("parquet", "arrow", ".gz"))
    data = {
        "a pointer": POINTER,
        "nothing": b"",
        "a web page": b"<!DOCTYPE html>\n<html></html>\n",
        "half": kind.data[: len(kind.data) // 2],
        "UTF-16": kind.data if binary else kind.data.decode().encode("utf-16"),
        "latin-1": b"\xe4" + kind.data,
        "a folder": b"",
    }[damage]
    path = kind.put(tmp_path, data)
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    rows, sentence = attempt(lambda: kind.read(tmp_path))
    if rows is None:
        assert "\n" not in sentence
        assert path.name in sentence or damage == "a folder", "a folder is no such file, which is missing then"
        assert damage != "a pointer" or "Git LFS" in sentence
    else:
        silent = name == "card" and damage in ("nothing", "a folder")
        assert damage == "half" or (damage == "UTF-16" and binary) or silent


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_a_damaged_file_gives_rows_or_one_sentence(tmp_path: Path, name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    changed = bytearray(kind.data)
    if data.draw(st.booleans()):
        changed = changed[: data.draw(st.integers(0, len(changed) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if changed:
            at = data.draw(st.integers(0, len(changed) - 1))
            changed[at] ^= 1 << data.draw(st.integers(0, 7))
    kind.put(tmp_path, bytes(changed))
    rows, sentence = attempt(lambda: kind.read(tmp_path))
    if rows is None:
        assert "\n" not in sentence
        told = (str(tmp_path), "me/mine", "is blind", "No row can be used", "has no label")
        assert any(word in sentence for word in told)
    else:
        assert len({len(values) for values in rows.values()}) == 1


@pytest.mark.parametrize("name", ["dataset_info.json", "state.json", "data-00000-of-00001.arrow", "dataset_dict.json"])
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_a_damaged_folder_of_the_library_is_one_sentence(tmp_path: Path, name: str, data: st.DataObject) -> None:
    folder = tmp_path / "saved"
    if not folder.exists():
        DatasetDict(test=Dataset.from_list(TABLE)).save_to_disk(folder)
    path = folder / name if name == "dataset_dict.json" else folder / "test" / name
    whole = path.read_bytes()
    changed = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    if changed:
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    fields = {"name": "mine", "format": "classification", "labels": ["bad", "good"], "columns": {"text_a": "text"}}
    source = source_of(spec_from_mapping({**fields, "files": {"test": str(folder)}}), DataSpec("synthetic"))

    def read() -> Any:
        source.count("test", "en")
        source.identity("test", ["en"])
        return source.rows("test", "en")[0]

    path.write_bytes(bytes(changed))
    rows, sentence = attempt(read)
    path.write_bytes(whole)
    if rows is None:
        assert "saved" in sentence or "mine" in sentence
        assert "\n" not in sentence
    else:
        assert len(rows["text_a"]) <= len(TABLE)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("end", ["parquet", "jsonl"])
def test_a_damaged_file_is_there_and_whoever_reads_it_is_told(tmp_path: Path, end: str) -> None:
    columns, features = pairs()
    for language in ("en", "de"):
        path = f"{language}/test.{end}"
        write(tmp_path, "facebook/xnli", language, "test", columns, features, path=path)
        if end == "jsonl":
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            (tmp_path / "facebook/xnli" / path).write_bytes(packed(rows, end))
    (tmp_path / "facebook/xnli" / f"de/test.{end}").write_bytes(POINTER)
    source = source_of(catalogue.load_spec("xnli"), DataSpec("hub", str(tmp_path)))
    assert source.languages("test") == ("de", "en"), "it is not taken for one that is missing"
    assert source.count("test", "en") == 3
    for ask in (source.count, source.rows):
        with pytest.raises(StiltsError, match=rf"de/test.{end} is only Git LFS's pointer .*git lfs pull"):
            ask("test", "de")
    with pytest.raises(StiltsError, match="Git LFS"):
        source.identity("test", ["de"])


WORDS = ["None", "null", "NA", "nan", "N/A", "inf", "-inf", "True", "false", "1e5", "007", "1.0", "2020-01-01",
         "", "2020-01-01 00:00:00", " x ", "a;b", "'",
         '"quoted"', "\x00", "=1+1", "1,5", "\ufeffx", "a\u2028b"]  # fmt: skip


@pytest.mark.parametrize("end", ["jsonl", "json", "csv", "tsv", "parquet", "csv.gz"])
@pytest.mark.parametrize("kind", [own, of_hub])
def test_a_text_is_what_the_file_has(tmp_path: Path, end: str, kind: Callable[[str], Kind]) -> None:
    rows = [{"text": word, "label": "good"} for word in WORDS]
    if end.startswith("csv"):
        rows.append({"text": "two\nlines\r\nthree", "label": "good"})
    found = kind(end)
    found.put(tmp_path, packed(rows, end))
    assert found.read(tmp_path)["text_a"] == [row["text"] for row in rows]
    for word in ("007", "NA", "2020-01-01"):  # alone, so that the whole column looks like something else
        found.put(tmp_path, packed([{"text": word, "label": "good"}], end))
        assert found.read(tmp_path)["text_a"] == [word]


@pytest.mark.parametrize(
    ("end", "data", "words"),
    [
        ("csv", b"text;label\na;good\n", "line 1: ';' between the names of columns, where commas are needed"),
        ("csv", b'text;label\n"a";good\n', "line 1: ';' between the names of columns, where commas are needed"),
        ("jsonl", b"PK\x03\x04" + b"\0" * 99, "is packed with zip; unpack it"),
        ("jsonl", '{"text": "a", "label": "good"}'.encode("utf-32"), "is in UTF-32; save it in UTF-8"),
        ("csv", b"text\tlabel\na\tgood\n", "line 1: tabs between the names of columns"),
        ("tsv", b"text,label\na,good\n", "line 1: commas between the names of columns, where tabs are needed"),
        ("csv", b'text,label\n"a"b,good\n', "line 2: not csv .*mend the line's quotes"),
        ("csv", b'text,label\r\n"a\r\nb",good\r\nc\r\n', "line 4: 1 fields with commas"),
        ("jsonl", gzip.compress(b"{}\n", mtime=0), "is packed with gzip; give it a name that ends in .gz"),
        ("jsonl.gz", gzip.compress(b'{"text": "a", "label": "good"}\n', mtime=0)[:-9], "is no whole gzip file"),
        ("jsonl", b'{"text": "a", "label": "good"}'.replace(b"a", "\u00e4".encode("latin-1")), "line 1: not UTF-8"),
        ("json", b"[1]", "row 1: a number, and a row is an object"),
        ("parquet", b"PAR1....PAR1", "cannot be read as parquet"),
        ("arrow", b"ARROW1", "cannot be read as arrow"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [own, of_hub])
def test_the_cause_is_named(tmp_path: Path, end: str, data: bytes, words: str, kind: Callable[[str], Kind]) -> None:
    found = kind(end)
    path = found.put(tmp_path, data)
    with pytest.raises(StiltsError, match=words) as caught:
        found.read(tmp_path)
    assert str(path) in str(caught.value)

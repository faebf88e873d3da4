"""Files of own rows to predict: every format of file, columns under several names, and sentences for the rest."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.asked import read

ROWS = [{"text_a": "fine", "text_b": "good"}, {"text_a": "poor", "text_b": "None"}]


def jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def written(folder: Path, kind: str) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif kind == "json":
        path.write_text(json.dumps(ROWS))
    elif kind in ("csv", "tsv"):
        between = "," if kind == "csv" else "\t"
        path.write_text("".join(between.join(line) + "\n" for line in (ROWS[0].keys(), *(r.values() for r in ROWS))))
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    else:
        jsonl(path, ROWS)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz"])
def test_every_format_of_file(kind: str, tmp_path: Path) -> None:
    found = read(written(tmp_path, kind), "classification", ("label",))
    assert found == {"id": ["0", "1"], "text_a": ["fine", "poor"], "text_b": ["good", "None"]}


def test_one_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone two\r\n\r\nthree\u2028four\n".encode())
    assert read(path, "classification", ("label",))["text_a"] == ["one two", "", "three\u2028four"]
    path.write_text("one  two\nthree\n")
    assert read(path, "tagging", ("tags",))["tokens"] == [["one", "two"], ["three"]]
    with pytest.raises(StiltsError, match=r"lacks the column question: .*context, question.*has context"):
        read(path, "qa", ("answer_texts", "answer_starts"))


def test_conllu(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text("# text = x\n1\tder\t_\tDET\t_\t_\t2\tdet\t_\t_\n2\tHund\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n")
    assert read(path, "tagging", ("tags",))["tokens"] == [["der", "Hund"]]
    with pytest.raises(StiltsError, match="has the words of sentences"):
        read(path, "classification", ("label",))


def test_columns_go_by_three_names(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"review": "x", "stars": 5, "other": None, "id": 7}])
    trained = {"text_a": "review", "label": "stars"}
    for columns, known in (({"text_a": "review"}, {}), ({}, trained)):
        found = read(path, "classification", ("label",), columns, known)
        assert (found["id"], found["text_a"]) == (["7"], ["x"])
        assert "label" not in found
    both = jsonl(tmp_path / "b.jsonl", [{"review": "x", "text_a": "y"}])
    assert read(both, "classification", ("label",), {}, trained)["text_a"] == ["y"]
    assert read(both, "classification", ("label",), {"text_a": "review"}, trained)["text_a"] == ["x"]


def test_labels_are_not_read(tmp_path: Path) -> None:
    rows = [{"text_a": "x", "label": None}, {"text_a": "y", "label": "nobody knows it"}]
    assert read(jsonl(tmp_path / "a.jsonl", rows), "classification", ("label",))["text_a"] == ["x", "y"]
    rows = [{"tokens": ["a"], "tags": [99]}, {"tokens": ["b"], "tags": []}]
    assert read(jsonl(tmp_path / "b.jsonl", rows), "tagging", ("tags",))["tokens"] == [["a"], ["b"]]
    rows = [{"id": "q", "context": "c", "question": "w", "answers": "none"}]
    found = read(jsonl(tmp_path / "c.jsonl", rows), "qa", ("answer_texts", "answer_starts"))
    assert found == {"id": ["q"], "context": ["c"], "question": ["w"]}


def test_choices_in_one_column_or_several(tmp_path: Path) -> None:
    one = jsonl(tmp_path / "a.jsonl", [{"question": "w", "choices": ["x", "y"]}])
    several = jsonl(tmp_path / "b.jsonl", [{"premise": "w", "c1": "x", "c2": "y", "label": 0}])
    trained = {"question": "premise", "choices": "c1,c2"}
    for path, known in ((one, {}), (several, trained)):
        assert read(path, "choice", ("label",), {}, known)["choices"] == [["x", "y"]]


@pytest.mark.parametrize(
    ("row", "format", "answers", "words"),
    [
        ({"text": "x"}, "classification", ("label",), ("lacks the column text_a", "the file has text", "--column")),
        ({"tokens": ["a", None]}, "tagging", ("tags",), ("line 1", "tokens", "null")),
        ({"tokens": []}, "tagging", ("tags",), ("line 1", "tokens", "empty")),
        ({"tokens": "a b"}, "tagging", ("tags",), ("tokens", "string", "list of string")),
        ({"text_a": 5}, "classification", ("label",), ("text_a", "integer")),
        ({"context": "c"}, "qa", ("answer_texts", "answer_starts"), ("lacks the column question",)),
        ({"question": "q"}, "choice", ("label",), ("lacks the column choices",)),
        ({}, "classification", ("label",), ("lacks the column text_a", "has none")),
    ],
)
def test_what_cannot_be_predicted_is_one_sentence(
    row: dict, format: str, answers: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(StiltsError) as error:
        read(path, format, answers)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in (str(path), *words)), error.value


def test_what_the_training_rows_had_is_needed(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text_a": "x"}])
    assert read(path, "classification", ("label",))["text_b"] == [""]
    with pytest.raises(StiltsError, match="lacks the column text_b"):
        read(path, "classification", ("label",), {}, {"text_a": "premise", "text_b": "hypothesis"})


def test_ids_by_which_answers_are_told_apart(tmp_path: Path) -> None:
    rows = [{"id": key, "context": "c", "question": "q"} for key in ("a", "b", "a")]
    with pytest.raises(StiltsError, match="line 3: the id 'a' occurs more than once"):
        read(jsonl(tmp_path / "a.jsonl", rows), "qa", ("answer_texts", "answer_starts"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.csv", b"text_a\n", "has no rows"),
        ("a.json", b"[]", "has no rows"),
        ("a.json", b"[{}]", "the file has none"),
        ("a.xlsx", b"PK", "no known format"),
        ("a.jsonl", "text_a: ä".encode("latin-1"), "not UTF-8"),
        ("a.parquet", b"PAR1", "cannot be read as parquet"),
        ("a.txt", b"\n", "is empty"),
    ],
)
def test_files_that_cannot_be_read(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StiltsError, match=words):
        read(tmp_path / name, "classification", ("label",))


def test_a_column_that_the_format_does_not_have(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text_a": "x"}])
    with pytest.raises(StiltsError, match="did you mean 'text_a'"):
        read(path, "classification", ("label",), {"text_aa": "x"})
    with pytest.raises(StiltsError, match="lacks the column text_b"):
        read(path, "classification", ("label",), {"text_b": "nothing"})

"""Test rows in translation: read, matched with the rows that they translate, and refused in one sentence."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.cells import cell_of
from support.translations import raw_rows, write

from stilts_xtreme.cell import rows as cell_rows
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.schema import Columns, DataSpec
from stilts_xtreme.data import catalogue, translated_tests
from stilts_xtreme.data.sources import source_of

DATA = DataSpec("synthetic", world={"languages": 3, "train": 60, "test": 20})
Row = dict[str, Any]


def test_rows(name: str, language: str) -> Columns:
    return source_of(catalogue.load_spec(name), DATA).unchecked("test", language)


test_rows.__test__ = False  # type: ignore[attr-defined]


def english(name: str) -> list[Row]:
    """The rows of the source language, which are perfect translations of those of all others."""
    source = source_of(catalogue.load_spec(name), DATA)
    return raw_rows(name, source.unchecked("test", "qaa"), source.labels())


def read(name: str, path: Path, language: str = "qab") -> Columns:
    of = RowSet(catalogue.load_spec(name), "test", ("qaa", language), DATA, {}, {language: path})
    return translated_tests.rows(of, language)[0]


@pytest.mark.parametrize("name", ["xnli", "paws_x", "xcopa"])
def test_texts_are_those_of_the_file_and_what_is_right_is_that_of_the_rows(name: str, tmp_path: Path) -> None:
    own, source = test_rows(name, "qab"), test_rows(name, "qaa")
    rows = english(name)
    if name == "xnli":  # labels may be left out
        for row in rows:
            del row["label"]
    if name == "paws_x":
        rows.reverse()  # it has ids, by which rows are matched
    found = read(name, write(tmp_path / "qab.jsonl", rows))
    assert (found["id"], found["label"]) == (own["id"], own["label"])
    texts = [column for column in found if column not in ("id", "label")]
    assert [found[column] for column in texts] == [source[column] for column in texts]
    assert found != own


def test_a_language_without_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "qab.jsonl", english("xnli"))
    of = RowSet(catalogue.load_spec("xnli"), "test", ("qaa", "qab"), DATA, {}, {"qab": path})
    assert translated_tests.rows(of, "qaa")[0] == test_rows("xnli", "qaa")
    assert translated_tests.unchecked(of, "qab")["text_a"] == test_rows("xnli", "qaa")["text_a"]


def changed(at: int, **values: Any) -> Callable[[list[Row]], None]:
    def change(rows: list[Row]) -> None:
        rows[at] |= values

    return change


def without(column: str) -> Callable[[list[Row]], None]:
    def change(rows: list[Row]) -> None:
        for row in rows:
            del row[column]

    return change


OTHER = {"entailment": "neutral", "neutral": "contradiction", "contradiction": "entailment"}
first = english("xnli")[0]["label"]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("paws_x", changed(3, id="9"), r"qab.jsonl line 4: no row of paws_x/test in qab has the id '9' \(1 such ids\)"),
        ("paws_x", lambda rows: rows.pop(2), r"qab.jsonl has no row with the id 'paws_x-test-2' .* \(1 such ids\)"),
        ("paws_x", lambda rows: rows.append(rows[5]), r"line 21: the id 'paws_x-test-5' comes a second time \(1 such"),
        ("paws_x", without("id"), r"qab.jsonl has no column 'id'"),
        ("xnli", lambda rows: rows.pop(), r"qab.jsonl has 19 rows, and xnli/test in qab has 20; .*matched by line"),
        ("xnli", without("hypothesis"), r"qab.jsonl has no column 'hypothesis'"),
        ("xnli", changed(1, premise=3), r"line 2: premise is a number \(1 such rows\); mend the file"),
        ("xnli", changed(0, label=OTHER[first]), rf"line 1: the label '{OTHER[first]}', but the row that it "
         rf"translates, number 1 of xnli/test in qab, has the label '{first}'"),
        ("xnli", changed(0, label="yes"), r"no label 'yes'"),
        ("xcopa", without("choice2"), r"qab.jsonl has no column 'choice2'"),
    ],
)  # fmt: skip
def test_translations_of_other_rows_are_refused(
    name: str, change: Callable[[list[Row]], None], said: str, tmp_path: Path
) -> None:
    rows = english(name)
    change(rows)
    with pytest.raises(StiltsError, match=said):
        read(name, write(tmp_path / "qab.jsonl", rows))


def test_another_number_of_choices_is_refused(tmp_path: Path) -> None:
    """Of a data set of the user's own, whose choices are a list."""
    test = [{"context": f"c{n}", "choices": ["a", "b"], "label": "0"} for n in range(3)]
    write(tmp_path / "de.jsonl", test)
    values = {"name": "mine", "format": "choice", "labels": ["0", "1"], "files": {"test": {"de": "de.jsonl"}}}
    spec = catalogue.spec_from_mapping({**values, "folder": str(tmp_path), "languages": ["de"]})
    theirs = [{"context": f"t{n}", "choices": ["x", "y", "z"][: 2 + (n == 1)]} for n in range(3)]
    path = write(tmp_path / "english" / "de.jsonl", theirs)
    of = RowSet(spec, "test", ("de",), DATA, {}, {"de": path})
    with pytest.raises(StiltsError, match=r"line 2: 3 choices, but the row that it translates, number 2 of .* has 2;"):
        translated_tests.rows(of, "de")


def test_the_rows_themselves_are_no_translations(tmp_path: Path) -> None:
    rows = raw_rows("xnli", test_rows("xnli", "qab"), source_of(catalogue.load_spec("xnli"), DATA).labels())
    with pytest.raises(StiltsError, match=r"qab.jsonl has the texts of xnli/test in qab as they are; .* into qaa"):
        read("xnli", write(tmp_path / "qab.jsonl", rows))


def test_a_row_that_is_left_out_is_left_out_in_translation_too(tmp_path: Path) -> None:
    """Rows of the user's own, one of which has no label: as many are scored as without translations."""
    test = [{"text_a": f"a{n}", "label": "" if n == 1 else "x"} for n in range(3)]
    write(tmp_path / "de.jsonl", test)
    values = {"name": "mine", "format": "classification", "labels": ["x", "y"], "files": {"test": {"de": "de.jsonl"}}}
    spec = catalogue.spec_from_mapping({**values, "folder": str(tmp_path), "languages": ["de"]})
    path = write(tmp_path / "english" / "de.jsonl", [{"text_a": text} for text in ("t0", "t1", "")])
    found, report = translated_tests.rows(RowSet(spec, "test", ("de",), DATA, {}, {"de": path}), "de")
    assert found["text_a"] == ["t0", ""], "an empty translation is a fault of the translator, and is scored"
    assert report.problems["empty text"][0] == 1
    refusing = RowSet(spec, "test", ("de",), DataSpec("synthetic", bad_rows="refuse"), {}, {"de": path})
    with pytest.raises(StiltsError, match=r"empty text: 1 .*english/de.jsonl line 3"):
        translated_tests.rows(refusing, "de")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(TEXT, min_size=20, max_size=20), st.sampled_from(["jsonl", "csv", "tsv"]))
@example(["a\tb", 'say "no"', "one\ntwo", "▁a ▁", "NA", "007", "a\r\nb", "\u2028", ",", "'"] * 2, "jsonl")
@example(["a\tb", 'say "no"', "one\ntwo", "▁a ▁", "NA", "007", "null", "\u2028", ",", "'"] * 2, "csv")
@example(['"', 'say "no"', '"a" b', "▁a ▁", "NA", "007", "null", "\u2028", ",", "'"] * 2, "tsv")
@settings(max_examples=60)
def test_odd_texts_come_as_they_are(tmp_path_factory: pytest.TempPathFactory, texts: list[str], kind: str) -> None:
    folder = tmp_path_factory.mktemp("odd")
    lined = {"tsv": "\t\n\r\x0b\x0c\x1c\x1d\x1e\x85", "csv": "\r"}.get(kind, "")  # what the form cannot hold
    texts = ["".join(letter for letter in text if letter not in lined) or "x" for text in texts]
    rows = [{"premise": text, "hypothesis": f"h {text}"} for text in texts]
    path = folder / f"qab.{kind}"
    if kind == "jsonl":
        write(path, rows)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            if kind == "csv":
                plain = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
                plain.writerows([["premise", "hypothesis"], *([row["premise"], row["hypothesis"]] for row in rows)])
            else:
                lines = ["premise\thypothesis", *(f"{row['premise']}\t{row['hypothesis']}" for row in rows)]
                file.write("".join(line + "\n" for line in lines))
    found = read("xnli", path)
    assert found["text_a"] == texts
    assert found["text_b"] == [f"h {text}" for text in texts]


# --- the folder -------------------------------------------------------------------------------------------------------

WORLD = ("trainer=cpu", "++data.world.languages=3", "++data.world.test=20")
CELL = ("+target=xnli", *WORLD)


def asked(folder: Path, *more: str, target: str = "xnli") -> RowSet:
    cell = cell_of(f"+target={target}", *WORLD, f"evaluation.translate_test={folder}", *more)
    assert cell.target is not None
    return cell_rows.test_rows(cell, cell.target, cell_rows.target_languages(cell, cell.target)[0])


def test_the_content_of_the_files_is_keyed_and_their_place_is_not(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for language in ("qab", "qac"):
            write(tmp_path / folder / "xnli" / f"{language}.jsonl", english("xnli"))
    one, two = asked(tmp_path / "one"), asked(tmp_path / "two")
    assert one.content == two.content
    assert str(tmp_path) not in json.dumps(one.content)
    assert set(one.translations) == {"qab", "qac"}, "the language that is trained in needs none"
    write(tmp_path / "two" / "xnli" / "qab.jsonl", english("xnli")[::-1])
    assert asked(tmp_path / "two").content != one.content
    plain = cell_of(*CELL)
    assert plain.target is not None
    assert "translations" not in (cell_rows.test_rows(plain, plain.target, ("qaa", "qab")).content or {})


@pytest.mark.parametrize(
    ("files", "more", "said"),
    [
        ([], (), r"evaluation.translate_test=.* is refused: there are no translations of xnli in qab, qac; bring "
         r".*/xnli/qab.jsonl, .*/xnli/qac.jsonl \(or .tsv, .csv, .parquet\)\.$"),
        (["qac.csv"], (), r"translations of xnli in qab; .* or evaluate in the others with languages=\[qaa,qac\]\.$"),
        (["qab.csv", "qab.jsonl", "qac.tsv"], (), r"qab has several files \(.*qab.csv, .*qab.jsonl\); keep one\."),
        (["qab.csv"], ("languages=[qaa]",), r"xnli is evaluated in qaa alone"),
        (["qab.csv"], ("shots.k=5",), r"evaluation.translate_test=.*shots"),
        (["qab.csv"], ("evaluation.rules=[oracle]",), r"evaluation.translate_test=.*oracle"),
    ],
)  # fmt: skip
def test_refusals(files: list[str], more: tuple[str, ...], said: str, tmp_path: Path) -> None:
    for name in files:
        write(tmp_path / "xnli" / name, [{}])
    with pytest.raises(StiltsError, match=said):
        asked(tmp_path, *more)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("xquad", "its answers are places in the text, and a translation has other places"),
        ("panx", "its tags belong to words, and a translation has other words"),
        ("tatoeba", "it asks which sentence is the translation of another one"),
        ("bucc2018", "it asks which sentence is the translation of another one"),
        ("lareqa", "its answers are texts in all languages, and translations have other texts"),
    ],
)
def test_answers_that_hang_on_the_wording_are_refused_with_the_reason(target: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match=rf"the test rows of {target} cannot be translated, because {why}\.$"):
        asked(tmp_path, target=target)


def test_no_folder_and_no_target_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match=r"translate_test=.*/none is refused: it is not a folder; .*<language>.jsonl"):
        asked(tmp_path / "none")
    with pytest.raises(StiltsError, match=r"translate_test=.* is refused: there are no test rows without a target"):
        cell_of("+intermediate=mnli", "trainer=cpu", f"evaluation.translate_test={tmp_path}")
    with pytest.raises(StiltsError, match=r"evaluation.translate_test=3 is refused: take the folder"):
        cell_of(*CELL, "++evaluation={translate_test: 3}")

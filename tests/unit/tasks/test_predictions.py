"""Prediction and gold files: the layout, round trips of odd text, refusals that name file and line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks import predictions as P
from stilts_xtreme.tasks.question_answering.files import write_squad
from stilts_xtreme.tasks.question_answering.squad import read_squad

ODD = ["O", "B-ชื่อ", "مكان", "中", "😀", "a b", "a\u2028b", "x\x0by", "\ufeffbom", "'", '"', "#", "\\n"]
LABELS = st.one_of(
    st.sampled_from(ODD),
    st.text(min_size=1, max_size=6).filter(lambda s: s == s.strip() and s and not set(s) & set("\t\r\n")),
)
TEXT = st.text(max_size=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("predictions")


def test_layout_and_bytes(tmp_path):
    path = P.write(tmp_path, "panx", "sw", "tagging", [["B-PER", "O"], [], ["O"]])
    assert path == tmp_path / "panx" / "test-sw.tsv"
    assert path.read_bytes() == b"B-PER\nO\n\n\nO\n\n"
    assert P.write(tmp_path, "xnli", "zh", "classification", ["neutral"]).read_bytes() == b"neutral\n"
    assert P.write(tmp_path, "xcopa", "et", "choice", [1, 0]).read_bytes() == b"1\n0\n"
    assert P.write(tmp_path, "tatoeba", "ka", "retrieval", [7]).read_bytes() == b"7\n"
    path = P.write(tmp_path, "xquad", "th", "qa", {"q1": "ไทย"}, split="validation")
    assert path == tmp_path / "xquad" / "validation-th.json"
    assert json.loads(path.read_text("utf-8")) == {"q1": "ไทย"}
    assert "ไทย" in path.read_text("utf-8")


@settings(max_examples=80, deadline=None)
@given(st.lists(LABELS, max_size=6))
def test_labels_round_trip(folder, labels):
    for format in ("classification", "choice"):
        P.write(folder, "t", "en", format, labels)
        assert P.read(folder, "t", "en", format, like=labels) == labels


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(LABELS, max_size=4), max_size=5))
def test_tags_round_trip_with_empty_sentences(folder, sentences):
    P.write(folder, "t", "en", "tagging", sentences)
    assert P.read(folder, "t", "en", "tagging", like=sentences) == sentences


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(TEXT, TEXT, max_size=5), st.lists(st.integers(0, 10**12), max_size=5))
def test_answers_and_positions_round_trip(folder, answers, indices):
    P.write(folder, "q", "en", "qa", answers)
    assert P.read(folder, "q", "en", "qa", like=answers) == answers
    P.write(folder, "r", "en", "retrieval", indices)
    assert P.read(folder, "r", "en", "retrieval", like=indices) == indices


IDS = st.text(min_size=1, max_size=5).filter(lambda s: s == s.strip() and not set(s) & set("\t\r\n"))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(IDS, IDS), max_size=5), st.dictionaries(TEXT, st.lists(TEXT, max_size=4), max_size=4))
def test_pairs_and_rankings_round_trip(folder, pairs, rankings):
    P.write(folder, "b", "en", "bitext", pairs)
    assert P.read(folder, "b", "en", "bitext", like=[]) == pairs
    P.write(folder, "m", "en", "ranking", rankings)
    assert P.read(folder, "m", "en", "ranking") == rankings


def test_rankings_line_by_line_are_read(tmp_path):
    path = P.path_of(tmp_path, "mewslix", "ro", "ranking").with_suffix(".jsonl")
    path.parent.mkdir()
    path.write_text('{"q1": ["Q2", "Q1"]}\n\n{"q2": []}\n')
    assert P.read(tmp_path, "mewslix", "ro", "ranking") == {"q1": ["Q2", "Q1"], "q2": []}
    path.write_text('{"q1": ["Q2"]}\n{"q1": []}\n')
    with pytest.raises(StiltsError, match=r"test-ro.jsonl line 2: the query 'q1' occurs more than once"):
        P.read(tmp_path, "mewslix", "ro", "ranking")
    path.write_text('{"q1": ["Q2"]}\n{"q2": [}\n')
    with pytest.raises(StiltsError, match=r"test-ro.jsonl line 2: not JSON"):
        P.read(tmp_path, "mewslix", "ro", "ranking")


QUESTION = st.tuples(TEXT, TEXT, st.lists(st.tuples(TEXT, st.integers(0, 99)), max_size=3))


@settings(max_examples=80, deadline=None)
@given(st.lists(QUESTION, max_size=5))
def test_squad_gold_round_trips_in_order(folder, rows):
    columns = {
        "id": [f"é{i}" for i in range(len(rows))],
        "context": [c for c, _, _ in rows],
        "question": [q for _, q, _ in rows],
        "answer_texts": [[t for t, _ in a] for _, _, a in rows],
        "answer_starts": [[s for _, s in a] for _, _, a in rows],
    }
    path = P.write_gold(folder, "gold", "en", "qa", columns)
    assert read_squad(path) == columns
    gold = P.read_gold(folder, "gold", "en", "qa")
    assert gold == dict(zip(columns["id"], columns["answer_texts"], strict=True))
    assert list(gold) == columns["id"]


def test_squad_form(tmp_path):
    columns = {
        "id": ["1", "2", "3"],
        "context": ["c", "c", "d"],
        "question": ["x", "y", "z"],
        "answer_texts": [["c"], [], ["d"]],
        "answer_starts": [[0], [], [0]],
    }
    answer = {"text": "c", "answer_start": 0}
    assert json.loads(write_squad(tmp_path / "g.json", columns).read_text()) == {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "c",
                        "qas": [
                            {"id": "1", "question": "x", "answers": [answer]},
                            {"id": "2", "question": "y", "answers": []},
                        ],
                    },
                    {
                        "context": "d",
                        "qas": [{"id": "3", "question": "z", "answers": [{"text": "d", "answer_start": 0}]}],
                    },
                ]
            }
        ]
    }


def test_gold_of_the_other_formats_is_read_in_the_form_of_the_predictions(tmp_path):
    P.write_gold(tmp_path, "panx", "de", "tagging", {"tags": [[1], []]}, ["X", "O"])
    assert P.read_gold(tmp_path, "panx", "de", "tagging") == [["O"], []]
    P.write_gold(tmp_path, "tatoeba", "de", "retrieval", {"text_a": ["a", "b", "c"]})
    assert P.read_gold(tmp_path, "tatoeba", "de", "retrieval") == [0, 1, 2]


@pytest.mark.parametrize(
    ("format", "predictions", "text"),
    [
        ("classification", ["a", "b\tc"], r"test-en.tsv line 2: 'b\\tc'"),
        ("classification", ["a\nb"], "line 1"),
        ("choice", [0, ""], "line 2: ''"),
        ("classification", [" a"], "line 1: ' a'"),
        ("classification", [None], "line 1: None"),
        ("classification", ["\ud800"], "surrogate"),
        ("tagging", [["O"], ["O", "B\r"]], "line 4"),
        ("tagging", [["O"], "OO"], "line 3: sentence 2 is text"),
        ("retrieval", [0, -1], "line 2: -1 is not a position"),
        ("retrieval", ["0"], "line 1: '0' is not a position"),
        ("qa", {"a": None, "b": "x", "c": 1}, "2 answers or ids are not text, first id 'a'"),
        ("text", [], "format=text is not known"),
    ],
)
def test_writing_refuses_and_leaves_nothing(tmp_path, format, predictions, text):
    with pytest.raises(StiltsError, match=text):
        P.write(tmp_path, "t", "en", format, predictions)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("format", "content", "like", "text"),
    [
        ("classification", b"a\nb\n", ["a"] * 3, r"test-en.tsv: 2 lines for 3 rows; line 3 is missing"),
        ("classification", b"a\nb\n", ["a"], "line 2 is one too many"),
        ("classification", b"a\n\nb\n", None, "line 2: ''"),
        ("classification", b"a\nb\tc\n", None, "line 2"),
        ("classification", b"a\n\xff\n", None, "line 2: not UTF-8"),
        ("retrieval", "1\n٣\n".encode(), None, "line 2: '٣' is not a position"),
        ("tagging", b"O\n\nO\nO\n\n", [["O"], ["O"]], "test-en.tsv line 3: sentence 2 has 2 tags for 1 tokens"),
        ("tagging", b"O\n\nO\n\n", [["O"]], "line 3: 2 sentences in the file for 1"),
        ("tagging", b"O\n\n", [["O"], ["O"]], "line 3: 1 sentences in the file for 2"),
        ("qa", b'{"a": "x",\n"b": }', None, "test-en.json line 2: not JSON"),
        ("qa", b'{"a": "x", "a": "y"}', None, "1 keys occur more than once, first 'a'"),
        ("qa", b'{"a": 1}', None, "1 answers are not text"),
        ("qa", b'["a"]', None, "a list at the top"),
        ("bitext", b"de-1\ten-1\nde-2 en-2\n", None, "test-en.tsv line 2: 'de-2 en-2' is not two ids"),
        ("bitext", b"de-1\ten-1\nde-2\t\n", None, "line 2: 'de-2' is not two ids"),
        ("ranking", b'{"a": ["x"], "b": "x"}', None, "1 rankings are not lists of ids, first query 'b'"),
        ("ranking", b"[]", None, "a list at the top"),
        ("qa", b'{"a": "x", "z": "y"}', {"a": []}, "1 of 2 ids belong to no question, first 'z'"),
    ],
)
def test_reading_refusals_name_file_and_line(tmp_path, format, content, like, text):
    path = P.path_of(tmp_path, "t", "en", format)
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StiltsError, match=text):
        P.read(tmp_path, "t", "en", format, like=like)


def test_files_of_other_programs_are_read(tmp_path):
    path = P.path_of(tmp_path, "t", "en", "tagging")
    path.parent.mkdir()
    path.write_bytes(b"B-PER\r\nO\r\n\r\nO")
    assert P.read(tmp_path, "t", "en", "tagging") == [["B-PER", "O"], ["O"]]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"paragraphs": []}', "not in SQuAD's form at question 1"),
        ('{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "1"}]}]}]}', "at question 1 .'question'"),
        (
            json.dumps(
                {"data": [{"paragraphs": [{"context": "", "qas": [{"id": "1", "question": "", "answers": []}] * 3}]}]}
            ),
            "2 ids occur more than once",
        ),
    ],
)
def test_malformed_squad_gold_is_refused(tmp_path, content, text):
    (tmp_path / "g.json").write_text(content)
    with pytest.raises(StiltsError, match=text):
        read_squad(tmp_path / "g.json")


def test_malformed_gold_columns_are_refused(tmp_path):
    good = {"id": ["1"], "context": ["c"], "question": ["q"], "answer_texts": [["c"]], "answer_starts": [[0]]}
    for change, text in (
        ({"id": ["1", "1"]}, "other lengths"),
        ({"answer_starts": [[]]}, "1 questions have unequal"),
        ({name: values * 2 for name, values in good.items()}, "1 ids occur more than once"),
    ):
        with pytest.raises(StiltsError, match=text):
            write_squad(tmp_path / "g.json", {**good, **change})
    with pytest.raises(StiltsError, match="1 columns are missing: context"):
        write_squad(tmp_path / "g.json", {k: v for k, v in good.items() if k != "context"})


@pytest.mark.parametrize(("task", "language"), [("../x", "en"), ("x", "e/n"), ("", "en"), (".x", "en")])
def test_names_that_leave_the_folder_are_refused(tmp_path, task, language):
    with pytest.raises(StiltsError, match="cannot be part of a file name"):
        P.path_of(tmp_path, task, language, "qa")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StiltsError, match=r"test-en\.tsv does not exist"):
        P.read(tmp_path, "t", "en", "tagging")

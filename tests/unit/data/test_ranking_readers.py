"""Readers of LAReQA and Mewsli-X: their own files, and the hub's copies."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from support.cells import cell_of
from support.encoders import odd_texts

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.readers.mewsli_x import marked
from stilts_xtreme.data.readers.squad_sentences import breaks
from stilts_xtreme.data.sources import source_of


@given(odd_texts, odd_texts, odd_texts)
@settings(max_examples=60, deadline=None)
def test_a_marked_mention_is_on_one_line(left: str, mention: str, right: str) -> None:
    found = marked(left + mention + right, len(left), len(left) + len(mention))
    assert len(found.splitlines()) <= 1
    assert found == found.strip()


def test_a_marked_mention_is_xtreme_rs() -> None:
    text = "The verdict came back for Smith, who stepped down."
    assert marked(text, 26, 31) == "Smith: The verdict came back for { Smith } , who stepped down."
    assert marked("a {b} c\nd", 8, 9) == "d: a (b) c { d }"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ('He said "Go." Then he went. 12 came.', ['He said "Go."', "Then he went.", "12 came."]),
        ("Dr. J. R. Smith met the U.S. Army in approx. 12 days. It rained.", None),
        ("It fell.[note 1] Nobody saw. e.g. This one", ["It fell.[note 1]", "Nobody saw. e.g. This one"]),
        ("  no end", ["no end"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str] | None) -> None:
    expected = (
        sentences if sentences is not None else ["Dr. J. R. Smith met the U.S. Army in approx. 12 days.", "It rained."]
    )
    assert [text[begin:end] for begin, end in breaks(text)] == expected


def place_xquad_r(root: Path, language: str, paragraphs: list[dict]) -> None:
    folder = root / "local" / "lareqa" / "xquad-r"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{language}.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")


def paragraph(sentences: list[str], *asked: tuple[str, int], gap: str = " ") -> dict:
    """A paragraph of XQuAD-R; each question is answered by the first characters of a sentence."""
    context, spans = "", []
    for text in sentences:
        context += gap if context else ""
        spans.append([len(context), len(context) + len(text)])
        context += text
    qas = [
        {"id": key, "question": f"{key}?", "answers": [{"text": sentences[at][:2], "answer_start": spans[at][0]}]}
        for key, at in asked
    ]
    return {"context": context, "sentence_breaks": spans, "sentences": sentences, "qas": qas}


def load(root: Path, name: str, language: str, split: str = "test") -> dict[str, list]:
    return source_of(catalogue.load_spec(name), DataSpec("hub", str(root))).rows(split, language)[0]


def test_xquad_rs_own_files(tmp_path: Path) -> None:
    place_xquad_r(
        tmp_path, "en", [paragraph(["It is.", "It was.", "It is."], ("q1", 0), ("q2", 1)), paragraph(["x y"])]
    )
    place_xquad_r(tmp_path, "th", [paragraph(["ภาษาไทย", "ไม่เว้น"], ("q2", 1), ("q1", 0), gap="")])
    asked = load(tmp_path, "lareqa", "en")
    assert (asked["id"], asked["query"]) == (["q1", "q2"], ["q1?", "q2?"])
    # the same sentence twice in a paragraph is right twice; every language has one
    assert asked["gold"] == [["en_1_0", "en_1_2", "th_1_0"], ["en_1_1", "th_1_1"]]
    assert load(tmp_path, "lareqa", "th")["gold"] == [asked["gold"][1], asked["gold"][0]]
    pool = load(tmp_path, "lareqa_candidates", "th")
    assert pool == {"id": ["th_1_0", "th_1_1"], "text": ["ภาษาไทย", "ไม่เว้น"], "context": ["ภาษาไทยไม่เว้น"] * 2}
    assert load(tmp_path, "lareqa_candidates", "en")["id"] == ["en_1_0", "en_1_1", "en_1_2", "en_2_0"]
    data = DataSpec("hub", str(tmp_path))
    specs = [catalogue.load_spec(name) for name in ("lareqa", "lareqa_candidates")]
    assert [source_of(spec, data).languages("test") for spec in specs] == [("en", "th")] * 2
    assert [source_of(spec, data).count("test", "en") for spec in specs] == [2, 4]
    place(tmp_path, "rajpurkar/squad", "plain_text", "train", SQUAD)
    place(tmp_path, "rajpurkar/squad", "plain_text", "validation", SQUAD)
    options = ("+target=lareqa", "data=hub", f"data.root={tmp_path}", "languages=[en]", "model=xlmr_base")
    keys = [plan(cell_of(*options)).final]
    place_xquad_r(tmp_path, "th", [paragraph(["ภาษาไทย", "ไม่เว้น!"], ("q2", 1), ("q1", 0), gap="")])
    keys.append(plan(cell_of(*options)).final)
    assert keys[0].key != keys[1].key, "the sentences of every language are ranked, whichever are evaluated"
    assert keys[0].parent.key == keys[1].parent.key


def test_what_is_not_xquad_r_is_refused(tmp_path: Path) -> None:
    for root in (None, str(tmp_path)):
        with pytest.raises(StiltsError, match="put the files of xquad-r"):
            source_of(catalogue.load_spec("lareqa"), DataSpec("hub", root)).rows("test", "en")
    plain = paragraph(["It is."], ("q1", 0))
    place_xquad_r(tmp_path, "en", [plain, plain])
    with pytest.raises(StiltsError, match=r"en.json, paragraph 2: the question 'q1' occurs more than once"):
        load(tmp_path, "lareqa", "en")
    del plain["sentence_breaks"]
    place_xquad_r(tmp_path, "en", [plain])
    with pytest.raises(StiltsError, match=r"en.json, paragraph 1: no 'sentence_breaks'; XQuAD-R has one"):
        load(tmp_path, "lareqa", "en")


def place(root: Path, repo: str, config: str, split: str, columns: dict) -> None:
    folder = root / repo / config
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{split}-00000-of-00001.parquet")


SQUAD = {
    "id": ["a", "b", "c", "d"],
    "title": ["t"] * 4,
    "context": ["It rains. Mr. Fox sleeps."] * 2 + ["北京。", "Gone."],
    "question": ["Who?", "What?", "谁?", "Where?"],
    "answers": pa.array(
        [
            {"text": ["Fox", "x"], "answer_start": [14, 0]},
            {"text": ["rains"], "answer_start": [99]},
            {"text": ["北京"], "answer_start": [0]},
            {"text": ["nowhere"], "answer_start": [0]},
        ],
        pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())}),
    ),
}


def test_squad_as_the_hub_has_it_becomes_pairs(tmp_path: Path) -> None:
    place(tmp_path, "rajpurkar/squad", "plain_text", "train", SQUAD)
    found = load(tmp_path, "squad_sentences", "en", "train")
    assert found["id"] == ["a", "b", "c"]  # d has no right candidate
    assert found["text"] == ["Mr. Fox sleeps.", "It rains.", "北京。"]
    assert found["gold"] == [["1_1"], ["1_0"], ["2_0"]]
    assert found["context"][0] == SQUAD["context"][0]


ENTITY = {
    "entity_id": "Q1",
    "title": "Smith",
    "description": "Smith is a man.\nHe  sings. More",
    "sentence_spans": [{"start": 0, "end": 15}, {"start": 16, "end": 26}],
    "description_language": "de",
    "description_url": "u",
}


def place_mewsli(root: Path, name: str, lines: list) -> None:
    folder = root / "local" / "mewsli_x"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def article(language: str, text: str, spans: list[tuple[int, int]], *mentions: tuple[str, int, int]) -> dict:
    return {
        "context": {
            "language": language,
            "text": text,
            "sentence_spans": [{"start": begin, "end": end} for begin, end in spans],
        },
        "mentions": [
            {"example_id": key, "entity_id": "Q1", "mention_span": {"text": text[a:b], "start": a, "end": b}}
            for key, a, b in mentions
        ],
    }


def test_mewsli_xs_own_files(tmp_path: Path) -> None:
    told = article("ar", "جملة. سميث هنا.", [(0, 5), (6, 15)], ("e1", 6, 10), ("e2", 3, 8))
    place_mewsli(tmp_path, "wikinews_mentions-test.jsonl", [told, article("en", "Smith.", [], ("e3", 0, 5))])
    place_mewsli(
        tmp_path, "candidate_set_entities.jsonl", [ENTITY, {**ENTITY, "entity_id": "Q2", "sentence_spans": []}]
    )
    found = load(tmp_path, "mewsli_x", "ar")
    assert found["id"] == ["e1", "e2"]
    assert found["query"][0] == "سميث: { سميث } هنا."
    assert found["query"][1] == marked(told["context"]["text"], 3, 8)  # across sentences: both
    assert found["gold"] == [["Q1"], ["Q1"]]
    pool = load(tmp_path, "mewsli_x_candidates", "mul")
    assert pool["id"] == ["Q1", "Q2"]
    assert pool["text"] == ["Smith is a man. He sings.", "Smith is a man. He sings. More"]
    pair = {"contextual_mention": {"context": told["context"], "mention": told["mentions"][0]}, "entity": ENTITY}
    for split in ("train", "dev"):
        place_mewsli(tmp_path, f"wikipedia_pairs-{split}.jsonl", [pair])
    trained = load(tmp_path, "mewsli_x_pairs", "en", "train")
    assert (trained["query"], trained["text"]) == (found["query"][:1], pool["text"][:1])
    spec, data = catalogue.load_spec("mewsli_x"), DataSpec("hub", str(tmp_path))
    assert source_of(spec, data).languages("test") == ("ar", "en")
    assert source_of(spec, data).count("test", "ar") == 2
    planned = plan(cell_of("+target=mewsli_x", "data=hub", f"data.root={tmp_path}", "model=xlmr_base"))
    assert planned.final.rows == {"ar": 2, "en": 1, "candidates": 2}
    told["context"]["text"] = ""
    place_mewsli(tmp_path, "wikinews_mentions-test.jsonl", [told])
    with pytest.raises(StiltsError, match=r"wikinews_mentions-test.jsonl line 1: the article has no text"):
        load(tmp_path, "mewsli_x", "ar")
    place_mewsli(tmp_path, "candidate_set_entities.jsonl", [ENTITY, {"entity_id": "Q2"}])
    with pytest.raises(StiltsError, match=r"candidate_set_entities.jsonl line 2: not in Mewsli-X's form"):
        load(tmp_path, "mewsli_x_candidates", "mul")


def test_the_hubs_copy_of_mewsli_x(tmp_path: Path) -> None:
    repo = "izhx/mewsli-x"
    place(tmp_path, repo, "de", "test", {"mention": ["Fuchs: { Fuchs }", "x"], "entity_id": ["Q1", "Q2"]})
    place(tmp_path, repo, "candidate_entities", "test", {"entity_id": ["Q1", "Q2"], "description": ["fox", "北京"]})
    place(tmp_path, repo, "wikipedia_pairs", "train", {"mention": ["a", "b", "c"], "entity": ["fox", "hen", "fox"]})
    assert load(tmp_path, "mewsli_x", "de")["gold"] == [["Q1"], ["Q2"]]
    assert load(tmp_path, "mewsli_x_candidates", "mul")["text"] == ["fox", "北京"]
    pairs = load(tmp_path, "mewsli_x_pairs", "en", "train")
    assert pairs["gold"] == [["0"], ["1"], ["0"]]  # equal descriptions are one candidate
    place(tmp_path, repo, "candidate_entities", "test", {"entity_id": ["Q1", "Q1"], "description": ["fox", "hen"]})
    with pytest.raises(StiltsError, match="1 ids that occur more than once, such as 'Q1'"):
        load(tmp_path, "mewsli_x_candidates", "mul")

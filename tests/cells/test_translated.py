"""Translated rows of intermediate tasks: read, compared with the English ones, refused, trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import cell_of
from support.translations import raw_rows, write

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core import compose
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.mixing import Translation
from stilts_xtreme.core.schema import Columns, DataSpec
from stilts_xtreme.data import catalogue, synthetic, translated
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.report.labels import row_name
from stilts_xtreme.training.parents import load_rows

DATA = DataSpec("synthetic", world={"languages": 4, "train": 60})
WORLD = synthetic.World(languages=4, train=60)


def english(name: str) -> Columns:
    return source_of(catalogue.load_spec(name), DATA).unchecked("train", "qaa")


def raw(name: str, language: str) -> list[dict[str, Any]]:
    """The world's translations as raw rows of the data set's own columns."""
    return raw_rows(name, synthetic.translated(WORLD, name, language), synthetic.labels(name))


def place(root: Path, name: str, language: str, rows: list[dict[str, Any]]) -> Path:
    return write(root / name / language / "train.jsonl", rows)


def read(root: Path, name: str, language: str = "qab") -> Columns:
    return translated.rows(Translation(str(root)), catalogue.load_spec(name), language, DATA, english(name))[0]


# --- the world --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnli", "squad_v2", "cosmos_qa", "ccg"])
def test_the_worlds_translations_are_the_english_rows_in_other_words(name: str) -> None:
    spec, ours = catalogue.load_spec(name), english(name)
    theirs = translated.rows(Translation("synthetic"), spec, "qab", DATA, ours)[0]
    assert theirs["id"] == ours["id"]
    if spec.format == "tagging":
        words = [tokens for tokens in theirs["tokens"] if tokens]
        assert all(a != b for a, b in zip(ours["tokens"], words, strict=True))
        return
    text = {"classification": "text_a", "qa": "context", "choice": "context"}[spec.format]
    assert all(a != b for a, b in zip(ours[text], theirs[text], strict=True) if a)
    if spec.format == "qa":
        assert [len(texts) for texts in theirs["answer_texts"]] == [len(texts) for texts in ours["answer_texts"]]
        for context, texts, starts in zip(
            *(theirs[n] for n in ("context", "answer_texts", "answer_starts")), strict=True
        ):
            assert all(context[start:].startswith(text) for text, start in zip(texts, starts, strict=True))
    else:
        assert theirs["label"] == ours["label"]


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnli", "squad_v1", "squad_v2", "cosmos_qa"])
def test_a_folder_of_rows(name: str, tmp_path: Path) -> None:
    path = place(tmp_path, name, "qab", raw(name, "qab"))
    expected = translated.rows(Translation("synthetic"), catalogue.load_spec(name), "qab", DATA, english(name))[0]
    found = read(tmp_path, name)
    for column in expected:
        if column != "id":  # MNLI has none, so that the reader numbers its rows
            assert found[column] == expected[column], column
    translation, spec = Translation(str(tmp_path)), catalogue.load_spec(name)
    assert translated.languages(translation, spec, DATA) == ("qab",)
    before = translated.row_set(translation, spec, DATA).content
    assert str(tmp_path) not in json.dumps(before)
    path.write_text(path.read_text("utf-8").replace(" ", "  ", 1), "utf-8")
    assert translated.row_set(translation, spec, DATA).content != before


def test_parquet_and_squads_own_form(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "mnli/qac").mkdir(parents=True)
    rows = raw("mnli", "qac")
    table = pa.Table.from_pylist(rows)
    for part, (first, last) in enumerate(((0, 20), (20, 60))):
        pq.write_table(table.slice(first, last - first), tmp_path / f"mnli/qac/train-0000{part}-of-00002.parquet")
    assert read(tmp_path, "mnli", "qac")["text_a"] == [row["premise"] for row in rows]
    rows[30]["label"] = next(label for label in ("neutral", "entailment") if label != rows[30]["label"])
    pq.write_table(pa.Table.from_pylist(rows[20:]), tmp_path / "mnli/qac/train-00001-of-00002.parquet")
    with pytest.raises(StiltsError, match=r"train-00001-of-00002.parquet, row 11: the label"):
        read(tmp_path, "mnli", "qac")

    (tmp_path / "squad_v1/de").mkdir(parents=True)
    questions = [
        {
            "id": row["id"],
            "question": row["question"],
            "answers": [
                {"text": text, "answer_start": start}
                for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
            ],
            "context": row["context"],
        }
        for row in raw("squad_v1", "qad")[:50]
    ]
    paragraphs = [{"context": question.pop("context"), "qas": [question]} for question in questions]
    squad = {"data": [{"paragraphs": paragraphs}]}
    (tmp_path / "squad_v1/de/train.json").write_text(json.dumps(squad), "utf-8")
    spec = catalogue.load_spec("squad_v1")
    rows_, report = translated.rows(Translation(str(tmp_path)), spec, "de", DATA, english("squad_v1"))
    assert rows_["id"] == english("squad_v1")["id"][:50]
    assert report.problems["not translated"][0] == 10, "fewer rows are said, not refused, where ids tell which"


def change(at: int, **values: Any) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda rows: rows[at].update(values)


OTHER = {"entailment": "neutral", "neutral": "contradiction", "contradiction": "entailment"}


@pytest.mark.parametrize(
    ("name", "spoil", "text"),
    [
        ("mnli", lambda rows: rows.pop(), r"train.jsonl, line 59 is the last of 59 rows, and mnli/train has 60"),
        ("mnli", lambda rows: rows.append(rows[0]), r"line 61 is the last of 61 rows.*bring one for each"),
        (
            "mnli",
            lambda rows: rows[7].update(label=OTHER[rows[7]["label"]]),
            r"line 8: the label '\w+', but its English ",
        ),
        ("mnli", lambda rows: rows.reverse(), r"line \d+: the label '\w+', but .* in the order"),
        ("mnli", change(3, label="yes"), r"translation=.*mnli in 'qab'.*no label 'yes'"),
        ("mnli", lambda rows: [row.pop("premise") for row in rows], r"mnli in 'qab'.*has no column 'premise'"),
        ("squad_v1", lambda rows: rows[4]["answers"].update(text=["nie"]), r"line 5: the answer 'nie' is not in its"),
        (
            "squad_v1",
            lambda rows: rows[4]["answers"].update(text=[], answer_start=[]),
            r"line 5: no answer, but its Eng",
        ),
        ("squad_v1", change(9, id="x-1"), r"line 10: no English row of squad_v1/train has the id 'x-1'"),
        ("squad_v1", lambda rows: rows.append(rows[2]), r"line 61: the id '[\w-]+' comes a second time"),
        ("cosmos_qa", lambda rows: rows[1].update(label=str((int(rows[1]["label"]) + 1) % 4)), r"line 2: the label"),
    ],
)
def test_rows_that_are_no_translations(name: str, spoil: Callable[..., Any], text: str, tmp_path: Path) -> None:
    rows = raw(name, "qab")
    if name == "cosmos_qa":
        assert len(rows) == 30
    spoil(rows)
    place(tmp_path, name, "qab", rows)
    with pytest.raises(StiltsError, match=text):
        read(tmp_path, name)


def test_an_answer_beside_its_place_is_moved(tmp_path: Path) -> None:
    rows = raw("squad_v1", "qab")
    rows[4]["answers"]["answer_start"] = [10_000]
    place(tmp_path, "squad_v1", "qab", rows)
    assert (
        read(tmp_path, "squad_v1")["answer_starts"] == synthetic.translated(WORLD, "squad_v1", "qab")["answer_starts"]
    )


def test_what_is_not_there(tmp_path: Path) -> None:
    place(tmp_path, "mnli", "qab", raw("mnli", "qab"))
    place(tmp_path, "mnli", "qaa", raw("mnli", "qab"))
    spec = catalogue.load_spec("mnli")
    assert translated.languages(Translation(str(tmp_path)), spec, DATA) == ("qab",), "not the source language"
    with pytest.raises(StiltsError, match=r"no rows of mnli in qac, qad \(there: qab\).*mnli/qac/train.jsonl.*premise"):
        translated.languages(Translation(str(tmp_path), ("qab", "qac", "qad")), spec, DATA)
    with pytest.raises(StiltsError, match=r"no rows of qqp in any language.*qqp/LANGUAGE/train.jsonl"):
        translated.languages(Translation(str(tmp_path)), catalogue.load_spec("qqp"), DATA)
    with pytest.raises(StiltsError, match=r"ccg has none.*leave it out of intermediate="):
        translated.languages(Translation(str(tmp_path)), catalogue.load_spec("ccg"), DATA)


def test_a_hub_id_in_a_mirror(tmp_path: Path) -> None:
    for repo, language in (("nyu-mll/glue/mnli", ""), ("facebook/xnli/", "sw")):
        path = tmp_path / repo / language / "train.jsonl"
        path.parent.mkdir(parents=True)
        rows = raw("mnli", "qab" if language else "qac")
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    base = (
        "+intermediate=mnli",
        "model=xlmr_base",
        "trainer=cpu",
        f"data.root={tmp_path}",
        "translation=facebook/xnli",
    )
    base += ("recipe.intermediate.selection=last",)
    cell = cell_of(*base, "translation.languages=[sw]")
    assert load_rows(cell, cell.intermediate_tasks[0], "train", cell.translation)["text_a"] == [
        row["premise"] for row in rows
    ]
    assert plan(cell).final.label == "mnli [sw]"
    with pytest.raises(StiltsError, match=r"facebook/xnli has no rows of mnli in th.*bring the configuration th of it"):
        plan(cell_of(*base, "translation.languages=[sw,th]"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("translation=facebook/xnli", "model=xlmr_base"), r"needs the languages.*translation.languages=\[de,ru\]"),
        (("translation=/no/where", "model=xlmr_base"), "neither a folder nor a hub id"),
        (("translation=synthetic", "model=xlmr_base"), "has no rows of real data sets"),
        (("translation=facebook/xnli",), "with data=synthetic take synthetic or a folder"),
        (("translation.mode=both",), "translation.mode=both is not known.*add, replace"),
        (("translation=synthetic", "translation.languages=[xx]"), r"no rows of mnli in xx \(there: qab"),
    ],
)
def test_refusals(options: tuple[str, ...], text: str) -> None:
    with pytest.raises(StiltsError, match=text):
        plan(cell_of("+intermediate=mnli", "trainer=cpu", "data.root=null", *options))


def test_the_short_form() -> None:
    assert compose.prepare(["translation=a/b", "translation.mode=add"]) == [
        "translation.source='a/b'",
        "translation.mode=add",
    ]


# --- trainings --------------------------------------------------------------------------------------------------------


def test_rows_replace_the_english_ones_or_join_them() -> None:
    def rows(*options: str) -> Columns:
        cell = cell_of("+intermediate=mnli", "++data.world.train=20", "++data.world.languages=3", *options)
        assert cell.intermediate_tasks
        return load_rows(cell, cell.intermediate_tasks[0], "train", cell.translation if options else None)

    plain = rows()["text_a"]
    instead, beside = (rows("translation=synthetic", *more)["text_a"] for more in ((), ("translation.mode=add",)))
    assert len(plain) == 20
    assert len(instead) == 40
    assert beside == plain + instead
    assert not set(plain) & set(instead)
    assert rows("translation=synthetic", "translation.languages=[qac]")["text_a"] == instead[20:]


def test_a_training_on_translations(run_tiny: Callable[..., Any]) -> None:
    options = ("translation=synthetic", "translation.languages=[qac]", "translation.mode=add")
    result = run_tiny("+intermediate=[mnli,squad_v1]", *options, "volume=0.5")
    info = result["stages"][-1]["info"]
    assert info["rows"] == {"mnli": 60, "squad_v1": 60}, "half of twice as many"
    assert set(info["dev"]) == {"mnli", "squad_v1"}
    assert result["translation"] == "with qac"
    assert row_name({**result, "volume": None}) == "mnli+squad_v1 translated with qac"
    planned = plan(cell_of("+intermediate=mnli", "++data.world.train=60", *options))
    assert planned.final.rows == {"mnli": 120}

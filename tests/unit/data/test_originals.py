"""Data sets in the formats they were first released in give the same canonical rows as the hub's copies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cells import cell_of
from support.rows import squad, tsv

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.readers.originals import FILES
from stilts_xtreme.data.sources import source_of


def place(root: Path, name: str, text: str) -> None:
    path = root / "local" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def load(root: Path, name: str, split: str, language: str) -> dict[str, list]:
    spec = replace(catalogue.load_spec(name), reader="original")
    return source_of(spec, DataSpec("hub", str(root))).rows(split, language)[0]


def test_xnli(tmp_path: Path) -> None:
    head = "language|gold_label|binary1|binary2|parse1|parse2|sentence1|sentence2|promptID"
    rows = ["de|neutral|||||Er geht .|Sie geht .|1", "th|contradiction|||||ไทย|ไป|1", "de|entailment|||||A|B|2"]
    place(tmp_path, "xnli/XNLI-1.0/xnli.test.tsv", tsv(head, *rows))
    found = load(tmp_path, "xnli", "test", "de")
    assert (found["text_a"], found["text_b"], found["label"]) == (["Er geht .", "A"], ["Sie geht .", "B"], [1, 0])
    assert load(tmp_path, "xnli", "test", "th")["label"] == [2]
    place(tmp_path, "xnli/XNLI-MT-1.0/multinli/multinli.train.en.tsv", tsv("premise|hypo|label", "a|b|contradictory"))
    assert load(tmp_path, "xnli", "train", "en")["label"] == [2]


def test_paws_x(tmp_path: Path) -> None:
    place(tmp_path, "paws_x/x-final/ko/test_2k.tsv", tsv("id|sentence1|sentence2|label", "7|가 나|다|1", "9|라|마|0"))
    found = load(tmp_path, "paws_x", "test", "ko")
    assert found == {"id": ["7", "9"], "text_a": ["가 나", "라"], "text_b": ["다", "마"], "label": [1, 0]}


def test_panx(tmp_path: Path) -> None:
    place(tmp_path, "panx/sw/test", "sw:Nairobi\tB-LOC\nsw::\tO\nsw:a:b\tI-LOC\n\n\nsw:Juma\tB-PER\n")
    found = load(tmp_path, "panx", "test", "sw")
    labels = catalogue.load_spec("panx").labels
    assert found["tokens"] == [["Nairobi", ":", "a:b"], ["Juma"]]
    assert [[labels[tag] for tag in tags] for tags in found["tags"]] == [["B-LOC", "O", "I-LOC"], ["B-PER"]]


@pytest.mark.parametrize(
    ("dataset", "file", "split"),
    [
        ("xquad", "xquad.ar.json", "test"),
        ("mlqa", "MLQA_V1/test/test-context-ar-question-ar.json", "test"),
        ("mlqa", "MLQA_V1/dev/dev-context-ar-question-ar.json", "validation"),
        ("tydiqa_goldp", "tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-arabic.json", "test"),
    ],
)
def test_question_answering(tmp_path: Path, dataset: str, file: str, split: str) -> None:
    place(tmp_path, f"{dataset}/{file}", squad(("arabic-1", "القاهرة هي عاصمة مصر", "ما؟", "مصر")))
    found = load(tmp_path, dataset, split, "ar")
    assert found["answer_texts"] == [["مصر"]]
    assert found["answer_starts"] == [["القاهرة هي عاصمة مصر".find("مصر")]]
    assert found["id"] == ["arabic-1"]


def test_tydiqa_trains_on_the_rows_of_one_language(tmp_path: Path) -> None:
    rows = [(f"{name}-{n}", f"context {name} {n} x", "q", "x") for name in ("english", "swahili") for n in range(40)]
    place(tmp_path, "tydiqa_goldp/tydiqa-goldp-v1.1-train.json", squad(*rows))
    found = (
        load(tmp_path, "tydiqa_goldp", "train", "en")["id"] + load(tmp_path, "tydiqa_goldp", "validation", "en")["id"]
    )
    assert sorted(found) == sorted(key for key, *_ in rows if key.startswith("english"))


def test_tatoeba(tmp_path: Path) -> None:
    place(tmp_path, "tatoeba/v1/tatoeba.cmn-eng.cmn", "你好\u2028！ \n再见\n")
    place(tmp_path, "tatoeba/v1/tatoeba.cmn-eng.eng", "Hello!\nBye\n")
    found = load(tmp_path, "tatoeba", "test", "zh")
    assert (found["text_a"], found["text_b"]) == (["你好\u2028！", "再见"], ["Hello!", "Bye"])
    place(tmp_path, "tatoeba/v1/tatoeba.cmn-eng.eng", "Hello!\n")
    with pytest.raises(StiltsError, match=r"tatoeba.cmn-eng.cmn has 2 lines and tatoeba.cmn-eng.eng has 1"):
        load(tmp_path, "tatoeba", "test", "zh")


@pytest.mark.parametrize(
    ("name", "text", "dataset", "message"),
    [
        ("xnli/xnli.test.tsv", "h\nde\tneutral\n", "xnli", r"xnli.test.tsv line 2: 2 fields .* at least 8"),
        ("paws_x/de/test_2k.tsv", "h\n1\ta\tb\n", "paws_x", r"test_2k.tsv line 2: 3 fields .* at least 4"),
        ("paws_x/de/test_2k.tsv", "h\n1\ta\tb\t2\n", "paws_x", "'2'"),
        ("panx/de/test", "de:a\tB-PERS\n", "panx", "did you mean 'B-PER'"),
        ("xquad/xquad.de.json", '{"data": [{"paragraphs": [{}]}]}', "xquad", "not in SQuAD's form at question 1"),
    ],
)
def test_malformed_files_name_file_and_line(tmp_path: Path, name: str, text: str, dataset: str, message: str) -> None:
    place(tmp_path, name, text)
    with pytest.raises(StiltsError, match=message):
        load(tmp_path, dataset, "test", "de")


def test_missing_files_and_other_data_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match=r"no tatoeba.cmn-eng.cmn of tatoeba/test below FOLDER/local/tatoeba"):
        load(tmp_path, "tatoeba", "test", "zh")
    with pytest.raises(StiltsError, match="data set with reader=original=qqp is not known"):
        load(tmp_path, "qqp", "validation", "en")


def test_a_cell_takes_them_by_an_option(tmp_path: Path) -> None:
    for three in ("deu", "swh"):
        for end in (three, "eng"):
            place(tmp_path, f"tatoeba/tatoeba.{three}-eng.{end}", "a\nb\n")
    base = ("+target=tatoeba", "data=hub", f"data.root={tmp_path}", "dataset.tatoeba.reader=original")
    first = plan(cell_of(*base, "languages=[de,sw]")).final
    place(tmp_path, "tatoeba/tatoeba.deu-eng.deu", "a\nc\n")
    assert plan(cell_of(*base, "languages=[de,sw]")).final.key != first.key


def test_every_listed_data_set_has_its_splits() -> None:
    wanted: dict[str, Any] = {name: set(splits) for name, splits in FILES.items()}
    for name, splits in wanted.items():
        spec = catalogue.load_spec(name)
        assert splits == {split for split, raw in spec.splits.items() if raw}, name

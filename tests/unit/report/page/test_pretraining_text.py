"""What is known of the languages that results name."""

from __future__ import annotations

import yaml
from support.cells import ROOT

from stilts_xtreme.data.synthetic import SHARES
from stilts_xtreme.report.page.pretraining_text import CLASSES, in_order, known


def test_every_language_of_the_data_sets_is_known() -> None:
    codes = set()
    for file in (ROOT / "conf" / "dataset").glob("*.yaml"):
        codes |= set(yaml.safe_load(file.read_text(encoding="utf-8")).get("languages") or ())
    assert len(codes) > 200
    assert {code for code in codes if known(code).size is None} <= {"mul"}


def test_classes_follow_the_size() -> None:
    sizes = {"en": "high", "ar": "mid", "bn": "low", "sw": "very low", "yo": "unseen", "xx": "not known"}
    assert {code: known(code).level for code in sizes} == sizes
    assert (known("yo").size, known("xx").size) == (0.0, None)
    assert all(known(code).level in CLASSES for code in SHARES)


def test_codes_of_other_projects_are_known() -> None:
    assert known("deu").name == known("deu_Latn").name == known("de").name == "German"
    assert known("ace_Arab").script == "Arab"
    assert known("").name == ""


def test_the_order_is_by_text() -> None:
    assert [language.code for language in in_order(["xx", "yo", "sw", "en"])] == ["en", "sw", "yo", "xx"]

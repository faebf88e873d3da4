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
    assert all(getattr(known(code), by) in CLASSES[by] for code in (*SHARES, *sizes, "ace_Arab") for by in CLASSES)
    joshi = {"en": "class 5", "sw": "class 2", "acm": "class 0 or not listed", "xx": "not known"}
    assert {code: known(code).joshi for code in joshi} == joshi


def test_a_script_is_seen_where_any_language_of_it_is() -> None:
    seen = {"yo": "script seen", "ace_Arab": "script seen", "nqo": "script not seen", "xx": "not known"}
    assert {code: known(code).seen for code in seen} == seen
    assert {known(code).seen for code in SHARES} == {"script seen"}


def test_codes_of_other_projects_are_known() -> None:
    assert known("deu").name == known("deu_Latn").name == known("de").name == "German"
    assert known("ace_Arab").script == "Arab"
    assert known("").name == ""


def test_the_order_is_by_text() -> None:
    assert [language.code for language in in_order(["xx", "yo", "sw", "en"])] == ["en", "sw", "yo", "xx"]

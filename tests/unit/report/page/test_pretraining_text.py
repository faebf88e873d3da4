"""What is known of languages beforehand."""

from __future__ import annotations

import csv
from importlib import resources

import yaml
from support.cells import ROOT

from stilts_xtreme.data.synthetic import SHARES
from stilts_xtreme.report.page.pretraining_text import CLASSES, in_order, known


def test_every_language_of_the_data_sets_is_known() -> None:
    codes = set()
    for file in (ROOT / "conf" / "dataset").glob("*.yaml"):
        codes |= set(yaml.safe_load(file.read_text(encoding="utf-8")).get("languages") or ())
    two = {code for code in codes if len(code) == 2}
    assert len(two) > 20
    assert {code for code in two if known(code).size is None} == set()


def test_classes_follow_the_size() -> None:
    sizes = {"en": "high", "ar": "mid", "bn": "low", "sw": "very low", "yo": "unseen", "xx": "not known"}
    assert {code: known(code).level for code in sizes} == sizes
    assert known("eu").joshi == 4
    assert (known("yo").size, known("xx").size) == (0.0, None)
    assert all(known(code).level in CLASSES for code in SHARES)


def test_codes_with_a_script_name_it() -> None:
    assert (known("srp_Latn").script, known("srp_Latn").size) == ("Latin", known("sr").size)
    assert known("srp_Latn").name == "Serbian, Latin"
    assert known("srp_Cyrl").name == "Serbian"
    assert known("ace_Arab").script == "Arabic"


def test_the_order_is_by_text() -> None:
    assert [language.code for language in in_order(["xx", "yo", "sw", "en"])] == ["en", "sw", "yo", "xx"]


def test_no_code_stands_twice() -> None:
    text = resources.files("stilts_xtreme.report.page").joinpath("languages.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(text.splitlines()))
    for column in ("code", "iso3", "name"):
        assert len({line[column] for line in lines}) == len(lines)
    assert all(line["family"] and line["script"] for line in lines)

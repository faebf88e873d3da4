"""The classes of languages that studies have verdicts for."""

from __future__ import annotations

from support.finished import finished

from stilts_xtreme.data.language_table import UNSEEN, languages
from stilts_xtreme.report.studies.compared import LOW, RICH, UNREAD, gather


def means(*codes: str) -> dict[str, list[str]]:
    cell = finished("mini", "none", dict.fromkeys(("en", *codes), 50.0))
    (target,) = gather([cell])[0].values()
    return {name: list(of) for name, of in target.means.items() if not name.startswith("mean")}


def test_languages_are_classed_by_text_and_then_by_script() -> None:
    assert means("de", "sw", "yo", "bo", "tzm", "ay") == {
        RICH: ["de"],
        LOW: ["sw"],
        UNSEEN: ["yo", "ay"],
        UNREAD: ["bo", "tzm"],
    }


def test_languages_of_one_class_have_no_mean_of_it() -> None:
    assert means("de", "fr", "ru") == {}
    assert means("bo", "dz") == {}


def test_a_script_is_unseen_only_if_no_language_with_text_has_it() -> None:
    unread = {known.code for known in languages().values() if UNREAD in means(known.code, "de") and known.code != "en"}
    assert unread == {"bo", "dz", "nqo", "sat", "taq_Tfng", "tzm"}

"""The classes of languages that studies have verdicts for."""

from __future__ import annotations

from support.finished import finished

from stilts_xtreme.data.language_table import UNSEEN, languages
from stilts_xtreme.report.studies.compared import LOW, RICH, UNREAD, Arm, gather, size_confounds


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


def arm(encoder: str, scale: dict[str, object], layer: int | None = None) -> Arm:
    first = {"scale": scale} | ({"retrieval": {"layer": layer}} if layer else {})
    return Arm(encoder, "none", "tatoeba", first)


def test_what_differs_between_sizes_beside_their_size_is_named() -> None:
    whole = [arm("s", {"body": 1, "pretraining": {"steps": 9}}), arm("l", {"body": 2, "pretraining": {"steps": 9}})]
    assert size_confounds("tatoeba", whole) == []
    cut = [arm("s", {"body": 1, "layers": 3}, 2), arm("l", {"body": 2, "layers": 6}, 4)]
    lowest, vectors = size_confounds("tatoeba", cut)
    assert "lowest layers of one encoder" in lowest
    assert vectors.startswith("tatoeba: vectors are those of layer 2, 4;")
    (steps,) = size_confounds("tatoeba", [whole[0], arm("l", {"body": 2, "pretraining": {"steps": 5}})])
    assert steps == "The sizes were not pretrained for as many steps."

"""The table of languages against the catalogue and the known facts."""

from __future__ import annotations

import re

from support.facts import facts_of, needs_facts

from stilts_xtreme.data import catalogue
from stilts_xtreme.data.language_table import CLASSES, RESOURCES, UNSEEN, languages


def test_the_table_has_each_language_of_targets_beyond_the_benchmark() -> None:
    known = languages()
    for name in ("sib200", "americas_nli", "masakhaner2", "belebele", "xnli", "panx", "udpos", "tatoeba", "xcopa"):
        assert set(catalogue.load_spec(name).languages) <= set(known), name
    codes = catalogue.load_spec("sib200").codes
    assert {code: one.flores for code, one in known.items() if one.flores} == codes
    for one in known.values():
        assert re.fullmatch("[A-Z][a-z]{3}", one.script)
        assert not one.flores or one.flores.endswith(f"_{one.script}")
        assert one.name
        assert one.family
        assert one.joshi in (None, 1, 2, 3, 4, 5)


def test_resource_classes_have_the_bounds_that_are_told() -> None:
    found = {code: one.resources for code, one in languages().items()}
    assert set(found.values()) == set(RESOURCES)
    assert {found[code] for code in ("en", "ru", "zh")} == {"high"}
    assert (found["ar"], found["et"], found["sw"], found["yo"], found["ace_Arab"]) == (
        "mid", "low", "very low", UNSEEN, UNSEEN,
    )  # fmt: skip
    assert list(CLASSES.values()) == sorted(CLASSES.values(), reverse=True)


@needs_facts
def test_the_table_agrees_with_the_facts() -> None:
    known, facts = languages(), facts_of("cc100_sizes.json")
    for code, fact in facts["xtreme_r_languages"].items():
        assert known[code].joshi == fact["joshi_class"], code
        assert known[code].resources == fact["suggested_class"].replace("_", " "), code
    sizes = {code: size for code, size in facts["gib_by_iso"].items() if code in known and code != "zh"}
    assert {code: known[code].cc100_gib for code in sizes} == sizes

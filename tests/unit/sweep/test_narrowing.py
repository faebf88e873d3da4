"""One list of languages for a sweep over targets that do not all have them."""

from __future__ import annotations

from typing import Any

import pytest

from stilts_xtreme.core import compose
from stilts_xtreme.sweep.composer import jobs_of
from stilts_xtreme.sweep.narrowing import narrowed
from stilts_xtreme.sweep.planning import PlannedCell, Refusal, cells, planned_cells


def planned(*options: str) -> list[PlannedCell | Refusal]:
    def every() -> list[PlannedCell | Refusal]:
        jobs, composer = jobs_of(compose.prepare([*options, "trainer=cpu"], many=True))
        return list(cells(jobs, composer.plain, told.append))

    told.clear()
    return compose.with_hydra(every)


told: list[str] = []


def test_a_target_is_evaluated_in_those_languages_of_the_list_that_it_has() -> None:
    found = planned("+target=tatoeba,xnli", "languages=[qab,qaa,qac]", "model=mini")
    assert [(entry.cell.target.name, entry.cell.languages) for entry in found if isinstance(entry, PlannedCell)] == [
        ("tatoeba", ["qab", "qac"]),
        ("xnli", ["qab", "qaa", "qac"]),
    ]
    assert told == ["tatoeba has no qaa and is evaluated in the others of the list."]


def test_a_narrowed_cell_is_the_cell_that_names_those_languages_itself() -> None:
    one, _ = planned("+target=tatoeba,xnli", "languages=[qab,qaa,qac]", "model=mini")
    (other,) = planned("+target=tatoeba", "languages=[qab,qac]", "model=mini")
    assert isinstance(one, PlannedCell)
    assert isinstance(other, PlannedCell)
    assert one.name == other.name
    assert one.planned.final.key == other.planned.final.key
    assert one.config["languages"] == ["qab", "qac"]


def test_a_language_that_no_target_has_is_refused_for_each() -> None:
    found = planned("+target=tatoeba,xnli", "languages=[qab,xx]", "model=mini")
    assert all(isinstance(entry, Refusal) and "languages=xx is not known" in str(entry.error) for entry in found)
    assert len(found) == 2
    assert not told


def test_a_language_that_the_only_target_lacks_is_refused() -> None:
    (found,) = planned("+target=tatoeba", "languages=[qab,qaa]", "seed=0", "model=mini")
    assert isinstance(found, Refusal)
    assert "languages=qaa is not known" in str(found.error)


def test_a_target_with_none_of_the_languages_is_refused() -> None:
    found = planned("+target=tatoeba,xnli", "languages=[qaa]", "model=mini")
    assert isinstance(found[0], Refusal)
    assert "languages=qaa is not known" in str(found[0].error)
    assert isinstance(found[1], PlannedCell)


def test_a_refused_job_does_not_hide_the_languages_of_its_target() -> None:
    found = planned("+target=tatoeba,xnli", "seed=x,1", "languages=[qab,qaa]", "model=mini")
    kept = [(entry.cell.target.name, entry.cell.languages) for entry in found if isinstance(entry, PlannedCell)]
    assert kept == [("tatoeba", ["qab"]), ("xnli", ["qab", "qaa"])]


@pytest.mark.parametrize("odd", ["[qab,[qac]]", "[]", "[qab,1]"])
def test_odd_lists_are_refused_in_a_sentence(odd: str) -> None:
    found = planned("+target=tatoeba,xnli", f"languages={odd}", "model=mini")
    assert len(found) == 2
    assert all(isinstance(entry, Refusal) and "languages=" in str(entry.error) for entry in found)


def test_a_value_that_is_no_list_stands_beside_lists() -> None:
    found = planned("+target=tatoeba,xnli", "languages=5,[qab,qaa]", "model=mini")
    assert sum(isinstance(entry, PlannedCell) for entry in found) == 2
    assert all("languages=5" in str(entry.error) for entry in found if isinstance(entry, Refusal))


def test_a_control_has_the_languages_of_its_cell() -> None:
    found, refused = planned_cells(
        compose.prepare(
            [
                "+study=phang2020",
                "+intermediate=none",
                "+target=tatoeba,xnli",
                "languages=[qab,qaa]",
                "model=mini",
                "trainer=cpu",
            ],
            many=True,
        )
    )
    assert not refused
    assert {
        (entry.job is None, entry.cell.target.name, *entry.cell.languages) for entry in found if entry.cell.target
    } == {
        (False, "tatoeba", "qab"),
        (False, "xnli", "qab", "qaa"),
        (True, "tatoeba", "qab"),
        (True, "xnli", "qab", "qaa"),
    }


def test_configurations_without_a_list_or_a_target_are_left_alone() -> None:
    configs: list[dict[str, Any]] = [{"languages": "available", "target": {"name": "a"}}, {"languages": ["en"]}, {}]
    assert narrowed(configs) == (configs, [])

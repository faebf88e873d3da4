"""The study of consistency on answers of which the truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.finished import finished

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies import Planned, analyse, check
from stilts_xtreme.report.studies.conclusion import UNDECIDED
from stilts_xtreme.report.studies.consistency import ERRORS, LESS, MORE, RIGHT, SAME, TRANSFER, WRONG, items

LABELS = ("entailment", "neutral", "contradiction")


def test_shares_are_those_counted_by_hand() -> None:
    gold = ["a", "a", "b", "b", "c", "c"]
    source = ["a", "b", "b", "c", "a", "a"]  # right: items 0 and 2
    other = ["a", "b", "c", "c", "b", "a"]  # right: item 0; wrong in both: 1, 3, 4, 5, alike in 1, 3, 5
    assert items(RIGHT, source, other, gold).score == pytest.approx(100 / 2)
    assert items(WRONG, source, other, gold).score == 0
    assert items(ERRORS, source, other, gold).score == pytest.approx(100 * 3 / 4)
    assert items(ERRORS, gold, gold, gold).score == 0.0, "there is no error to share"


def test_transfer_does_not_rise_with_accuracy_alone() -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    gold = np.zeros(n, int)
    source = (rng.uniform(size=n) > 0.8).astype(int)
    for accuracy in (0.5, 0.6, 0.7):
        other = (rng.uniform(size=n) > accuracy).astype(int)  # of nothing to do with the source
        carried = items(RIGHT, source, other, gold).score - items(WRONG, source, other, gold).score
        assert carried == pytest.approx(0, abs=1)
    assert items(RIGHT, source, source, gold).score - items(WRONG, source, source, gold).score == 100


def cell(folder: Path, before: str, seed: int, answers: dict[str, list[str]], gold: list[str]) -> FinishedCell:
    """A finished cell with the files of its answers."""
    name = f"mini-{before}-{seed}"
    place = folder / "cells" / name
    for part, by_language in (("predictions", answers), ("labels", dict.fromkeys(answers, gold))):
        (place / part / "xnli").mkdir(parents=True)
        for language, given in by_language.items():
            (place / part / "xnli" / f"test-{language}.tsv").write_text("".join(f"{g}\n" for g in given))
    target = {"name": "xnli", "head": "classification", "metric": "accuracy", "test": "xnli"}
    (place / "config.json").write_text(json.dumps({"target": target, "dataset": {"xnli": {"parallel": True}}}))
    identity = {"evaluation": f"key-{name}", "encoder": "e"}
    return finished("mini", before, dict.fromkeys(answers, 50.0), seed, place, identity=identity)


def cells(
    folder: Path, carried: float, alike: float = 0.4, size: int = 2000, seeds: int = 3, noise: float = 0.0
) -> list[FinishedCell]:
    """Answers in English that are right in six of ten; in German a share of them carries over, or of the errors.

    Without an intermediate task half of both carries over.
    """
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        gold = rng.integers(0, 3, size)
        hard, which, lucky = rng.uniform(size=size), rng.integers(1, 3, size), rng.uniform(size=size)
        english = np.where(hard < 0.6, gold, (gold + which) % 3)
        for before, right, error in (("none", 0.5, 0.4), ("mnli", carried, alike)):
            moved = rng.normal(0, noise)
            keeps = lucky < np.where(hard < 0.6, right + moved, error + moved)
            german = np.where(keeps, english, np.where(hard < 0.6, (gold + which) % 3, (gold - which) % 3))
            answers = {"en": [LABELS[n] for n in english], "de": [LABELS[n] for n in german]}
            found.append(cell(folder, before, seed, answers, [LABELS[n] for n in gold]))
    return found


@pytest.mark.parametrize(
    ("carried", "alike", "noise", "verdicts"),
    [
        (0.6, 0.4, 0.0, [MORE, SAME]),
        (0.4, 0.6, 0.0, [LESS, MORE]),
        (0.5, 0.4, 0.0, [SAME, SAME]),
        (0.52, 0.42, 0.1, [UNDECIDED, UNDECIDED]),
    ],
)
def test_what_is_planted_is_found(
    tmp_path: Path, carried: float, alike: float, noise: float, verdicts: list[str]
) -> None:
    found = analyse("consistency", cells(tmp_path, carried, alike, noise=noise))
    assert [verdict.verdict for verdict in found.verdicts] == verdicts
    assert [verdict.about.partition(":")[0] for verdict in found.verdicts] == [TRANSFER, ERRORS]


def test_the_level_without_an_intermediate_task_stands_beside_the_change(tmp_path: Path) -> None:
    found = analyse("consistency", cells(tmp_path, 0.6))
    level = next(line for line in found.tables[0].lines if line[1] == "none")
    # right in German: half of what is right in English, and in none of what is wrong there but by another draw
    rows = {row["measure"]: row["value"] for row in found.rows if (row["after"], row["language"]) == ("none", "de")}
    assert float(level[3].split()[0]) == pytest.approx(rows[TRANSFER], abs=0.06)
    assert float(level[4].split()[0]) == pytest.approx(rows[ERRORS], abs=0.06)
    assert 0 < rows[TRANSFER] < 60
    assert len(found.verdicts) == 2


def test_a_language_without_a_common_error_is_left_out(tmp_path: Path) -> None:
    made = cells(tmp_path, 0.6)
    for each in made:
        assert each.folder is not None
        right = (each.folder / "labels" / "xnli" / "test-de.tsv").read_text()
        for part, text in (("labels", right), ("predictions", right)):
            (each.folder / part / "xnli" / "test-sw.tsv").write_text(text)
        each.result["comparison"].append({"language": "sw", "value": 100.0})
    found = analyse("consistency", made)
    assert any("shared errors: sw left out" in said for said in found.confounds)
    assert "sw" not in {row["language"] for row in found.rows if row["measure"] == ERRORS}
    assert "sw" in {row["language"] for row in found.rows if row["measure"] == TRANSFER}


def test_errors_of_two_labels_are_always_the_same_and_decide_nothing(tmp_path: Path) -> None:
    made = cells(tmp_path, 0.6)
    for file in tmp_path.rglob("*.tsv"):
        file.write_text(file.read_text().replace(LABELS[2], LABELS[1]))
    found = analyse("consistency", made)
    assert [verdict.about.partition(":")[0] for verdict in found.verdicts] == [TRANSFER]
    assert {line[-1] for line in found.tables[0].lines} == {""}
    assert {row["measure"] for row in found.rows} == {TRANSFER}
    assert any("xnli has two labels" in said for said in found.confounds)


def test_what_has_no_answers_is_left_out_and_said(tmp_path: Path) -> None:
    made = [FinishedCell(each.result, None) for each in cells(tmp_path, 0.6)]
    with pytest.raises(StiltsError, match=r"xnli is left out: it has no labels .* or no answers"):
        analyse("consistency", made)


def test_a_baseline_that_collapsed_is_said_to_be_left_out(tmp_path: Path) -> None:
    made = cells(tmp_path, 0.6)
    lost = [
        FinishedCell(c.result | {"collapsed": ["xnli"]}, c.folder) if not c.result["intermediate"] else c for c in made
    ]
    with pytest.raises(StiltsError, match=r"add none to \+intermediate=.* seed 0, is left out"):
        analyse("consistency", lost)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"head": "tagging"}, "xnli has no labels of the same items in all languages; take "),
        ({"head": "classification", "parallel": False}, "xnli has no labels of the same items"),
        (
            {"head": "classification", "languages": ("de",), "source": "en"},
            r"xnli is not evaluated in en, .* languages=",
        ),
        ({"head": "classification", "languages": ("en", "de"), "source": "en"}, None),
    ],
)
def test_a_target_that_cannot_answer_is_said_before_anything_is_trained(
    more: dict[str, Any], message: str | None
) -> None:
    planned = [Planned("mini", name, "xnli", 0, **more) for name in ("none", "mnli")]
    if message is None:
        check("consistency", planned)
    else:
        with pytest.raises(StiltsError, match=message):
            check("consistency", planned)


@pytest.mark.parametrize(
    ("before", "message"),
    [(["mnli"], r"add none to \+intermediate="), (["none"], "has no intermediate task")],
)
def test_what_is_missing_is_said_before_anything_is_trained(before: list[str], message: str) -> None:
    with pytest.raises(StiltsError, match=message):
        check("consistency", [Planned("mini", name, "xnli", 0) for name in before])

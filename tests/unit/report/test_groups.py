"""Many languages as groups: what is printed, and what the files keep."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from stilts_xtreme.core.terminal import Plain
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.language_table import languages
from stilts_xtreme.report import cell, groups


def result_of(codes: tuple[str, ...], source: str = "en", baseline: bool = True) -> dict[str, Any]:
    lines = [
        {"language": code, "n": 204, "metric": "accuracy", "floor": 25.0, "floor_name": "majority", "value": 30.0 + at,
         "baseline": 20.0 + at if baseline else None, "gain": 10.0 if baseline else None, "nothing": None}
        for at, code in enumerate(codes)
    ]  # fmt: skip
    return {
        "comparison": lines, "averages": {}, "source_language": source, "intermediate": [], "mlm": 0, "seed": 0,
        "translation": None, "target": "sib200", "model": "m", "synthetic": False, "collapsed": [], "rows": [],
        "stages": [], "missing_languages": [], "substitutes": {}, "recipe": "small",
    }  # fmt: skip


ALL = catalogue.load_spec("sib200").languages


def test_groups_are_means_of_their_languages_without_the_source() -> None:
    result = result_of(ALL)
    (source,), classes, families = groups.grouped(result)
    assert source["language"] == "en"
    for part in (classes, families):
        assert sum(line["n"] for line in part) == 204 * (len(ALL) - 1), "each language once"
    values = {line["language"]: line["value"] for line in result["comparison"]}
    turkic = [code for code in ALL if languages()[code].family == "Turkic"]
    (line,) = [line for line in families if line["language"].startswith("Turkic")]
    assert line["language"] == f"Turkic ({len(turkic)} languages)"
    assert line["value"] == pytest.approx(fmean(values[code] for code in turkic))
    assert (line["gain"], line["floor"]) == (10.0, 25.0)
    assert [line["language"].rsplit(" (", 1)[0] for line in classes] == ["high", "mid", "low", "very low", "unseen"]
    sizes = [line["n"] for line in families]
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert families[-1]["language"].startswith(groups.OTHERS)


def test_a_language_that_nobody_knows_has_a_group_of_its_own() -> None:
    _, classes, families = groups.grouped(result_of(("en", "xx", "de")))
    assert [line["language"] for line in classes] == ["high (1 language)", f"{groups.UNKNOWN} (1 language)"]
    assert {line["language"] for line in families} == {
        f"{groups.UNKNOWN} (1 language)", f"{groups.OTHERS} (1 language)",
    }  # fmt: skip


@pytest.mark.parametrize("baseline", [True, False])
def test_many_languages_are_printed_in_groups_and_kept_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, baseline: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # a narrower terminal breaks lines of the table in two
    result = result_of(ALL, baseline=baseline)
    cell.show(result, tmp_path, Plain())
    said = capsys.readouterr().out
    assert len(said.splitlines()) < 40
    assert "unseen (" in said
    assert "ace_Arab" not in said
    assert f"Each language: {tmp_path}/table.md" in said
    kept = cell.markdown(result)
    assert "| unseen (" in kept
    assert all(f"| {code} | 204 |" in kept.replace("\\", "") for code in ALL)


def test_few_languages_are_printed_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(ALL[: groups.MANY])
    cell.show(result, tmp_path, Plain())
    said = capsys.readouterr().out
    assert "ace_Arab" in said
    assert "unseen (" not in said
    assert "unseen (" not in cell.markdown(result)

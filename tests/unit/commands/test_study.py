"""The command ``study``: what it lists, reports and verifies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.commands import study
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.studies import ANALYSES

ROWS = [
    {"target": "xnli", "contrast": "trend", "language": "mean, zero-shot", "value": -1.5},
    {"target": "xnli", "contrast": "trend", "language": "de", "value": -1.0},
]


def expected(value: float, **where: str) -> dict[str, object]:
    return {"value": value, "tolerance": 0.5, "command": "...", "target": "xnli", "contrast": "trend", **where}


def test_every_study_of_the_package_has_a_known_analysis_and_a_hypothesis() -> None:
    found = study.studies()
    assert "saturation" in found
    for name, settings in found.items():
        assert settings["analysis"] in ANALYSES, name
        assert settings["hypothesis"], name


def test_numbers_within_the_tolerance_are_as_expected() -> None:
    ((said, good),) = study.compare(ROWS, [expected(-1.2, language="mean, zero-shot")])
    assert good
    assert "-1.50, expected -1.20 ± 0.5" in said
    ((_, good),) = study.compare(ROWS, [expected(-0.9, language="mean, zero-shot")])
    assert not good


@pytest.mark.parametrize("where", [{}, {"language": "sw"}])
def test_an_expected_number_names_one_row(where: dict[str, str]) -> None:
    with pytest.raises(StiltsError, match="not one; name the cells of the study's own command"):
        study.compare(ROWS, [expected(0.0, **where)])


def test_numbers_of_real_data_are_not_expected_of_synthetic_cells() -> None:
    made, real = expected(1.0), expected(2.0) | {"command": "python -m stilts_xtreme -m data.root=FOLDER"}
    assert study.of_its_data("s", [made, real], True) == [made]
    assert study.of_its_data("s", [made, real], False) == [real]
    with pytest.raises(StiltsError, match=r"^study=s expects no numbers of real data, only of this command: \.\.\.$"):
        study.of_its_data("s", [made], False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["report", "saturaton", "x"], "NAME=saturaton is not known (did you mean 'saturation'?)"),
        (["report", "saturation"], "name an output folder"),
        (["report", "saturation", "{tmp}"], "give --output FOLDER"),
        (["verify", "saturation", "{tmp}/none"], "is not a folder"),
        (["lss"], "choose from"),
    ],
)
def test_what_is_refused_is_said(
    line: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "studies", lambda *folder: {"saturation": {"analysis": "saturation", "expected": [{}]}})
    assert study.main([part.replace("{tmp}", str(tmp_path)) for part in line]) == 1
    assert said in capsys.readouterr().err


def test_a_users_own_study_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study").mkdir()
    text = "study: {name: mine, analysis: saturation, hypothesis: It grows.}\n"
    (tmp_path / "study" / "mine.yaml").write_text(text, encoding="utf-8")
    assert study.main(["ls", "--config-dir", str(tmp_path)]) == 0
    assert "It grows." in capsys.readouterr().out
    assert study.main(["ls", "--config-dir", str(tmp_path / "elsewhere")]) == 1
    assert "elsewhere is not a folder" in capsys.readouterr().err


def test_a_store_with_cells_of_other_studies_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any) -> None:
        raise StiltsError("two encoders have as many parameters.")

    (tmp_path / "cells" / "one").mkdir(parents=True)
    monkeypatch.setattr("stilts_xtreme.report.results.read_cells", lambda folder, needs: {})
    monkeypatch.setattr("stilts_xtreme.report.evidence.merged", lambda found: [1, 2, 3])
    monkeypatch.setattr("stilts_xtreme.report.studies.analyse", refuse)
    settings = {"analysis": "saturation"}
    with pytest.raises(
        StiltsError, match=r"parameters\. All 3 cells of .* the folder of its results, as in .*/studies/NAME\."
    ):
        study._analysed(settings, [tmp_path], own_rates=False)
    with pytest.raises(StiltsError, match=r"as many parameters\.$"):
        study._analysed(settings, [tmp_path / "cells" / "one"], own_rates=False)


def test_tuned_takes_one_learning_rate_of_each_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("stilts_xtreme.report.results.read_cells", lambda folder, needs: {})
    monkeypatch.setattr("stilts_xtreme.report.evidence.merged", lambda found: ["slow", "fast"])
    monkeypatch.setattr("stilts_xtreme.report.tuned.tuned", lambda cells: (cells[1:], ["fast was taken"]))
    monkeypatch.setattr("stilts_xtreme.report.studies.analyse", lambda *given: asked.append(given[1:]))
    for own in (False, True):
        study._analysed({"analysis": "saturation"}, [tmp_path], own)
    assert asked == [(["slow", "fast"], []), (["fast"], ["fast was taken"])]
    assert "fast was taken" in capsys.readouterr().out


@pytest.mark.parametrize(
    "numbers",
    [
        "5",
        "[5]",
        "{command: c, value: 1, tolerance: 1}",
        "[{value: 1, tolerance: 1}]",
        "[{command: c, value: x, tolerance: 1}]",
        "[{command: c, value: 1e3, tolerance: 1}]",
        "[{command: c, value: 1, tolerance: -1}]",
        "[{command: c, value: 1, tolerance: .nan}]",
    ],
)
def test_expected_numbers_that_cannot_be_compared_are_refused(numbers: str, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "own.yaml").write_text(f"study: {{analysis: saturation, expected: {numbers}}}")
    with pytest.raises(StiltsError, match=r"own\.yaml: number 1 of study\.expected needs a command"):
        study.studies(tmp_path)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(StiltsError, match=r"kontrast.*did you mean 'contrast'"):
        study.compare(ROWS, [{"value": 1.0, "tolerance": 1.0, "command": "...", "kontrast": "trend"}])


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_where_a_folder_is_to_be_made_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")

    def write(found: Any, folder: Path, hypothesis: Any) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        return ""

    monkeypatch.setattr(study, "_analysed", lambda *given: None)
    monkeypatch.setattr("stilts_xtreme.report.studies.write", write)
    assert study.main(["report", "saturation", str(tmp_path), "--output", str(tmp_path / name)]) == 1
    assert "cannot be used: " in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"

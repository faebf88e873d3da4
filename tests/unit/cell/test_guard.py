"""What is said of an encoder and the rows of a cell before anything is trained."""

from pathlib import Path
from typing import Any

import pytest
from support.cells import cell_of

from stilts_xtreme.cell import guard
from stilts_xtreme.cell.config.sources import make_model
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.models.reading import Reading
from stilts_xtreme.training.remarks import remarks, table

MINI = "model=stilts_xtreme/models/shipped/mini"
GOOD = Reading(100, 0.0, 0.0, 1.4, 0.3, 0.1, 0.0, 0.0, 0.0)
BAD = Reading(100, 0.26, 0.5, 9.0, 1.0, 0.93, 0.01, 1.0, 0.5)


def own_rows(folder: Path, text: str) -> tuple[str, ...]:
    """A classification task of the user's own with the same text in every row."""
    for split in ("train", "test"):
        lines = ["text_a,label"] + [f"{text} {n},{'ab'[n % 2]}" for n in range(20)]
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "target").mkdir()
    (folder / "target" / "own.yaml").write_text(
        "# @package _global_\ndefaults:\n  - /dataset/own\ntarget:\n  name: own\n  head: classification\n"
        "  metric: accuracy\n  train: [own]\n  test: own\n  languages: []\n"
    )
    (folder / "dataset").mkdir()
    (folder / "dataset" / "own.yaml").write_text(
        "# @package dataset.own\nname: own\nformat: classification\n"
        "columns: {text_a: text_a, label: label}\nlabels: [a, b]\n"
        f"files: {{train: {folder}/train.csv, test: {folder}/test.csv}}\nlanguages: [en]\n"
    )
    return (f"--config-dir={folder}", "+target=own", MINI, "trainer=cpu", f"output={folder}/out")


def target_of(name: str) -> Any:
    return cell_of(f"+target={name}", "model=mini", "trainer=cpu").target


def test_what_is_worth_a_word() -> None:
    found = {"en": GOOD, "ja": BAD}
    assert remarks(target_of("udpos"), {"en": GOOD}, ("en",), True) == []
    lines = remarks(target_of("udpos"), found, ("en",), True)
    assert len(lines) == 7
    assert all("ja" in line and "en 1" not in line for line in lines)
    assert "read in several windows: ja 26 %" in lines[0]
    assert "first_token=content" in lines[-2]
    assert lines[-1] == "languages that the encoder was not pretrained on: ja"
    assert "cut: ja 26 %" in remarks(target_of("xnli"), found, None, False)[0]
    assert len(remarks(target_of("xnli"), found, None, False)) == 5
    many = remarks(target_of("xnli"), {f"l{n}": BAD for n in range(30)}, (), False)
    assert many[0].endswith("and 22 languages more")
    assert many[-1].endswith("and 22 more")


def test_scripts_and_countries_are_not_other_languages() -> None:
    assert remarks(target_of("xnli"), {"zh_Hant": GOOD, "sr-Latn": GOOD}, ("zh", "sr"), False) == []


def test_table() -> None:
    text = table({"en": GOOD, "th": Reading(3, 0.0, 0.0, None, None, None, None, None, 0.0)})
    assert text.splitlines()[0] == "language,rows,long,unknown,fertility,continued,lone_mark,empty,round_trip,offsets"
    assert text.splitlines()[1:] == ["en,100,0.0,0.0,1.4,0.3,0.1,0.0,0.0,0.0", "th,3,0.0,0.0,,,,,,0.0"]


def look(cell: Any) -> None:
    """With nothing made before."""
    planned = plan(cell)
    guard.look(planned, Store(cell.output), {stage.key for stage in planned.stages()})


def test_an_encoder_that_reads_nothing_is_refused_before_training(tmp_path: Path) -> None:
    cell = cell_of(*own_rows(tmp_path, "ሰላም ለዓለም " * 15))
    with pytest.raises(StiltsError, match=r"does not read own in any language: at least \d+ %"):
        look(cell)


def test_what_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also that nothing is said of synthetic rows, and of an encoder that is pretrained here."""
    cell = cell_of(*own_rows(tmp_path, "ሰላም aaaa bbbb cccc"), "model.languages=[de]")
    look(cell)
    said = capsys.readouterr().err
    assert "What mini makes of own:" in said
    assert "not pretrained on: en" in said
    for model in ("model=mini", "model=mini_s"):
        quiet = cell_of("+target=xnli", model, "trainer=cpu", f"output={tmp_path}/out")
        look(quiet)
    assert capsys.readouterr().err == ""


def test_languages_of_an_encoder() -> None:
    def made(languages: object) -> Any:
        return make_model({"name": "a", "id": "o/a", "revision": "main", "languages": languages}, DataSpec("hub"), True)

    assert "yo" not in made("cc100").languages
    assert made(["en", "de"]).languages == ("en", "de")
    assert made(None).languages is None
    for wrong in ("cc1000", [1], 3):
        with pytest.raises(StiltsError, match=r"model\.languages="):
            made(wrong)

"""Results of several groups in one report: folders, archives and tables."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from support.cells import ROOT

from benchmarks.results import LANGUAGES, write_cell, write_matrix
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.__main__ import main
from stilts_xtreme.report.entries import build
from stilts_xtreme.report.evidence import findings, merged
from stilts_xtreme.report.merging import opened, read_table

TABLE = """model,intermediate,target,seed,language,metric,value,n
xlmr,none,xnli,0,en,accuracy,80.0,5010
xlmr,none,xnli,0,de,accuracy,70.0,5010
xlmr,none,xnli,0,sw,accuracy,50.0,5010
xlmr,mnli,xnli,0,en,accuracy,81.0,5010
xlmr,mnli,xnli,0,de,accuracy,73.0,5010
xlmr,mnli,xnli,0,sw,accuracy,51.0,5010
"""


UDPOS = (("f1", 60), ("precision", 70), ("recall", 80))


def written(folder: Path, text: str, name: str = "theirs.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_table_is_a_matrix(tmp_path: Path) -> None:
    cells = read_table(written(tmp_path, TABLE))
    matrix, found = build([cell.result for cell in cells]), findings(cells)
    assert (matrix.rows, matrix.columns) == (["none", "mnli"], ["xnli"])
    assert found.entries["mnli", "xnli"].mean.value == 2.0  # German and Swahili; English is the source
    assert found.verdict(("mnli", "xnli")) == "not known"
    assert matrix.note == ""


def test_the_source_language_can_be_another_one(tmp_path: Path) -> None:
    lines = TABLE.splitlines()
    text = "\n".join([lines[0] + ",source_language", *(f"{line},de" for line in lines[1:])])
    assert findings(read_table(written(tmp_path, text))).entries["mnli", "xnli"].mean.value == 1.0


def test_the_headline_is_the_mean_of_the_metrics(tmp_path: Path) -> None:
    text = "model,intermediate,target,seed,language,metric,value\nm,none,xquad,1,de,f1,60\nm,none,xquad,1,de,em,40\n"
    (cell,) = read_table(written(tmp_path, text))
    assert cell.result["comparison"][0]["value"] == 50.0
    assert len(cell.result["rows"]) == 2


def test_a_cell_collapsed_only_if_all_of_its_languages_did(tmp_path: Path) -> None:
    lines = TABLE.splitlines()
    for flagged, collapsed in (("sw",), []), (("en", "de", "sw"), True):
        rows = [f"{line},{line.split(',')[4] in flagged and line.split(',')[1] == 'mnli'}" for line in lines[1:]]
        _, cell = read_table(written(tmp_path, "\n".join([lines[0] + ",collapsed", *rows])))
        assert bool(cell.result["collapsed"]) == bool(collapsed), flagged


def test_our_own_rows_are_such_a_table(tmp_path: Path) -> None:
    write_matrix(tmp_path / "in", {"mnli": {"xnli": 0.2}}, items=40)
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    with opened([tmp_path / "in"]) as (ours,):
        own = findings(ours).entries["mnli", "xnli"].mean
    back = findings(read_table(tmp_path / "out" / "rows.csv")).entries["mnli", "xnli"].mean
    assert back.value == pytest.approx(own.value)
    assert back.seeds == own.seeds


def test_the_official_scores_are_the_headline_of_a_known_target(tmp_path: Path) -> None:
    """Of udpos that is the F1; precision, recall and accuracy stand beside it in our own rows."""
    lines = [f"m,none,{target},0,de,{metric},{value}" for target in ("udpos", "other") for metric, value in UDPOS]
    text = "\n".join(["model,intermediate,target,seed,language,metric,value", *lines])
    known, other = read_table(written(tmp_path, text))
    assert known.result["comparison"][0]["value"] == 60.0
    assert known.result["comparison"][0]["metric"] == "f1"
    assert other.result["comparison"][0]["value"] == 70.0


def test_rows_of_several_settings_volumes_and_controls_come_back(tmp_path: Path) -> None:
    """Runs of one model, task, target and seed that differ in a column of our own rows."""
    lines = [
        *("m,none,xnli,0,de,accuracy,50,,pretrained,E,s1", "m,mnli,xnli,0,de,accuracy,53,,pretrained,E,s1"),
        *("m,mnli,xnli,0,de,accuracy,52,0.1,pretrained,E,s1", "m,placebo(mnli),xnli,0,de,accuracy,51,,pretrained,E,s1"),
        *("m,none,xnli,0,de,accuracy,40,,pretrained,E,s2", "m,mnli,xnli,0,de,accuracy,44,,pretrained,E,s2"),
        "m,mean(mnli+qqp),xnli,0,de,accuracy,46,,pretrained,E,s2",
        "m,none,xnli,0,de,accuracy,33,,random,E,s1",
    ]
    header = "model,intermediate,target,seed,language,metric,value,volume,weights,encoder,setting"
    found = findings(read_table(written(tmp_path, "\n".join([header, *lines]))))
    gains = {row: entry.mean.value for (row, _), entry in found.entries.items()}
    assert gains == {
        "mnli (s1)": 3.0,
        "mnli (0.1 of it)": 2.0,
        "placebo(mnli)": 1.0,
        "mnli (s2)": 4.0,
        "mean(mnli+qqp)": 6.0,
        "random init, none": -17.0,
    }
    (over,) = found.over.values()
    assert (over.row, over.over, over.mean.value) == ("mnli (s1)", "placebo", 2.0)
    assert {row for (row, _), entry in found.entries.items() if entry.control} == {"placebo(mnli)", "random init, none"}


def test_a_baseline_is_one_whatever_volume_its_table_says(tmp_path: Path) -> None:
    header = "model,intermediate,target,seed,language,metric,value,volume"
    lines = ["m,none,xnli,0,de,accuracy,50,0.25", "m,mnli,xnli,0,de,accuracy,53,", "m,mnli,xnli,0,de,accuracy,52,0.5"]
    found = findings(read_table(written(tmp_path, "\n".join([header, *lines]))))
    gains = {row: entry.mean.value for (row, _), entry in found.entries.items()}
    assert gains == {"mnli": 3.0, "mnli (0.5 of it)": 2.0}
    lines.append("m,none,xnli,0,de,accuracy,40,0.5")  # of another run: what has the same volume belongs together
    found = findings(read_table(written(tmp_path, "\n".join([header, *lines]))))
    assert found.entries["mnli (0.5 of it)", "xnli"].mean.value == 12.0


def test_the_kept_real_results_can_be_reported() -> None:
    """The page of real results gives this command."""
    found = findings(read_table(ROOT / "docs" / "results" / "me5_small-6.csv"))
    assert found.entries["placebo(qqp)", "udpos"].control
    assert found.entries["qqp", "tatoeba"].mean.value == pytest.approx(-4.3, abs=0.05)
    sizes = findings(read_table(ROOT / "docs" / "results" / "me5_small-sizes.csv"))
    gains = [sizes.entries[f"me5_small/{layers} / qqp", "tatoeba"].mean.value for layers in (3, 6, 12)]
    assert gains == pytest.approx([-21.4, -6.4, -0.5], abs=0.05)
    twelve = findings(read_table(ROOT / "docs" / "results" / "me5_small-12.csv"))
    assert twelve.entries["qqp", "pawsx"].mean.value == pytest.approx(7.6, abs=0.05)
    assert twelve.entries["mnli", "udpos"].mean.value == pytest.approx(0.1, abs=0.05)
    assert twelve.entries["squad_v1", "tydiqa"].mean.value == pytest.approx(6.3, abs=0.05)
    assert twelve.entries["qqp", "bucc2018"].mean.value == pytest.approx(2.3, abs=0.05)
    controls = findings(read_table(ROOT / "docs" / "results" / "me5_small-controls.csv"))
    assert controls.over["qqp", "udpos", "steps"].mean.value == pytest.approx(-0.8, abs=0.05)
    assert controls.entries["placebo(qqp)", "tatoeba"].mean.value == pytest.approx(-2.2, abs=0.05)
    tasks = findings(read_table(ROOT / "docs" / "results" / "me5_small-tasks.csv"))
    lost = [tasks.entries[f"me5_small/6 / {task}", "sib200"].mean.value for task in ("squad_v2", "mnli", "hellaswag")]
    assert lost == pytest.approx([-5.2, 1.7, -2.3], abs=0.05)
    assert tasks.entries["me5_small/6 / anli", "tatoeba"].mean.value == pytest.approx(-13.9, abs=0.05)
    together = [tasks.entries["me5_small/6 / all nine", target].mean.value for target in ("udpos", "sib200", "tatoeba")]
    assert together == pytest.approx([-0.1, -5.1, -10.7], abs=0.05)
    assert tasks.entries["me5_small/12 / mnli", "tatoeba"].mean.value == pytest.approx(-4.7, abs=0.05)


def test_sources_stand_side_by_side(tmp_path: Path) -> None:
    write_matrix(tmp_path / "in", {"mnli": {"xnli": 0.3}}, items=40)
    tables = [written(tmp_path, TABLE, name) for name in ("a.csv", "b.csv")]
    with opened([tmp_path / "in", *tables]) as sources:
        cells = merged(sources)
    matrix = build([cell.result for cell in cells])
    assert matrix.rows == ["m / none", "m / mnli", *(f"xlmr ({s}) / {t}" for s in "ab" for t in ("none", "mnli"))]
    found = findings(cells).entries
    assert found["xlmr (a) / mnli", "xnli"].mean.value == found["xlmr (b) / mnli", "xnli"].mean.value == 2.0
    assert found["m / mnli", "xnli"].by_items


def test_an_archive_has_what_its_folder_has(tmp_path: Path) -> None:
    write_matrix(tmp_path / "in", {"mnli": {"xnli": 0.3}}, items=40)
    stage = tmp_path / "in" / "stages" / "k" / "models"
    stage.mkdir(parents=True)
    (stage / "weights").write_bytes(b"0" * 1000)
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        for kind in ("cells", "stages"):
            tar.add(tmp_path / "in" / kind, kind)
    with opened([tmp_path / "in"]) as (folder,), opened([tmp_path / "in.tar"]) as (archive,):
        own, back = findings(folder), findings(archive)
        assert archive[0].folder is not None
        assert not list(archive[0].folder.parent.parent.rglob("weights"))
        assert back.entries["mnli", "xnli"].gains == own.entries["mnli", "xnli"].gains


def test_an_archive_writes_nowhere_else(tmp_path: Path) -> None:
    gold = {code: ["a"] for code in LANGUAGES}
    write_cell(tmp_path / "in", (), "xnli", 0, gold, gold)
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        tar.add(tmp_path / "in" / "cells", "cells")
        tar.add(tmp_path / "in" / "cells" / "m-0-0" / "config.json", "cells/../../evil")
    with pytest.raises(StiltsError, match=r"in\.tar cannot be unpacked"), opened([tmp_path / "in.tar"]):
        pass


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("xlmr,none,xnli,0,fr,accuracy,x,1", "line 8: value=x is no number"),
        ("xlmr,none,xnli,0,fr,accuracy,nan,1", "line 8: value=nan is no percentage"),
        ("xlmr,none,xnli,0,fr,accuracy,100.5,1", "must be from 0 to 100"),
        ("xlmr,none,xnli,0,,accuracy,50,1", "language is empty"),
        ("xlmr,none,xnli,zero,fr,accuracy,50,1", "seed=zero is no number"),
        ("xlmr,none,xnli,0,de,accuracy,70.0,1", "accuracy in de stands twice"),
        ("xlmr,none,xnli,0,fr,accuracy,70,0,1", "line 8 has more fields than the first line has columns"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(StiltsError, match=said):
        read_table(written(tmp_path, TABLE + line + "\n"))


def test_a_run_without_its_baseline_is_told(tmp_path: Path) -> None:
    cells = read_table(written(tmp_path, TABLE + "xlmr,mnli,xnli,1,de,accuracy,70.0,1\n"))
    assert any(note.startswith("mnli > xnli, seed 1: no gain") for note in findings(cells).notes)


def test_damaged_answers_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_matrix(tmp_path / "in", {"mnli": {"xnli": 0.2}}, seeds=(0,), items=20)
    file = min((tmp_path / "in").glob("cells/*/predictions/xnli/test-de.tsv"))
    file.write_text("neutral\n")
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 1
    assert f"{file}: 1 lines for 20 rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"model,target\n", "lacks the columns intermediate, seed"),
        ("a.csv", TABLE.splitlines()[0].encode(), "has no line below"),
        ("a.csv", b"\xff\xfe", "cannot be read as CSV"),
        ("a.txt", b"", "is not a folder of cells, an archive"),
    ],
)
def test_a_bad_source_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StiltsError, match=said), opened([tmp_path / name]):
        pass
    with pytest.raises(StiltsError, match="nothing is there"), opened([tmp_path / "nothing"]):
        pass


def test_hostile_names_in_a_table_are_names(tmp_path: Path) -> None:
    table = TABLE.replace("mnli", '"\'=cmd()|x<script>"')
    assert build([cell.result for cell in read_table(written(tmp_path, table))]).rows[1] == "=cmd()|x<script>"
    assert main([str(tmp_path / "theirs.csv"), "--output", str(tmp_path / "out")]) == 0

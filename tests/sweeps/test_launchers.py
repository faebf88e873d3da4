"""Hydra's own launchers in other processes: locks make each stage once, and the sweep ends with its matrix."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.cells import TINY

from stilts_xtreme.__main__ import main
from stilts_xtreme.commands.plan import main as plan_main


@pytest.mark.parametrize(
    ("launcher", "options", "refused"),
    # the second with two more cells, that are refused
    [
        ("submitit_local", ["hydra.launcher.timeout_min=10"], []),
        (
            "joblib",
            ["hydra.launcher.n_jobs=2", "seed=0,-1"],
            ["error: seed=-1 is refused: it must be a whole number of at least 0."],
        ),
    ],
)
def test_each_stage_once_and_the_matrix_at_the_end(
    launcher: str,
    options: list[str],
    refused: list[str],
    pretrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    cells = ["+intermediate=none,mnli", "+target=xquad", "evaluation.floors=false", f"output={pretrained}"]
    plan_main(["-m", *TINY, *cells])
    planned = re.search(r"To make: (\d+) of (\d+) stages", " ".join(capsys.readouterr().out.split()))
    assert planned is not None
    monkeypatch.setattr(sys, "argv", ["stilts_xtreme", "-m", *TINY, *cells, f"hydra/launcher={launcher}", *options])
    assert main() == bool(refused)
    out, err = capsys.readouterr()
    assert [line for line in err.splitlines() if line.startswith("error: ")] == refused
    results = [json.loads(path.read_text()) for path in pretrained.glob("cells/*/result.json")]
    assert {"+".join(result["intermediate"]) for result in results} == {"", "mnli"}
    made = Counter(stage["key"] for result in results for stage in result["stages"] if stage["made_now"])
    assert set(made.values()) == {1}
    assert len(made) == int(planned.group(1))
    assert len({stage["key"] for result in results for stage in result["stages"]}) == int(planned.group(2))
    assert f"{planned.group(2)} distinct stages: {len(made)} made, " in err
    place = re.search(r"matrix, rows and picture: (\S+)", " ".join(out.split()))
    assert place is not None
    with (Path(place.group(1)) / "rows.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = sorted(
        (row["cell"], row["language"], row["metric"], row["value"]) for result in results for row in result["rows"]
    )
    assert sorted((row["cell"], row["language"], row["metric"], float(row["value"])) for row in rows) == expected


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_the_controls_of_a_study_run_once(
    launcher: str, pretrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = ["+study=phang2020", "+intermediate=none", "+target=tatoeba", "evaluation.floors=false"]
    command = ["stilts_xtreme", "-m", *TINY, *study, f"output={pretrained}", f"hydra/launcher={launcher}"]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0, capsys.readouterr().err
    (matrix,) = pretrained.glob("studies/*/matrix.md")
    rows = [line.split(" | ")[0] for line in matrix.read_text(encoding="utf-8").splitlines()]
    assert rows.count("| none") == 1
    assert rows.count("| random init, none") >= 1
    assert len(list(pretrained.glob("cells/*/result.json"))) == 2

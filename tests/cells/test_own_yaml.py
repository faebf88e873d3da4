"""A user's own YAML and rows: what --config-dir and hydra.searchpath bring, from the command line to the scores."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.cells import TINY, cell_of, composed

from stilts_xtreme.commands.plan import main as plan
from stilts_xtreme.core import compose
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data.catalogue import spec_from_mapping
from stilts_xtreme.data.sources import source_of

FILES = {
    "dataset/reviews": """# @package dataset.reviews
name: reviews
format: classification
files: {train: rows/train.jsonl, test: {en: rows/en.jsonl, de: rows/de.csv}}
columns: {text_a: text, label: stars}
labels: [bad, good]
label_values: {0: bad, 1: good}
""",
    "dataset/topics": """# @package dataset.topics
name: topics
format: classification
files: {train: rows/topics.csv}
columns: {text_a: text, label: topic}
labels: [sport, politics]
""",
    "target/reviews": """defaults: [/dataset/reviews, _self_]
name: reviews
head: classification
metric: accuracy
train: [reviews]
test: reviews
""",
    "intermediate/topics": """# @package intermediate.topics
defaults: [/dataset/topics, _self_]
head: classification
metric: accuracy
datasets: [topics]
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of configuration with rows beside its data sets."""
    own = tmp_path / "my conf"
    rows = own / "dataset" / "rows"
    rows.mkdir(parents=True)
    for name, text in FILES.items():
        (own / f"{name}.yaml").parent.mkdir(exist_ok=True)
        (own / f"{name}.yaml").write_text(text)
    words = [f"{'good fine' if n % 2 else 'bad poor'} story number {n} and None" for n in range(60)]
    for name in ("train", "en"):
        lines = (json.dumps({"text": text, "stars": n % 2}) + "\n" for n, text in enumerate(words))
        (rows / f"{name}.jsonl").write_text("".join(lines))
    for name, column, values in (("de", "stars", ("0", "1")), ("topics", "topic", ("sport", "politics"))):
        with (rows / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", column), *((text, values[n % 2]) for n, text in enumerate(words))])
    return own


def test_own_tasks_run_from_the_command_line(folder: Path, tmp_path: Path) -> None:
    options = [option for option in TINY if "data.world" not in option and "vocab_size" not in option]
    command = ["-m", "stilts_xtreme", "--config-dir", str(folder), "+intermediate=topics", "+target=reviews", *options]
    command += ["model.architecture.vocab_size=120", f"output={tmp_path / 'out'}"]
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = (tmp_path / "out" / "cells").glob("*/result.json")
    result = json.loads(path.read_text())
    assert {(row["language"], row["n"]) for row in result["rows"]} == {("en", 60), ("de", 60)}
    assert (result["synthetic"], result["source_language"], result["intermediate"]) == (False, "en", ["topics"])


@pytest.mark.parametrize("group", ["target", "intermediate"])
def test_names_of_files_begin_at_the_file_of_the_task_that_describes_the_data_set(folder: Path, group: str) -> None:
    text = """# @package _global_
dataset:
  inline:
    name: inline
    format: classification
    files: {train: ../dataset/rows/train.jsonl}
    columns: {text_a: text, label: stars}
    labels: ["0", "1"]
"""
    task = "{name: inline, head: classification, metric: accuracy, train: [inline], test: inline}"
    if group == "intermediate":
        task = "{inline: {head: classification, metric: accuracy, datasets: [inline]}}"
    (folder / group / "inline.yaml").write_text(f"{text}{group}: {task}\n")
    found = composed(f"hydra.searchpath=['file://{folder}']", f"+{group}=inline")["dataset"]["inline"]
    assert found["folder"] == str(folder / group)
    assert source_of(spec_from_mapping(found), DataSpec("synthetic")).count("train", "en") == 60


@pytest.mark.parametrize("kind", ["synthetic", "hub"])
def test_own_files_are_own_files_whatever_the_data(folder: Path, kind: str) -> None:
    cell = cell_of(f"hydra.searchpath=['file://{folder}']", "+target=reviews", f"data={kind}", "model=mini")
    assert not cell.synthetic
    assert cell.target is not None
    assert cell.target.test.folder == str(folder / "dataset")
    assert cell.target.test.label_values == {"0": "bad", "1": "good"}
    assert cell.model.path is None, "the shipped encoder knows the synthetic world only"


def test_plans_of_cells_and_of_sweeps_know_own_choices(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"--config-dir={folder}"
    assert compose.choices("target", [folder]) == sorted({*compose.choices("target"), "reviews"})
    assert plan([where, "+target=reviews", "+intermediate=topics", "model=mini"]) == 0
    assert "7 stages, each made once" in capsys.readouterr().out
    assert plan(["-m", where, "+target=reviews,xnli", "+intermediate=none,topics", *TINY]) == 0
    assert "4 cells" in capsys.readouterr().out
    assert plan([where, "+target=reviws"]) == 1
    assert "did you mean 'reviews'" in capsys.readouterr().err
    assert plan(["--config-dir", str(folder / "none"), "+target=reviews"]) == 1
    assert "none is not a folder" in capsys.readouterr().err


def test_help_lists_own_choices(folder: Path) -> None:
    command = [sys.executable, "-m", "stilts_xtreme", "--config-dir", str(folder), "--help"]
    page = subprocess.run(command, capture_output=True, text=True).stdout
    assert "reviews, sib200, tatoeba" in page


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("dataset/reviews", "# @package dataset.reviews\n", "", "must begin with the line '# @package dataset.NAME'"),
        ("intermediate/topics", "# @package intermediate.topics\n", "",
         "must begin with the line '# @package intermediate.NAME'"),
        ("target/reviews", "/dataset/reviews", "/dataset/revews",
         "target/reviews.yaml names 'dataset/revews' in its defaults.*did you mean 'dataset/reviews'"),
        ("target/reviews", "test: reviews", "test: other", "names the data set 'other', of which there is no descr"),
        ("dataset/reviews", "files:", "fils:", "field of dataset.reviews=fils is not known .did you mean 'files'"),
        ("dataset/reviews", "rows/de.csv", "rows/dee.csv", "rows/dee.csv is not there: looked for .*my conf/dataset/r"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_own_yaml_is_said(
    folder: Path, file: str, old: str, new: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / f"{file}.yaml"
    path.write_text(path.read_text().replace(old, new))
    assert plan([f"--config-dir={folder}", "+target=reviews", "+intermediate=topics", "model=mini"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    with pytest.raises(StiltsError, match=words):
        raise StiltsError(line)


def test_the_first_line_that_a_task_with_its_data_set_lacks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "whole.yaml").write_text(
        "dataset:\n  whole: {name: whole, format: classification}\n"
        "target: {name: whole, head: classification, metric: accuracy, train: [whole], test: whole}\n"
    )
    assert plan([f"--config-dir={tmp_path}", "+target=whole", "model=mini"]) == 1
    line = capsys.readouterr().err
    assert "the YAML in target/ that says so must begin with the line '# @package _global_'" in line


def test_fields_of_a_data_set_are_set_on_the_command_line() -> None:
    values = composed("+target=panx", "dataset.panx.label_values={B-PERS:B-PER,1:O}")["dataset"]["panx"]
    assert values["label_values"] == {"B-PERS": "B-PER", 1: "O"}
    cell = cell_of("+target=panx", "dataset.panx.label_values={B-PERS:B-PER,1:O}")
    assert cell.target is not None
    assert cell.target.test.label_values == {"B-PERS": "B-PER", "1": "O"}
    with pytest.raises(StiltsError, match=r"field of dataset.panx=label_valus is not known .did you mean 'label_val"):
        cell_of("+target=panx", "dataset.panx.label_valus={a:b}")
    with pytest.raises(StiltsError, match=r"dataset=pax is not known .did you mean 'panx'"):
        cell_of("+target=panx", "dataset.pax.label_values={a:b}")

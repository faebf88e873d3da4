"""The scorer against the official formulas, on files that the package did not write, and on what a cell leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.scoring import make_folder, run

from stilts_xtreme.commands.score import main
from stilts_xtreme.report.benchmark import averages as benchmarks
from stilts_xtreme.report.benchmark.scorer import score_folder, show


@pytest.fixture
def xtreme(tmp_path):
    return tmp_path, make_folder(tmp_path, "xtreme")


def official(expected, qa=("exact_match", "f1")):
    """``evaluate.py``'s means: per metric over languages, per task, over tasks."""
    tasks = {}
    for task, by_language in expected.items():
        metrics = next(iter(by_language.values()))
        means = {m: sum(s[m] for s in by_language.values()) / len(by_language) for m in metrics}
        if "exact_match" in means:
            means["metric"] = (means["exact_match"] + means["f1"]) / 2
        else:
            means["metric"] = means.get("f1", means.get("accuracy", means.get("map_at_20")))
        tasks[task] = means
    every = [
        sum(means[m] for m in qa) / len(qa) if "exact_match" in means else means["metric"] for means in tasks.values()
    ]
    return tasks, sum(every) / len(every)


def test_benchmarks_have_the_published_numbers_of_tasks_and_languages():
    sizes = {"pawsx": 7, "xnli": 15, "udpos": 33, "panx": 40, "xquad": 11, "mlqa": 7, "tydiqa": 9, "bucc2018": 4}
    one, two = benchmarks.load("xtreme"), benchmarks.load("xtreme-r")
    assert {name: len(task.languages) for name, task in one.tasks.items()} == {**sizes, "tatoeba": 36}
    assert len({language for task in one.tasks.values() for language in task.languages}) == 40
    sizes = {"xnli": 15, "xcopa": 11, "udpos": 38, "panx": 48, "xquad": 12, "mlqa": 7, "tydiqa": 9, "tatoeba": 41}
    assert {name: len(task.languages) for name, task in two.tasks.items()} == {**sizes, "mewslix": 11, "lareqa": 11}
    assert len({language for task in two.tasks.values() for language in task.languages}) == 50
    assert all(len(set(task.languages)) == len(task.languages) for b in (one, two) for task in b.tasks.values())


@pytest.mark.parametrize("name", ["xtreme", "xtreme-r"])
def test_a_folder_scores_as_the_official_formulas_say(tmp_path, name, capsys):
    expected = make_folder(tmp_path, name)
    arguments = ["--predictions", tmp_path / "predictions", "--labels", tmp_path / "labels", "--benchmark", name]
    assert main([*map(str, arguments), "--output", str(tmp_path / "deep" / "scores.json")]) == 0
    result = json.loads((tmp_path / "deep" / "scores.json").read_text())
    qa = ("exact_match", "f1") if name == "xtreme" else ("f1",)
    tasks, all_task = official(expected, qa)
    for task, by_language in expected.items():
        for metric in next(iter(by_language.values())):
            values = {language: scores[metric] for language, scores in by_language.items()}
            assert result[task][metric] == pytest.approx(values, abs=1e-9)
            assert result[task][f"avg_{metric}"] == pytest.approx(tasks[task][metric], abs=1e-9)
        assert result[task]["avg_metric"] == pytest.approx(tasks[task]["metric"], abs=1e-9)
        assert 5 < result[task]["avg_metric"] < 95
    assert result["all_task"] == pytest.approx(all_task, abs=1e-9)
    assert result["all_task_qa_em_f1"] == pytest.approx(official(expected)[1], abs=1e-9)
    assert result["all_task_qa_f1"] == pytest.approx(official(expected, ("f1",))[1], abs=1e-9)
    assert result["all_task_qa_em_f1"] != result["all_task_qa_f1"]
    groups = benchmarks.load(name).groups
    assert sum(map(len, groups.values())) == len(expected)
    for group, members in groups.items():
        assert result[group] == pytest.approx(sum(tasks[t]["metric"] for t in members) / len(members), abs=1e-9)
    shown = capsys.readouterr().out
    assert f"{all_task:.2f}" in shown
    assert f"{tasks['udpos']['metric']:.2f}" in shown
    assert "mlqa/zh: 1 of 9 questions have no predicted answer and score 0." in shown
    assert "mlqa/zh: 1 predicted answers belong to no question and are ignored." in shown


def test_a_benchmark_without_questions_has_one_average(capsys):
    beyond = benchmarks.load("beyond")
    assert {name: len(task.languages) for name, task in beyond.tasks.items()} == {
        "sib200": 205, "americas_nli": 10, "masakhaner2": 20,
    }  # fmt: skip
    scores = {
        name: {"avg_metric": value} for name, value in (("sib200", 60), ("americas_nli", 40), ("masakhaner2", 50))
    }
    means = {"all_task": 50.0, "classification": 50.0, "tagging": 50.0}
    assert benchmarks.overall(beyond, scores) == means
    show(means, [], beyond)
    assert "qa" not in capsys.readouterr().out


def test_the_average_of_a_published_row_comes_out():
    """Zhang et al. 2024 (mGTE), Table 1, mBERT-base on XTREME-R: 59.43 with question answering by F1."""
    row = {
        "xnli": 66.63,
        "xcopa": 55.49,
        "udpos": 71.80,
        "panx": 62.34,
        "mewslix": 44.65,
        "lareqa": 75.26,
        "tatoeba": 39.49,
    }
    scores = {task: {"avg_metric": value} for task, value in row.items()}
    for task, f1, em in (("xquad", 66.23, 51.03), ("mlqa", 57.37, 42.44), ("tydiqa", 55.01, 38.05)):
        scores[task] = {"avg_f1": f1, "avg_exact_match": em, "avg_metric": (f1 + em) / 2}
    assert benchmarks.overall(benchmarks.load("xtreme-r"), scores)["all_task"] == pytest.approx(59.43, abs=0.005)
    # Hu et al. 2020, first version, XLM-R large on XTREME: 68.1 with the mean of exact match and F1
    row = {"xnli": 79.2, "pawsx": 86.4, "udpos": 72.6, "panx": 65.4, "bucc2018": 66.0, "tatoeba": 57.3}
    scores = {task: {"avg_metric": value} for task, value in row.items()}
    for task, f1, em in (("xquad", 76.6, 60.8), ("mlqa", 71.6, 53.2), ("tydiqa", 65.1, 45.0)):
        scores[task] = {"avg_f1": f1, "avg_exact_match": em, "avg_metric": (f1 + em) / 2}
    assert benchmarks.overall(benchmarks.load("xtreme"), scores)["all_task"] == pytest.approx(68.1, abs=0.05)


def remove(folder: Path, side: str, task: str, *languages: str) -> None:
    for path in list((folder / side / task).iterdir()):
        if not languages or path.stem.removeprefix("test-") in languages:
            path.unlink()
    if not languages:
        (folder / side / task).rmdir()


def test_an_incomplete_folder_is_refused_with_all_that_is_missing(xtreme, capsys):
    folder, _ = xtreme
    remove(folder, "predictions", "bucc2018")
    remove(folder, "predictions", "xnli", "sw", "ur")
    assert run(folder) == 1
    error = capsys.readouterr().err
    assert "1 of 9 tasks (bucc2018) and 2 files (xnli/test-sw.tsv, xnli/test-ur.tsv) of xtreme" in error
    assert "--partial" in error
    remove(folder, "labels", "panx", "th")
    remove(folder, "labels", "mlqa", "hi")
    assert run(folder, "--partial") == 1
    assert "test-th.tsv does not exist" in capsys.readouterr().err


def test_a_partial_folder_has_the_means_of_what_is_complete(xtreme, capsys, tmp_path):
    folder, expected = xtreme
    remove(folder, "predictions", "bucc2018")
    remove(folder, "predictions", "xnli", "sw")
    (folder / "predictions" / "notes").mkdir()
    assert run(folder, "--partial", "--output", str(tmp_path / "s.json")) == 0
    result = json.loads((tmp_path / "s.json").read_text())
    assert {"tagging", "qa"} <= set(result)
    assert not {"all_task", "classification", "retrieval", "bucc2018"} & set(result)
    rest = [scores["accuracy"] for language, scores in expected["xnli"].items() if language != "sw"]
    assert result["xnli"]["avg_metric"] == pytest.approx(sum(rest) / 14)
    shown = capsys.readouterr().out
    assert "xnli: 14 languages scored, without sw." in shown
    assert "not of xtreme, left out: notes." in shown


@pytest.mark.parametrize(
    ("task", "language", "edit", "text"),
    [
        (
            "xnli",
            "sw",
            lambda text: text + "\nneutral",
            "xnli/test-sw.tsv: 10 lines for 9 rows; line 10 is one too",
        ),
        ("xnli", "sw", lambda text: text.rpartition("\n")[0], "8 lines for 9 rows; line 9 is missing"),
        ("tatoeba", "jv", lambda text: text + "x\n", "tatoeba/test-jv.tsv: 11 lines for 10 rows"),
        ("panx", "th", lambda text: text + "O\n", "panx/test-th.tsv line"),
        ("udpos", "yo", lambda text: "NOUN\n" + text, "udpos/test-yo.tsv line 1: sentence 1 has"),
        ("bucc2018", "de", lambda text: text + "de-1 en-1\n", "bucc2018/test-de.tsv line"),
        ("mlqa", "ar", lambda text: text[:-1] + ', "q1": "x"}', "mlqa/test-ar.json: 1 keys occur more than once"),
    ],
)
def test_malformed_predictions_name_file_and_line(xtreme, capsys, task, language, edit, text):
    folder, _ = xtreme
    path = next((folder / "predictions" / task).glob(f"test-{language}.*"))
    path.write_text(edit(path.read_text()))
    assert run(folder) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert text in error
    assert len(error.strip().splitlines()) == 1


def test_labels_of_another_benchmark_or_none_are_refused(xtreme, capsys):
    folder, _ = xtreme
    assert run(folder, benchmark="xtreme_r") == 1
    assert "did you mean 'xtreme-r'" in capsys.readouterr().err
    assert run(folder, benchmark="xtreme-r") == 1
    assert "3 of 10 tasks (xcopa, mewslix, lareqa)" in capsys.readouterr().err
    assert main(["--predictions", str(folder / "nowhere"), "--labels", str(folder), "--benchmark", "xtreme"]) == 1
    assert "--predictions" in capsys.readouterr().err
    assert main(["--labels", str(folder), "--benchmark", "xtreme"]) == 1
    assert "--predictions is missing" in capsys.readouterr().err
    assert main(["--partial", "--quiet"]) == 1
    assert "--quiet is not an option" in capsys.readouterr().err
    assert main(["--output"]) == 1
    assert "--output: expected one argument; --help shows how" in capsys.readouterr().err


def test_a_file_of_withheld_labels_is_not_scored(xtreme, capsys):
    folder, _ = xtreme
    (folder / "labels" / "mlqa" / "test-de.json").write_text('{"data": []}')
    assert run(folder) == 1
    assert "mlqa/test-de.json: There are 0 questions to score" in capsys.readouterr().err


# one target of each format; xcopa is of XTREME-R alone
CELLS = {**dict.fromkeys(("xnli", "udpos", "mlqa", "tatoeba", "bucc2018"), "xtreme"), "xcopa": "xtreme-r"}


@pytest.mark.parametrize("target", CELLS)
def test_a_cells_table_can_be_checked(run_tiny, tmp_path, target):
    result = run_tiny(f"+target={target}")
    folder = run_tiny.output / "cells" / result["cell"]
    benchmark = benchmarks.load(CELLS[target])
    scored, _ = score_folder(folder / "predictions", folder / "labels", benchmark, partial=True)
    for row in result["rows"]:
        assert scored[target][row["metric"]][row["language"]] == row["value"]
    assert scored[target]["avg_metric"] == pytest.approx(result["averages"]["all_value"], abs=1e-9)

    from support.cells import TINY

    assert main(["--write-labels", str(tmp_path), f"+target={target}", *TINY]) == 0
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("test-*"))
    assert written == sorted(path.relative_to(folder / "labels") for path in (folder / "labels").rglob("test-*"))
    assert all((tmp_path / path).read_bytes() == (folder / "labels" / path).read_bytes() for path in written)


def test_labels_need_a_target(capsys):
    assert main(["--write-labels", "x", "+intermediate=mnli"]) == 1
    assert "--write-labels needs a target" in capsys.readouterr().err

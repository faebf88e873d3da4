"""Whole cells of every format, at a tiny size: from a command line to predictions, scores and a table."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.cells import TINY, cell_of, composed

from stilts_xtreme.cell.marks import marks_of, settle
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.run import run
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.source import RowSource
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.report import matrix
from stilts_xtreme.report.cell import notes
from stilts_xtreme.report.entries import build
from stilts_xtreme.tasks import predictions
from stilts_xtreme.tasks.metrics.metric import METRICS

TARGETS = ("xnli", "pawsx", "xquad", "mlqa", "tydiqa", "panx", "udpos", "xcopa", "tatoeba")
INTERMEDIATE = ("mnli", "qqp", "squad_v2", "hellaswag", "cosmosqa", "commonsenseqa", "[mnli,squad_v1]")


def folder_of(run_tiny: Any, result: dict[str, Any]) -> Path:
    return Path(run_tiny.output) / "cells" / result["cell"]


def check(result: dict[str, Any], folder: Path, *arguments: str) -> None:
    """Holds every row of a result against the prediction files and the rows of the data."""
    cell = cell_of(*arguments)
    target = cell.target
    assert target is not None
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(result))
    languages = list(source_of(target.test, cell.data).languages("test"))
    assert sorted({row["language"] for row in result["rows"]}) == sorted(languages)
    first = sorted(languages, key=lambda name: (name != "qaa", name))
    assert [line["language"] for line in result["comparison"]] == first
    labels = source_of(target.test, cell.data).labels()
    for language in languages:
        rows, _ = source_of(target.test, cell.data).rows("test", language)
        answers = predictions.read(folder / "predictions", target.name, language, target.head)
        scores = METRICS[target.metric].score(answers, predictions.gold(target.head, rows, labels), language)
        mine = [row for row in result["rows"] if row["language"] == language]
        assert {row["metric"]: row["value"] for row in mine} == pytest.approx(scores)
        assert {row["n"] for row in mine} == {len(next(iter(rows.values())))}
        assert {(row["target"], row["seed"], row["synthetic"]) for row in mine} == {(target.name, cell.seed, True)}
        (line,) = (line for line in result["comparison"] if line["language"] == language)
        assert line["value"] == pytest.approx(METRICS[target.metric].headline(scores))
        assert 0 <= line["value"] <= 100
        assert line["floor"] is not None
        assert f"| {language} | {line['n']} | {target.metric} |" in (folder / "table.md").read_text()


def check_comparison(result: dict[str, Any], baseline: dict[str, Any]) -> None:
    """Holds the comparison and its means against the baseline's own result."""
    lost = result["collapsed"] or result["baseline_collapsed"]
    assert result["baseline_collapsed"] == baseline["collapsed"]
    alone = {line["language"]: line["value"] for line in baseline["comparison"]}
    for line in result["comparison"]:
        assert line["baseline"] == alone[line["language"]]
        assert line["gain"] == (None if lost else pytest.approx(line["value"] - line["baseline"]))
    for name, chosen in (
        ("all", result["comparison"]),
        ("zero_shot", [line for line in result["comparison"] if line["language"] != "qaa"]),
    ):
        assert not lost or f"{name}_gain" not in result["averages"]
        for column in ("value", "baseline", *([] if lost else ["gain"]), "floor"):
            mean = sum(line[column] for line in chosen) / len(chosen)
            assert result["averages"][f"{name}_{column}"] == pytest.approx(mean)


@pytest.mark.parametrize("target", TARGETS)
def test_cell_of_every_format(run_tiny: Callable[..., Any], target: str) -> None:
    arguments = ("+intermediate=mnli", f"+target={target}")
    result = run_tiny(*arguments)
    check(result, folder_of(run_tiny, result), *TINY, *arguments)
    baseline = run_tiny(f"+target={target}")
    assert not any(stage["made_now"] for stage in baseline["stages"]), "the comparison has made it"
    check(baseline, folder_of(run_tiny, baseline), *TINY, f"+target={target}")
    check_comparison(result, baseline)
    again = run_tiny(*arguments)
    assert not any(stage["made_now"] for stage in again["stages"])
    assert again["comparison"] == result["comparison"]
    assert again["rows"] == result["rows"]
    kinds = [stage["kind"] for stage in result["stages"]]
    trainings = {"xcopa": 2, "tatoeba": 0}.get(target, 1)
    assert kinds.count("train") == 2 * trainings + 1
    assert (kinds.count("pretrain"), kinds.count("evaluate")) == (1, 2)
    table = (folder_of(run_tiny, result) / "table.md").read_text()
    assert "SYNTHETIC" in table
    assert "| language | n | metric | best floor | baseline | after intermediate | gain |" in table
    assert ("pooling" in table) == (target == "tatoeba")


def test_head_continues_from_siqa_to_copa(run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load_file

    from stilts_xtreme.tasks.head import HeadModule
    from stilts_xtreme.training import train as stages

    begun: dict[str, Any] = {}
    original = stages.fit

    def fit(module: Any, *values: Any) -> Any:
        assert isinstance(module, HeadModule)
        begun[next(iter(values[0].courses)).task] = {name: v.clone() for name, v in module.head.state_dict().items()}
        return original(module, *values)

    monkeypatch.setattr(stages, "fit", fit)
    result = run_tiny("+target=xcopa", "seed=8")
    first, second = (stage for stage in result["stages"] if stage["kind"] == "train")
    siqa = Path(run_tiny.output) / "stages" / first["key"] / "models" / "siqa" / "model-00002-of-00002.safetensors"
    kept = {name: value for name, value in load_file(siqa).items() if name.startswith("classifier")}
    assert kept
    for name, value in kept.items():
        assert (begun["copa"][f"model.{name}"] == value).all()
        assert (begun["siqa"][f"model.{name}"] != value).any() or "bias" in name
    assert second["info"]["tasks"] == ["copa"]


def test_fresh_heads_begin_pretrained_where_the_architecture_has_it(
    run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    from stilts_xtreme.training import train as stages

    begun = []
    original = stages.fit

    def fit(module: Any, *values: Any) -> Any:
        begun.append(module.head.model.head.dense.weight.detach().clone())
        return original(module, *values)

    monkeypatch.setattr(stages, "fit", fit)
    options = (
        "model.architecture.model_type=modernbert",
        "+model.architecture.local_attention=16",
        "+model.architecture.cls_token_id=0",
        "+model.architecture.sep_token_id=2",
    )
    result = run_tiny("+intermediate=mnli", "+target=pawsx", *options, output=tmp_path)
    pretrained = tmp_path / "stages" / result["stages"][0]["key"] / "models" / "pretrained"
    weights = load_file(pretrained / "model-00002-of-00002.safetensors")
    assert len(begun) == 3, "the baseline's, the intermediate and the target's own"
    assert all((weight == weights["head.dense.weight"]).all() for weight in begun)


def test_no_dropout_of_its_own_means_the_pretrained_encoders(
    run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stilts_xtreme.training import train as stages

    seen: list[set[float]] = []
    original = stages.fit

    def fit(module: Any, *values: Any) -> Any:
        seen.append({part.p for part in module.modules() if "Dropout" in type(part).__name__})
        return original(module, *values)

    monkeypatch.setattr(stages, "fit", fit)
    change = ("recipe.intermediate.dropout=0.3", "recipe.target.dropout=null")
    run_tiny("+intermediate=mnli", "+target=xnli", "baseline=false", "seed=9", *change)
    assert seen == [{0.3}, {0.0}], "head and encoder; mini has none of its own"


@pytest.mark.parametrize("intermediate", INTERMEDIATE)
def test_intermediate_training_alone(
    run_tiny: Callable[..., Any], intermediate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_tiny(f"+intermediate={intermediate}", "seed=18")  # which no other test has made
    tasks = cell_of(f"+intermediate={intermediate}").intermediate_tasks
    assert result["target"] is None
    assert result["rows"] == result["comparison"] == []
    assert set(result["averages"]) == {f"dev_{task.name}" for task in tasks}
    assert all(0 <= value <= 100 for value in result["averages"].values())
    out, err = capsys.readouterr()
    assert re.search(rf"train .*: {6 * len(tasks)} steps, loss \d.*, dev {tasks[0].name} \d", err), "a line that stays"
    for task in tasks:
        assert f"{task.name}: {result['averages'][f'dev_{task.name}']:.1f} on English dev rows" in out
    folder = Path(run_tiny.output) / "stages" / result["stages"][-1]["key"] / "models"
    assert {entry.name for entry in folder.iterdir()} == {task.name for task in tasks}
    assert result["stages"][-1]["info"]["steps"] == 6 * len(tasks)


def test_joint_training_of_all_nine(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+intermediate=all", "+target=tatoeba", "recipe.intermediate.max_steps=1")
    (training,) = (stage for stage in result["stages"] if stage["kind"] == "train")
    assert len(training["info"]["tasks"]) == len(training["info"]["dev"]) == 9
    assert training["info"]["steps"] == 9
    folder = Path(run_tiny.output) / "stages" / training["key"] / "models"
    encoders = {(entry / "model-00001-of-00002.safetensors").stat().st_ino for entry in folder.iterdir()}
    assert len(list(folder.iterdir())) == 9
    assert len(encoders) == 1, "one encoder on disk"
    assert result["cell"].startswith("mini-9tasks-tatoeba-seed0-")


def test_baseline_can_be_left_out(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+intermediate=mnli", "+target=xnli", "baseline=false")
    assert all(line["baseline"] is None and line["gain"] is None for line in result["comparison"])
    assert "zero_shot_gain" not in result["averages"]
    assert [stage["kind"] for stage in result["stages"]] == ["pretrain", "train", "train", "evaluate", "floors"]


def test_floors_can_be_left_out_and_languages_chosen(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+target=pawsx", "evaluation.floors=false", "languages=[qac]")
    assert [(line["language"], line["floor"]) for line in result["comparison"]] == [("qac", None)]
    assert "best floor" not in (folder_of(run_tiny, result) / "table.md").read_text()


@pytest.mark.parametrize("target", ["tatoeba", "xquad", "udpos"])
def test_one_stream_keeps_languages_apart(run_tiny: Callable[..., Any], target: str) -> None:
    """All languages go through the encoder together; each gets what it would get alone."""
    together, alone = run_tiny(f"+target={target}"), run_tiny(f"+target={target}", "languages=[qac]")
    one, two = (
        predictions.read(
            folder_of(run_tiny, result) / "predictions", target, "qac", cell_of(f"+target={target}").target.head
        )
        for result in (together, alone)
    )
    assert one == two
    assert [row["value"] for row in alone["rows"]] == [
        row["value"] for row in together["rows"] if row["language"] == "qac"
    ]


def unusable(monkeypatch: pytest.MonkeyPatch, split: str, languages: tuple[str, ...], rows: int) -> None:
    """Leaves sentences without words of a split in some languages."""
    original = RowSource.checked

    def changed(source: RowSource, columns: Any, wanted: str, language: str) -> Any:
        columns, report = original(source, columns, wanted, language)
        if wanted == split and language in languages:
            columns = {"id": ["1", "2"][:rows], "tokens": [[], []][:rows], "tags": [[], []][:rows]}
        return columns, report

    monkeypatch.setattr(RowSource, "checked", changed)


@pytest.mark.parametrize("rows", [0, 2])
def test_a_language_without_usable_rows_is_named(
    run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    unusable(monkeypatch, "test", ("qab",), rows)
    with pytest.raises(StiltsError) as error:
        run_tiny("+target=udpos", "seed=11")
    assert str(error.value) == "udpos: no test row in qab can be used; languages=[qaa,qac] evaluates in the others."
    found = run_tiny("+target=udpos", "seed=11", "languages=[qaa,qac]")
    assert {line["language"] for line in found["comparison"]} == {"qaa", "qac"}
    with pytest.raises(StiltsError, match=r"^udpos: no test row in qab can be used\.$"):
        run_tiny("+target=udpos", "seed=11", "languages=[qab]")


def test_without_dev_rows_a_training_has_no_dev_score(
    run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unusable(monkeypatch, "validation", ("qaa",), 0)
    (training,) = (s for s in run_tiny("+target=udpos", "seed=12")["stages"] if s["kind"] == "train")
    assert training["info"]["dev"] is None
    assert "no dev score: udpos: its validation split has no usable rows." in capsys.readouterr().err
    with pytest.raises(StiltsError, match="its validation split has no usable rows"):
        run_tiny("+target=udpos", "seed=12", "recipe.target.selection=best")


def test_predictions_of_a_killed_run_are_cleared(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+target=tatoeba")
    folder = folder_of(run_tiny, result)
    for left in (".predictions", ".fresh/predictions"):
        (folder / left / "tatoeba").mkdir(parents=True)
        (folder / left / "tatoeba" / "test-xx.tsv").write_text("half")
    run_tiny("+target=tatoeba")
    assert not (folder / ".predictions").exists()
    assert not (folder / ".fresh").exists()
    assert not (folder / "predictions" / "tatoeba" / "test-xx.tsv").exists()


def test_a_collapsed_training_is_marked(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+target=xnli", "recipe.target.learning_rate=1e-9")
    assert result["collapsed"] == ["none > mnli"]
    assert all(row["collapsed"] for row in result["rows"])
    table = (folder_of(run_tiny, result) / "table.md").read_text()
    assert "COLLAPSED: none > mnli (mnli): on dev rows" in table
    assert "†" in table
    (mark,) = result["marks"]
    assert (mark["of"], mark["kind"], mark["verdict"]) == ("cell", "train", "collapsed")


def test_a_tagger_that_collapsed_is_marked_and_has_no_gain(run_tiny: Callable[..., Any]) -> None:
    """At a huge learning rate every word is given one tag."""
    result = run_tiny("+intermediate=mnli", "+target=panx", "recipe.target.learning_rate=1.0")
    assert result["collapsed"][-1] == "mnli > panx"
    assert result["baseline_collapsed"] == ["none > panx"]
    assert all(line["gain"] is None for line in result["comparison"])
    assert "zero_shot_gain" not in result["averages"]
    built = build([result])
    assert built.entries["mnli", "panx"].zero_shot == {}
    assert "| mnli | † |" in matrix.markdown(built)
    assert "- mnli > panx, seed 0 (" in matrix.markdown(built)


def test_a_training_of_an_earlier_version_is_judged_by_what_it_answers(run_tiny: Callable[..., Any]) -> None:
    """Its manifest says only that the loss ended at that of guessing, or did not."""
    options = ("+target=xnli", "recipe.target.learning_rate=1e-9")
    result, planned, store = run_tiny(*options), plan(cell_of(*TINY, *options)), Store(run_tiny.output)
    manifests = {stage.key: store.manifest(stage.key) or {} for stage in planned.stages()}
    info = manifests[planned.final.chain()[-2].key]["info"]
    del info["outcome"]
    for collapsed in (False, True):
        info["collapsed"] = collapsed
        marks = marks_of(planned, store, manifests)
        assert [mark["verdict"] for mark in marks] == ["unknown"] * collapsed + ["found nothing"]
        settle(result, marks)
        assert result["collapsed"] == ["none > xnli"]
    said = notes(result)
    assert any(line.startswith("It is not known whether none > mnli (mnli) collapsed") for line in said)
    assert any(line.startswith("FOUND NOTHING: none > xnli (xnli): on test rows in qaa every row") for line in said)


def test_stages_say_what_they_depend_on(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+target=pawsx")
    keys = [stage["key"] for stage in result["stages"]]
    manifests = [json.loads((Path(run_tiny.output) / "stages" / key / "manifest.json").read_text()) for key in keys]
    assert [manifest["parent"] for manifest in manifests] == [None, *keys[:2], None], "floors have no parent"
    assert manifests[1]["identity"]["parent"] == keys[0]
    assert manifests[1]["info"]["hardware"]["threads"] == 1
    assert manifests[1]["made"]["versions"]["torch"] == result["provenance"]["versions"]["torch"]
    assert {row["trained"] for row in result["rows"]} == {keys[1]}
    assert {row["stage"] for row in result["rows"]} == {keys[2]}


def test_damaged_parent_is_refused_or_made_again(run_tiny: Callable[..., Any], pretrained: Path) -> None:
    first = run_tiny("+target=pawsx", output=pretrained)
    training = pretrained / "stages" / first["stages"][1]["key"]
    (training / "curve.jsonl").write_text("")
    with pytest.raises(StiltsError, match=r"is damaged: curve\.jsonl"):
        run_tiny("+target=pawsx", output=pretrained)
    again = run_tiny("+target=pawsx", "store.damaged=retrain", output=pretrained)
    assert [stage["made_now"] for stage in again["stages"]] == [False, True, False, False]
    assert again["rows"] == first["rows"]
    assert len(list((pretrained / "damaged").iterdir())) == 1


REAL = os.environ.get("STILTS_DATA_ROOT", "")


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(not os.path.isdir(REAL), reason="STILTS_DATA_ROOT names no folder")
def test_mnli_to_xnli_on_real_rows(tmp_path: Path) -> None:
    root = str(Path(REAL).resolve())
    # the real text has more characters than the tiny vocabulary has pieces
    small = [option for option in TINY if "data.world" not in option and "vocab_size" not in option]
    small.append("model.pretraining.max_sentences=5000")
    arguments = ("+intermediate=mnli", "+target=xnli", "data=hub", f"data.root={root}", f"output={tmp_path}", *small)
    result = run(composed(*arguments))
    assert not result["synthetic"]
    cell = cell_of(*arguments)
    assert cell.target is not None
    present = set(source_of(cell.target.test, cell.data).languages("test"))
    assert {line["language"] for line in result["comparison"]} == present
    assert set(result["missing_languages"]) == set(cell.target.languages) - present
    folder = tmp_path / "cells" / result["cell"]
    table = (folder / "table.md").read_text()
    assert "SYNTHETIC" not in table
    for language in result["missing_languages"]:
        assert language in table
    for line in result["comparison"]:
        rows, _ = source_of(cell.target.test, cell.data).rows("test", line["language"])
        answers = predictions.read(folder / "predictions", "xnli", line["language"], "classification")
        assert line["n"] == len(rows["id"]) == len(answers)
        labels = predictions.gold("classification", rows, cell.target.test.labels)
        right = sum(answer == label for answer, label in zip(answers, labels, strict=True))
        assert line["value"] == pytest.approx(100 * right / len(answers))
        if line["gain"] is None:  # so short a training may have learnt nothing
            assert result["collapsed"] or result["baseline_collapsed"]
        else:
            assert line["gain"] == pytest.approx(line["value"] - line["baseline"])
    assert "en" in present
    assert result["comparison"][0]["language"] == "en"


def test_random_weights_are_a_floor_of_their_own(run_tiny: Callable[..., dict[str, Any]]) -> None:
    """The same stages but for the start: other keys, other scores, and the same ones each time."""
    from stilts_xtreme.models.encoder import Source, load

    known = run_tiny("+target=tatoeba")
    random = run_tiny("+target=tatoeba", "model.weights=random")
    keys = [[stage["key"] for stage in result["stages"]] for result in (known, random)]
    assert keys[0][0] == keys[1][0]  # the shape and the tokenizer
    assert keys[0][1] != keys[1][1]
    folder = Path(run_tiny.output) / "stages" / keys[0][0] / "models" / "pretrained"  # type: ignore[attr-defined]
    drawn = [load(Source(str(folder), random=True)).base.state_dict() for _ in range(2)]
    learned = load(Source(str(folder))).base.state_dict()
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in learned)
    assert not torch.equal(drawn[0]["embeddings.word_embeddings.weight"], learned["embeddings.word_embeddings.weight"])
    trained = run_tiny("+target=udpos", "model.weights=random")
    assert trained["rows"] != run_tiny("+target=udpos")["rows"]


def test_the_size_of_an_encoder_is_told_where_nothing_of_it_is_trained(
    run_tiny: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    known = run_tiny("+target=tatoeba")  # its weights are in the stage of the pretraining
    stages = Path(run_tiny.output) / "stages"  # type: ignore[attr-defined]
    folder = stages / known["stages"][0]["key"] / "models" / "pretrained"
    from_outside = [option for option in TINY if not option.startswith("model.")]
    words = ["+target=tatoeba", f"model={folder}", "data=synthetic", "recipe=mini", f"output={tmp_path}"]
    found = run(composed(*words, *from_outside))["scale"]
    assert found["body"] == known["scale"]["body"] > 0
    assert found["parameters"] == known["scale"]["parameters"]


def test_mixed_precision_trains_on_a_cpu_too(run_tiny: Callable[..., dict[str, Any]]) -> None:
    result = run_tiny("+target=xnli", "trainer.precision=bf16-mixed")
    exact = run_tiny("+target=xnli")
    losses = [entry["stages"][1]["info"]["loss"] for entry in (result, exact)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.real
@pytest.mark.skipif(not os.path.isdir(REAL), reason="STILTS_DATA_ROOT names no folder")
def test_blind_rows_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    root = REAL
    with pytest.raises(StiltsError, match=r"paws_x/test/\w+ is blind"):
        run(
            composed(
                "+target=pawsx", "data=hub", f"data.root={root}", "model=mini", "logger=none", f"output={tmp_path}"
            )
        )
    assert not list(tmp_path.glob("stages/*"))
    assert not list(tmp_path.glob("scratch/*"))


def test_the_substitute_for_ccg_says_so(run_tiny: Callable[..., Any]) -> None:
    result = run_tiny("+intermediate=ud_tags", "+target=tatoeba", "baseline=false", "evaluation.floors=false")
    assert result["substitutes"] == {"ud_tags": "ccg"}
    table = (run_tiny.output / "cells" / result["cell"] / "table.md").read_text("utf-8")
    assert "ud_tags is a free substitute, NOT CCG: do not report it under that name." in table
    assert run_tiny("+intermediate=ccg")["substitutes"] == {}

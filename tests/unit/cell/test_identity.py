"""What a cell is: by it reports tell cells apart, and find the evaluation that a gain is a gain over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from support.cells import cell_of, composed

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.identity import identity_of
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.conf import conf_dir

PARTS = ("encoder", "before", "task", "rest")
STAGES = ("evaluation", "baseline")


@pytest.fixture(scope="module", autouse=True)
def _loaded_once() -> Iterator[None]:
    """Hydra reads each file of the configuration once for the whole module."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="stilts_xtreme"):
        yield


CELL = ("+intermediate=mnli", "+target=xnli", "trainer=cpu")


def identity(*arguments: str) -> dict[str, Any]:
    return identity_of(plan(cell_of(*arguments)))


def changed(base: tuple[str, ...], *change: str) -> set[str]:
    """The parts that a change makes others; the evaluation is always another one."""
    before, after = identity(*base), identity(*base, *change)
    assert before["evaluation"] != after["evaluation"]
    return {part for part in PARTS if before[part] != after[part]}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("seed=1", set()),
        ("volume=100", set()),
        ("recipe.target.learning_rate=0.01", {"rest"}),
        ("recipe.intermediate.learning_rate=0.01", {"before"}),
        ("languages=[qab]", {"rest"}),
        ("evaluation.rules=[best,last,average]", set()),  # its own weights are the same
        ("model.pretraining.steps=7", {"encoder"}),
    ],
)
def test_each_option_makes_its_own_part_another(change: str, parts: set[str]) -> None:
    assert changed((*CELL, "model.shipped=null"), change) == parts


def folder(path: Path, weights: bytes) -> Path:
    path.mkdir(parents=True)
    shape = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "vocab_size": 100}
    (path / "config.json").write_text(json.dumps({"model_type": "xlm-roberta", **shape}), encoding="utf-8")
    (path / "tokenizer.json").write_text("{}", encoding="utf-8")
    (path / "model.safetensors").write_bytes(weights)
    return path


def test_encoders_of_one_name_are_told_apart_by_their_files(tmp_path: Path) -> None:
    one, copy, other = (folder(tmp_path / name / "c", name[:1].encode()) for name in ("a", "a-copy", "b"))
    found = [identity(*CELL, f"model={place}", "data=synthetic", "model.name=c") for place in (one, copy, other)]
    assert found[0]["encoder"] == found[1]["encoder"]
    assert found[0]["encoder"] != found[2]["encoder"]
    assert [part["encoder_from"] for part in found] == [str(one), str(copy), str(other)]
    assert not any(part["catalogued"] for part in found)


def test_revisions_of_an_encoder_are_told_apart() -> None:
    base = (*CELL, "model=xlmr_base", "data=synthetic")
    assert changed(base, f"model.revision={'a' * 40}") == {"encoder"}
    known, other = identity(*base), identity(*base, f"model.revision={'a' * 40}")
    assert other["encoder_from"] == f"FacebookAI/xlm-roberta-base@{'a' * 40}"
    assert known["catalogued"]
    assert not other["catalogued"]


def test_own_tasks_of_one_name_are_told_apart_by_their_rows(tmp_path: Path) -> None:
    found = []
    for name, text in (("one", "x"), ("copy", "x"), ("other", "y")):
        rows = [{"text_a": f"{text}{at}", "label": ["a", "b"][at % 2]} for at in range(30)]
        file = tmp_path / name / "rows.jsonl"
        file.parent.mkdir()
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        cfg = composed("+target=xnli", "data=hub", "trainer=cpu")
        cfg["dataset"]["own"] = {
            "name": "own", "format": "classification", "labels": ["a", "b"],
            "files": {"train": str(file), "validation": str(file), "test": {"en": str(file)}},
        }  # fmt: skip
        cfg["target"] |= {"train": ["own"], "test": "own", "languages": ["en"]}
        found.append(identity_of(plan(make_cell(cfg))))
        assert found[-1]["task_from"] == str(file)
    assert found[0]["task"] == found[1]["task"]
    assert found[0]["task"] != found[2]["task"]


def test_a_gain_is_one_over_the_evaluation_of_the_cell_without_an_intermediate_task() -> None:
    with_, without = identity(*CELL), identity("+target=xnli", "trainer=cpu")
    assert with_["baseline"] == without["evaluation"]
    assert with_["baseline"] != with_["evaluation"]
    assert without["baseline"] is None
    assert without["before"] is None
    assert identity(*CELL, "baseline=false")["baseline"] == without["evaluation"], "another cell may have made it"


def test_a_cell_without_a_target_has_no_task_and_no_gain() -> None:
    found = identity("+intermediate=mnli", "trainer=cpu")
    assert {found[part] for part in ("task", "rest", *STAGES)} == {None}
    assert found["before"] == identity(*CELL)["before"]

"""One cell for each head on a real encoder and real rows: few steps, and dev rows in place of test rows.

What a short training of two layers can show is asked for: a loss that falls, and, where words or sentences are compared
across languages, scores above those that need no knowledge of them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from support.cells import composed
from support.real import ENCODERS, ROWS, needs_encoder

from stilts_xtreme.cell.run import run

pytestmark = [needs_encoder, pytest.mark.encoder, pytest.mark.real]

STEPS = {"intermediate": 3, "target": 3}
SHORT = (
    "model=me5_small",
    f"model.root={ENCODERS}",
    "model.layers=2",
    f"data.root={ROWS}",
    "recipe=small",
    "recipe.intermediate.max_steps=3",
    "recipe.target.max_steps=3",
    "recipe.target.tasks=null",
    "recipe.target.batch_size=8",
    "recipe.target.dev_rows=20",
    "recipe.target.max_length=128",
    "recipe.intermediate.batch_size=8",
    "recipe.intermediate.dev_rows=20",
    "baseline=false",
    "trainer=cpu",
    "trainer.threads=1",
    "trainer.progress=false",
    "logger=none",
)
DEV = {
    "xnli": ("languages=[de]", "dataset.xnli.splits.test=validation"),
    "mlqa": ("languages=[de]", "dataset.mlqa.splits.test=validation", "evaluation.floors=false"),
    "xcopa": ("languages=[id]", "dataset.xcopa.splits.test=validation"),
}


def cell(folder: Path, *arguments: str) -> dict[str, Any]:
    return run(composed(*SHORT, f"output={folder}", *arguments))


def losses(result: dict[str, Any]) -> list[float]:
    return [stage["info"]["loss"] for stage in result["stages"] if stage["kind"] == "train"]


@pytest.mark.parametrize("target", DEV)
def test_a_head_trains_and_answers_in_another_language(tmp_path: Path, target: str) -> None:
    result = cell(tmp_path, f"+target={target}", *DEV[target])
    (line,) = result["comparison"]
    assert line["n"] >= 100
    assert 0 <= line["value"] <= 100
    assert losses(result)
    assert all(math.isfinite(loss) for loss in losses(result))


def test_tagging_learns_in_english_what_holds_in_german(tmp_path: Path) -> None:
    result = cell(
        tmp_path, "+target=udpos", "languages=[en,de]", "dataset.udpos.splits.test=validation",
        "recipe.target.max_steps=60", "recipe.target.learning_rate=1e-3", "recipe.target.batch_size=16",
    )  # fmt: skip
    english, german = result["comparison"]
    assert (english["language"], german["language"]) == ("en", "de")
    assert english["value"] > german["value"] > german["floor"]


def test_sentences_find_their_translations(tmp_path: Path) -> None:
    result = cell(tmp_path, "+intermediate=mnli", "+target=tatoeba", "languages=[hi]")
    (line,) = result["comparison"]
    assert line["value"] > line["floor"]

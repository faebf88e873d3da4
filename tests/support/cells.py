"""Tiny cells on the synthetic data, and command lines as plain containers and checked cells."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.core import compose
from stilts_xtreme.core.specs import Cell

ROOT = Path(__file__).resolve().parents[2]


TINY = (
    "model.pretraining.steps=20",
    "model.architecture.num_hidden_layers=2",
    "model.architecture.hidden_size=32",
    "model.architecture.intermediate_size=64",
    "model.architecture.vocab_size=1000",
    "recipe.intermediate.max_steps=6",
    "recipe.target.max_steps=6",
    "recipe.target.learning_rate=1e-3",  # another one than before: else mnli is one stage in both places
    "recipe.intermediate.tasks=null",
    "recipe.target.tasks=null",
    "recipe.intermediate.batch_size=8",
    "recipe.target.batch_size=8",
    "++data.world.languages=3",
    "++data.world.train=60",
    "++data.world.validation=20",
    "++data.world.test=20",
    "++data.world.sentences=300",
    "evaluation.random_init=false",
    "trainer=cpu",
    "trainer.threads=1",
    "trainer.progress=false",
    "logger=none",
)
"""Seconds instead of minutes; ``trainer.threads=1`` makes sums come out the same."""


def composed(*arguments: str) -> dict[str, Any]:
    """A command line as plain containers."""
    return compose.compose(compose.prepare(arguments))


def cell_of(*arguments: str) -> Cell:
    """A command line as a checked cell."""
    return make_cell(composed(*arguments))


def check_refusal(said: str, words: Sequence[str], output: Path) -> None:
    """All that was said is one sentence with these words, and nothing was made."""
    (line,) = said.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert not output.exists()


def begun(outputs: Path, folder: Path) -> Path:
    """An output folder in which only the pretraining of tiny cells is done."""
    from stilts_xtreme.cell.plan import plan

    key = plan(cell_of("+target=tatoeba", *TINY)).stages()[0].key
    shutil.copytree(outputs / "stages" / key, folder / "stages" / key)
    return folder

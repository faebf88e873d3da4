"""Tiny cells on the synthetic data, run in this process or in forked ones that may be killed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.core import compose
from stilts_xtreme.core.specs import Cell

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell gives its background jobs an ear deaf to it

ROOT = Path(__file__).resolve().parents[1]
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


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own settings reaches a test."""
    for name in ("HYDRA_FULL_ERROR", "WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder that tests share: what one has trained, the next one finds."""
    from stilts_xtreme.cell.run import run

    folder = tmp_path_factory.mktemp("outputs")
    run(composed("+target=tatoeba", *TINY, f"output={folder}"))  # pretrains
    return folder


@pytest.fixture(scope="session")
def run_tiny(outputs: Path) -> Callable[..., dict[str, Any]]:
    """Runs a tiny cell in this process, in the shared output folder unless told otherwise."""
    from stilts_xtreme.cell.run import run

    def run_cell(*arguments: str, output: Path | None = None) -> dict[str, Any]:
        return run(composed(*TINY, f"output={output or outputs}", *arguments))

    run_cell.output = outputs  # type: ignore[attr-defined]
    return run_cell


def begun(outputs: Path, folder: Path) -> Path:
    """An output folder in which only the pretraining of tiny cells is done."""
    from stilts_xtreme.cell.plan import plan

    key = plan(cell_of("+target=tatoeba", *TINY)).stages()[0].key
    shutil.copytree(outputs / "stages" / key, folder / "stages" / key)
    return folder


@pytest.fixture
def pretrained(outputs: Path, tmp_path: Path) -> Path:
    """A fresh output folder in which only the pretraining is done."""
    return begun(outputs, tmp_path / "out")


def _child(arguments: list[str], log: str, patch: Callable[..., None] | None, values: tuple[Any, ...]) -> None:
    """The whole command line application in a process of its own, with its streams in a file."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    from stilts_xtreme.__main__ import main

    # the server that forks may have been started within a run, which has Hydra raise its errors
    os.environ.pop("HYDRA_FULL_ERROR", None)
    if patch is not None:
        patch(*values)
    sys.argv = ["stilts_xtreme", *arguments]
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Any]]:
    """Starts the application in a process forked from one that has imported everything and run nothing.

    ``launch(arguments, log, patch, *values)`` calls ``patch(*values)`` in the new process first.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["stilts_xtreme.cell.run", "stilts_xtreme.training.train", "hydra", "conftest"])
    started = []

    def start(arguments: list[str], log: Path, patch: Callable[..., None] | None = None, *values: Any) -> Any:
        process = context.Process(target=_child, args=(arguments, str(log), patch, values))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()

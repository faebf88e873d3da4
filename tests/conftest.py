"""Tiny cells on the synthetic data, run in this process or in forked ones that may be killed."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support.cells import TINY, begun, composed
from support.launching import in_child
from support.real import ENCODERS as _ENCODERS  # noqa: F401  # takes the folder out of the environment of all tests

# a machine that is busy with other work is no fault of a test
settings.register_profile("any_pace", deadline=None)
settings.load_profile("any_pace")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell gives its background jobs an ear deaf to it


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own settings reaches a test."""
    for name in ("HYDRA_FULL_ERROR", "WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(Path.cwd())  # a test that goes elsewhere comes back: the next one is not to begin there


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


@pytest.fixture
def pretrained(outputs: Path, tmp_path: Path) -> Path:
    """A fresh output folder in which only the pretraining is done."""
    return begun(outputs, tmp_path / "out")


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Any]]:
    """Starts the application in a process forked from one that has imported everything and run nothing.

    ``launch(arguments, log, patch, *values)`` calls ``patch(*values)`` in the new process first.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["stilts_xtreme.cell.run", "stilts_xtreme.training.train", "hydra", "support.launching"]
    )
    started = []

    def start(arguments: list[str], log: Path, patch: Callable[..., None] | None = None, *values: Any) -> Any:
        process = context.Process(target=in_child, args=(arguments, str(log), patch, values))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()

"""Worker processes of this machine: how they start, and what is said of their end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep.executors import local
from stilts_xtreme.sweep.graph import Node

NODE = Node("key", "train", "none > mnli", (), 1.0)


class Pipe:
    """Takes orders."""

    def send(self, order: object) -> None:
        """Keeps none."""


def worker(slot: int) -> Any:
    process = type("Process", (), {"pid": 7})()
    return type("Worker", (), {"orders": Pipe(), "process": process, "node": None})()


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> local.Local:
    monkeypatch.setattr(local, "BETWEEN_SECONDS", 0.0)
    return local.Local(1, 1, [], tmp_path)


@pytest.mark.parametrize("error", [EOFError("unexpected EOF"), ConnectionRefusedError(), BrokenPipeError()])
def test_a_killed_starter_of_workers_is_replaced(
    executor: local.Local, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tries = []

    def launch(slot: int) -> Any:
        tries.append(slot)
        if len(tries) < local.STARTS:
            raise error
        return worker(slot)

    monkeypatch.setattr(executor, "_launch", launch)
    assert executor.start(NODE, [])["pid"] == 7
    assert len(tries) == local.STARTS


def test_a_starter_that_is_killed_again_and_again_is_one_sentence(
    executor: local.Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(slot: int) -> Any:
        raise EOFError("unexpected EOF")

    monkeypatch.setattr(executor, "_launch", launch)
    with pytest.raises(StiltsError, match=r"No worker can be started: .* memory is short; .*hydra.launcher.slots"):
        executor.start(NODE, [])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "was killed by SIGKILL"),
        (255, "was killed, or the process was that starts the workers"),
        (3, "exit code 3"),
    ],
)
def test_how_a_worker_ended(code: int, words: str) -> None:
    said = local._death(NODE, code, "worker-0.log")
    assert words in said["error"]
    assert ("memory" in said["hint"]) == (code != 3)

"""Sweeps run and read back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SLOTS = ("hydra.launcher.slots=2",)


def folder_of(output: Path) -> Path:
    (found,) = (output / "sweeps").iterdir()
    return found


def made(output: Path) -> list[str]:
    """What the workers say when they really make a stage, as often as they do."""
    text = "".join(path.read_text() for path in folder_of(output).glob("logs/*.log"))
    return re.findall(
        r"^(?:[\d-]+ [\d:]+ )?((?:pretrain|train|evaluate) [^:\n]*)$",
        re.sub(r"^.*done before.*$", "", text, flags=re.M),
        re.M,
    )


def events(output: Path, kind: str) -> list[dict[str, Any]]:
    """Those of all launches; none before there are any."""
    found = []
    for path in output.glob("sweeps/*/events.jsonl"):
        found += [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [event for event in found if event["event"] == kind]


def values(output: Path) -> dict[str, Any]:
    """The scores of every cell."""
    found = [json.loads(path.read_text()) for path in output.glob("cells/*/result.json")]
    return {result["cell"]: (result["comparison"], result["averages"]) for result in found}


def weights(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in output.glob("stages/*/**/*.safetensors")}


def when(condition: Callable[[], Any], then: Callable[[Any], None]) -> threading.Thread:
    """Does something in a thread as soon as a condition holds."""

    def watch() -> None:
        for _ in range(20000):
            found = condition()
            if found:
                then(found)
                return
            time.sleep(0.003)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


OFTEN = "trainer.checkpoint_seconds=0"

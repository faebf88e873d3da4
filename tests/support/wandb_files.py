"""What the file of a W&B run holds, and a user of W&B without settings of any kind."""

from __future__ import annotations

import importlib
import json
import os
import struct
import time
from pathlib import Path
from typing import Any

import pytest

SECONDS = 120
"""How long a file may take to get its end on a machine that is busy with other work."""


def records(path: Path) -> list[Any]:
    """The records of a finished W&B run's file, which may reach the disk a moment after the run has finished."""
    deadline = time.monotonic() + SECONDS
    while not of_kind(found := read_records(path), "exit"):
        assert time.monotonic() < deadline, f"{path} has no end"
        time.sleep(0.02)
    return found


def read_records(path: Path) -> list[Any]:
    """The records that are there: protocol buffers in LevelDB's log format: blocks of 32 KiB, 7 bytes of head."""
    pb: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    found, part, at = [], b"", 7
    while at + 7 <= len(data):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = pb.Record()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found


def wandb_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("run-*.wandb"))


def history(found: list[Any]) -> list[dict[str, Any]]:
    points = []
    for record in found:
        if record.WhichOneof("record_type") == "history":
            points.append(
                {("/".join(item.nested_key) or item.key): json.loads(item.value_json) for item in record.history.item}
            )
    return points


def of_kind(found: list[Any], kind: str) -> list[Any]:
    return [getattr(record, kind) for record in found if record.WhichOneof("record_type") == kind]


def config_of(found: list[Any]) -> dict[str, Any]:
    """The configuration of a run, as it is in the end."""
    first = of_kind(found, "run")[0].config
    changes = [first, *of_kind(found, "config")]
    return {item.key: json.loads(item.value_json) for change in changes for item in change.update if item.key}


def summary_of(found: list[Any]) -> dict[str, Any]:
    """The summary of a run that was set by hand, not by its history."""
    return {
        ("/".join(item.nested_key) or item.key): json.loads(item.value_json)
        for record in of_kind(found, "summary")
        for item in record.update
    }


def nobody(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A user who is not logged in and has set nothing, whatever this machine's user has."""
    import wandb

    for name in os.environ:
        if name.startswith("WANDB_") and name != "WANDB_SERVICE":
            monkeypatch.delenv(name)
    for name in ("NETRC", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("WANDB_DATA_DIR", str(home / "wandb-data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(home / "wandb-cache"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    wandb.teardown()  # W&B reads its settings once

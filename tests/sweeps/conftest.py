"""Fixtures that the tests of sweeps share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cells import TINY
from support.sweeps import SLOTS

from stilts_xtreme.__main__ import main


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a tiny multirun with its workers: exit code, stdout, stderr."""

    def call(output: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stilts_xtreme", "-m", *TINY, *SLOTS, f"output={output}", *arguments])
        capsys.readouterr()
        code = main()
        return (code, *capsys.readouterr())

    return call

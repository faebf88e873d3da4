"""Known facts about the hub's data sets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.cells import ROOT

FACTS = Path(os.environ.get("STILTS_FACTS") or ROOT.parent / "shared" / "facts")


needs_facts = pytest.mark.skipif(not FACTS.is_dir(), reason="the facts are not beside this checkout")


def facts_of(name: str) -> dict:
    return json.loads((FACTS / name).read_text(encoding="utf-8"))


def facts() -> dict:
    return facts_of("hub_schemas.json")["datasets"]

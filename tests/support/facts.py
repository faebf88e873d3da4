"""Known facts about the hub's data sets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.cells import ROOT

FACTS = Path(os.environ.get("STILTS_FACTS") or ROOT.parent / "shared" / "facts") / "hub_schemas.json"


needs_facts = pytest.mark.skipif(not FACTS.is_file(), reason="the facts are not beside this checkout")


def facts() -> dict:
    return json.loads(FACTS.read_text(encoding="utf-8"))["datasets"]

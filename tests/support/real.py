"""Real rows and a real encoder, where folders of them are named."""

from __future__ import annotations

import os

import pytest

ENCODERS = os.environ.pop("STILTS_ENCODER_ROOT", None)
"""The folder of encoders; no longer in the environment, so that no other test finds encoders in it."""
ROWS = os.environ.get("STILTS_DATA_ROOT")

needs_encoder = pytest.mark.skipif(
    not (ENCODERS and ROWS), reason="STILTS_ENCODER_ROOT and STILTS_DATA_ROOT name no folders"
)

"""Encoders that come with the package: pretrained on the synthetic world, so that its users wait for no pretraining."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.specs import ModelSpec

FOLDER = Path(__file__).parent
MADE = "made.json"
"""What a shipped encoder was made from: its world, its settings, and the command."""


def names() -> list[str]:
    """The encoders that come with the package."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{MADE}"))


def resolve(model: ModelSpec, asked: Mapping[str, Any] | None) -> ModelSpec:
    """Puts the shipped encoder in the place of an architecture to pretrain, where it was made for this world.

    Args:
        model: An encoder; with ``shipped`` it names one of the package's.
        asked: ``version``, ``seed`` and ``languages`` of the world whose text it learns from; None for other text.

    Returns:
        The encoder as a folder; the model as it was when it learns from other text, or ships nothing.

    Raises:
        StiltsError: For a name that is not shipped, or a world that the encoder was not made for.
    """
    if model.shipped is None or asked is None:
        return model
    if model.shipped not in names():
        raise unknown("model.shipped", model.shipped, names())
    folder = FOLDER / model.shipped
    made = json.loads((folder / MADE).read_text(encoding="utf-8"))["world"]
    for option in ("version", "seed"):
        if asked[option] != made[option]:
            _refuse(model.shipped, option, asked, made)
    if asked["languages"] > made["languages"]:
        _refuse(model.shipped, "languages", asked, made)
    return dataclasses.replace(model, path=str(folder), architecture=None, pretraining=None, corpus=None)


def _refuse(name: str, option: str, asked: Mapping[str, Any], made: dict[str, Any]) -> None:
    raise StiltsError(
        f"model={name} comes pretrained on the world of {option} {made[option]}, and {option} {asked[option]} is "
        "another one; leave data.world as it is, or give model.shipped=null to pretrain an encoder here."
    )

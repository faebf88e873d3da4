"""The synthetic world's unlabelled text, which ``mini`` is pretrained on by default."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.data import synthetic
from stilts_xtreme.data.schema import DataSpec
from stilts_xtreme.errors import StiltsError


def world_of(data: DataSpec) -> synthetic.World:
    """The world that the ``data`` group describes; with real data the default one."""
    return synthetic.World.from_mapping(data.world if data.kind == "synthetic" else {})


def world_identity(data: DataSpec) -> dict[str, Any]:
    """What the world's unlabelled text depends on: nothing of its rows."""
    world = world_of(data)
    options = {"seed": world.seed, "languages": world.languages, "sentences": world.sentences, "mixed": world.mixed}
    return {"kind": "synthetic", "version": synthetic.WORLD_VERSION, "world": options}


def world_corpus(data: DataSpec) -> dict[str, list[str]]:
    """Language -> texts."""
    world = world_of(data)
    texts = {language: synthetic.corpus(world, language) for language in synthetic.LANGUAGES[: world.languages]}
    if not any(texts.values()):
        raise StiltsError("data.world.sentences leaves no text to pretrain on; take a larger number.")
    return texts

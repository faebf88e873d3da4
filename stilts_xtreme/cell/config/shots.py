"""Checked options of few-shot transfer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from stilts_xtreme.core.checks import check, choice, known, make, number, whole
from stilts_xtreme.core.shots import ARMS, Shots


def make_shots(values: Mapping[str, Any], recipe: Mapping[str, Any]) -> Shots | None:
    """Which rows of each language a model is trained on before it is evaluated there.

    Args:
        values: The options of the group; without any there are no shots.
        recipe: What the recipe says of the training on shots: ``learning_rate``, for cells that give none themselves.

    Returns:
        None for zero-shot transfer: with ``k=0`` no other option of the group has a meaning.

    Raises:
        StiltsError: For an unknown field or arm, or a value out of range.
    """
    check(isinstance(recipe, Mapping), "recipe.shots", recipe, "it is a group; give recipe.shots.learning_rate a value")
    known("recipe.shots", recipe, ("learning_rate",))
    number("recipe.shots.learning_rate", recipe.get("learning_rate"), 0, strict=True, optional=True)
    shots = make(Shots, "shots", {"k": 0, **values})
    whole("shots.k", shots.k, 0)
    whole("shots.draw", shots.draw, 0)
    choice("shots.arm", shots.arm, ARMS)
    number("shots.epochs", shots.epochs, 0, strict=True)
    number("shots.learning_rate", shots.learning_rate, 0, strict=True, optional=True)
    if shots.k and shots.arm == "joint":
        one = "with arm=joint there is one training, whose rate is recipe.target.learning_rate"
        check(shots.learning_rate is None, "shots.learning_rate", shots.learning_rate, one)
    if shots.arm != "joint" and shots.learning_rate is None:
        shots = dataclasses.replace(shots, learning_rate=recipe.get("learning_rate"))
    return shots if shots.k else None

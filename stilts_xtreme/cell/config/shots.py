"""Checked options of few-shot transfer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from stilts_xtreme.core.checks import check, choice, make, number, whole
from stilts_xtreme.core.shots import ARMS, Shots


def make_shots(values: Mapping[str, Any], rate: float | None) -> Shots | None:
    """Which rows of each language a model is trained on before it is evaluated there.

    Args:
        values: The options of the group; without any there are no shots.
        rate: The recipe's learning rate for the training on shots, for cells that give none themselves.

    Returns:
        None for zero-shot transfer: with ``k=0`` no other option of the group has a meaning.

    Raises:
        StiltsError: For an unknown field or arm, or a value out of range.
    """
    number("recipe.shots_rate", rate, 0, strict=True, optional=True)
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
        shots = dataclasses.replace(shots, learning_rate=rate)
    return shots if shots.k else None

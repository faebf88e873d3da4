"""Checks of one value each: all is well, or one sentence names the option, the value and the choices."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from stilts_xtreme.core.errors import StiltsError, unknown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Spec = TypeVar("Spec", bound="DataclassInstance")


def make(kind: type[Spec], option: str, values: Mapping[str, Any] | None) -> Spec:
    """A dataclass from the values of a group of options.

    Raises:
        StiltsError: For a field that it does not have, or one that it lacks.
    """
    fields = {field.name for field in dataclasses.fields(kind)}
    values = dict(values or {})
    known(option, values, fields)
    try:
        return kind(**values)
    except TypeError as error:
        raise StiltsError(f"{option} is incomplete: {error}.") from error


def refused(option: str, value: object, rule: str) -> StiltsError:
    """The error for a value that breaks a rule; null, true and false are written as a user writes them."""
    plain = json.dumps(value) if value is None or isinstance(value, bool) else value
    return StiltsError(f"{option}={plain} is refused: {rule}.")


def check(condition: bool, option: str, value: object, rule: str) -> None:
    """Refuses a value that breaks a rule."""
    if not condition:
        raise refused(option, value, rule)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(option: str, value: object, least: float, strict: bool = False, optional: bool = False) -> None:
    """Refuses what is no finite number of at least, or if strict above, ``least``."""
    if value is None and optional:
        return
    good = is_number(value) and math.isfinite(value) and (value > least if strict else value >= least)
    check(good, option, value, f"it must be a number {'above' if strict else 'of at least'} {least:g}")


def whole(option: str, value: object, least: int, optional: bool = False) -> None:
    """Refuses what is no whole number of at least ``least``."""
    if value is None and optional:
        return
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    check(good, option, value, f"it must be a whole number of at least {least}")


LONGEST_NAME = 100
"""Bytes of a name at the most: several are joined to the name of a folder, which may have 255."""


def folder_name(option: str, value: object) -> None:
    """Refuses a name that cannot be part of a folder's name, or that would lead to another folder."""
    rule = (
        f"it becomes part of a folder's name; give a text of 1 to {LONGEST_NAME} bytes that does not begin with a dot, "
        "without / and \\ and without control characters"
    )
    good = isinstance(value, str) and 0 < len(value.encode("utf-8", "surrogatepass")) <= LONGEST_NAME
    check(good, option, str(value)[:LONGEST_NAME], rule)
    text = str(value)
    check(not text.startswith(".") and text.isprintable() and not set("/\\") & set(text), option, repr(value), rule)


def file_name(option: str, value: object) -> None:
    """Refuses what cannot be the name of a prediction file or of its folder."""
    if not (isinstance(value, str) and re.fullmatch(r"\w[\w.+-]*", value)):
        raise StiltsError(f"{option}={value!r} cannot be part of a file name; use letters, digits and . _ + -")


def freezable(option: str, part: str | int | None, layers: int) -> None:
    """Refuses to freeze all layers of an encoder, or more than it has."""
    if isinstance(part, int) and part >= layers:
        most = f"embeddings or 1 to {layers - 1}" if layers > 1 else "embeddings"
        raise refused(option, part, f"the encoder has {layers} layers, of which one at least is trained; take {most}")


SHARED = ("albert",)
"""Model types of which one layer's weights are used again and again, so that no layer is frozen or left out alone."""


def own_layers(option: str, value: object, kind: str, instead: str) -> None:
    """Refuses what needs layers with weights of their own.

    Args:
        option: The option.
        value: Its value.
        kind: The model type, as config.json has it.
        instead: What can be taken.
    """
    if kind in SHARED:
        raise shared(option, value, kind, instead)


def shared(option: str, value: object, kind: str, instead: str) -> StiltsError:
    """The sentence about an encoder that has no layers with weights of their own."""
    return refused(option, value, f"{kind} has no list of layers with weights of their own; take {instead}")


def cuttable(option: str, kept: int, layers: int, place: str) -> None:
    """Refuses to keep more layers of an encoder than it has."""
    if kept > layers:
        raise refused(option, kept, f"the encoder {place} has {layers} layers; take 1 to {layers}, or null for all")


def switch(option: str, value: object) -> bool:
    """Refuses what is neither true nor false."""
    check(isinstance(value, bool), option, value, "it must be true or false")
    return bool(value)


def choice(option: str, value: object, choices: Collection[str]) -> None:
    """Refuses what is not among the choices."""
    if value not in choices:
        raise unknown(option, value, choices)


def known(option: str, values: Iterable[str], names: Iterable[str]) -> None:
    """Refuses keys that nothing reads; Hydra lets '+' add any."""
    below = f"{option}." if option else ""
    choices = [below + name for name in names]
    for key in values:
        if below + str(key) not in choices:
            raise unknown("option", below + str(key), choices)

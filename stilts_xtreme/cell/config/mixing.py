"""Checked options of everything beside and within the rows of an intermediate training: mixing, volume, translation."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

from stilts_xtreme.cell.config.phases import make_recipe
from stilts_xtreme.core.checks import check, choice, is_number, make, number, refused, whole
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.mixing import METHODS, Languages, Merge, Mlm, Sampling, Translation
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data.sources import generated


def make_volume(value: object) -> float | None:
    """A share below 1, a whole number of examples, or None for all.

    Raises:
        StiltsError: When it is none of these.
    """
    if value is None or (isinstance(value, float) and value == 1):
        return None
    if is_number(value) and value > 0 and (isinstance(value, int) or value < 1):
        return value
    raise refused("volume", value, "take a share such as 0.1, a whole number of examples, or null for all")


def make_sampling(values: Mapping[str, Any]) -> Sampling:
    """How tasks share the steps.

    Raises:
        StiltsError: For an unknown field or choice, or a value out of range.
    """
    sampling = make(Sampling, "sampling", values)
    choice("sampling.kind", sampling.kind, ("proportional", "temperature", "uniform"))
    number("sampling.temperature", sampling.temperature, 0, strict=True)
    whole("sampling.cap", sampling.cap, 1, optional=True)
    return sampling


def make_merge(values: Mapping[str, Any], tasks: int) -> Merge | None:
    """How the encoders of several intermediate tasks become one.

    Args:
        values: Its options.
        tasks: The number of intermediate tasks; with fewer than two there is nothing to merge.

    Returns:
        The method with the numbers that it uses; None: the tasks are trained jointly.

    Raises:
        StiltsError: For an unknown field or method, a number out of range, or one that the method does not use.
    """
    method = values.get("method")
    if method is None:
        for name in ("scale", "density"):
            value, option = values.get(name), f"merge.{name}"
            check(value is None, option, value, f"it needs a method: merge={', '.join(METHODS)}")
        return None
    choice("merge", method, tuple(METHODS))
    numbers = dict(METHODS[method])
    for name in ("scale", "density"):
        value, option = values.get(name), f"merge.{name}"
        if value is None:
            continue
        used = [one for one, numbers in METHODS.items() if name in numbers]
        check(name in METHODS[method], option, value, f"merge={method} does not use it; {' and '.join(used)} do")
        number(option, value, 0, strict=True)
        check(name == "scale" or value <= 1, option, value, "it is a share, so at most 1")
        numbers[name] = float(value)
    return Merge(method, numbers.get("scale"), numbers.get("density")) if tasks > 1 else None


def make_mlm(values: Mapping[str, Any], phase: Mapping[str, Any] | None) -> Mlm:
    """Masked language modelling beside the tasks.

    Args:
        values: Its options.
        phase: What the recipe says of all intermediate tasks, for what they leave open; None where there are no tasks.

    Raises:
        StiltsError: For an unknown field or a value out of range.
    """
    mlm = make(Mlm, "mlm", {**values, "weight": values["weight"] or 0.0})
    number("mlm.weight", mlm.weight, 0)
    check(isinstance(mlm.source, str), "mlm.source", mlm.source, "take auto, wikipedia_mlm or a folder of text")
    whole("mlm.batch_size", mlm.batch_size, 1, optional=True)
    whole("mlm.max_length", mlm.max_length, 8, optional=True)
    whole("mlm.max_texts", mlm.max_texts, 1)
    number("mlm.mask_probability", mlm.mask_probability, 0, strict=True)
    check(mlm.mask_probability < 1, "mlm.mask_probability", mlm.mask_probability, "it must be below 1")
    number("mlm.exponent", mlm.exponent, 0)
    source, languages = str(home(mlm.source)), _languages("mlm.languages", mlm.languages)
    mlm = dataclasses.replace(mlm, weight=float(mlm.weight), source=source, languages=languages)
    if not mlm.weight or phase is None:
        return mlm
    common = make_recipe("recipe.intermediate", phase)
    batch, length = mlm.batch_size or common.batch_size, mlm.max_length or common.max_length
    return dataclasses.replace(mlm, batch_size=batch, max_length=length)


def make_translation(values: Mapping[str, Any], data: DataSpec) -> Translation:
    """Rows of the tasks in other languages.

    Raises:
        StiltsError: For an unknown field or choice, a source that does not fit the data, or one whose languages must
            be named.
    """
    translation = make(Translation, "translation", values)
    choice("translation.mode", translation.mode, ("replace", "add"))
    source, option = translation.source, "translation"
    if source is not None:
        check(isinstance(source, str), option, source, "take a folder, owner/name on the hub, or synthetic")
        source = str(home(source))
        folder = os.path.isdir(source)
        hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", source) is not None
        if generated(data):
            check(folder or source == "synthetic", option, source, "with data=synthetic take synthetic or a folder")
        else:
            check(source != "synthetic", option, source, "the synthetic world has no rows of real data sets")
            check(folder or hub_id, option, source, "it is neither a folder nor a hub id such as owner/name")
        if not folder and source != "synthetic" and translation.languages == "available":
            raise StiltsError(
                f"translation={source} needs the languages to take from it, as in translation.languages=[de,ru]."
            )
    languages = _languages("translation.languages", translation.languages)
    return dataclasses.replace(translation, source=source, languages=languages)


def _languages(option: str, value: object) -> Languages:
    """``available``, or a list of codes, each once."""
    if isinstance(value, str) and value != "available":
        value = [value]
    if isinstance(value, list | tuple):
        check(bool(value), option, "[]", "name at least one language, or take available")
        return tuple(dict.fromkeys(str(language) for language in value))
    check(value == "available", option, value, "take available, or a list such as [de,ru]")
    return "available"

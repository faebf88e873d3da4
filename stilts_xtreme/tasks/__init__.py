"""Task formats: their rows, modules, metrics, prediction files and floors; and the registry of them, free of torch.

A format is found where it stands: a package of this folder that holds a :class:`~.format.TaskFormat` as ``FORMAT``, or
an entry point of the group ``stilts_xtreme.formats`` in another distribution.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.tasks.format import TaskFormat
from stilts_xtreme.tasks.options import OptionGroup
from stilts_xtreme.tasks.rows import RowFormat

ENTRY_POINTS = "stilts_xtreme.formats"
"""Where other distributions name their formats: each entry point is a :class:`TaskFormat`."""


@functools.cache
def formats() -> Mapping[str, TaskFormat]:
    """Id -> format, those of the package first.

    Raises:
        StiltsError: Two formats have one id.
    """
    found: list[TaskFormat] = []
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            own = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FORMAT", None)
            found += [own] if own is not None else []
    found += [point.load() for point in entry_points(group=ENTRY_POINTS)]
    by_name: dict[str, TaskFormat] = {}
    for format in found:
        if format.name in by_name:
            raise StiltsError(f"Two task formats have the id '{format.name}': remove one of them.")
        by_name[format.name] = format
    return by_name


def format_of(name: str) -> TaskFormat:
    """The format with an id.

    Raises:
        StiltsError: There is none.
    """
    if name not in formats():
        raise unknown("format", name, formats())
    return formats()[name]


def row_formats() -> Mapping[str, RowFormat]:
    """Id -> the rows that formats have, and those that they need beside their own."""
    found = [rows for format in formats().values() for rows in (format.rows, format.candidates)]
    return {rows.name: rows for rows in found if rows is not None}


def row_format_of(name: str) -> RowFormat:
    """The rows with an id.

    Raises:
        StiltsError: There are none.
    """
    found = row_formats()
    if name not in found:
        raise unknown("format", name, found)
    return found[name]


def option_groups() -> list[OptionGroup]:
    """What users can set of formats, each group once."""
    found = [group for format in formats().values() for group in format.options]
    return list({group.name: group for group in found}.values())

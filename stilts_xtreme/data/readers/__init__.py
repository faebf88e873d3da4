"""Named readers: one file for each form in which rows are published or kept.

A module here that has ``READERS`` (name -> :class:`~stilts_xtreme.data.readers.base.Reader`) adds its readers; the name
is what ``reader:`` in the YAML of a data set says. Nothing else has to be told about it.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stilts_xtreme.data.readers.base import Reader


@functools.cache
def readers() -> Mapping[str, Reader]:
    """All readers by their names."""
    found: dict[str, Reader] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(getattr(importlib.import_module(f"{__name__}.{module.name}"), "READERS", {}))
    return found


def reader_of(name: str) -> Reader:
    """The reader of a name that :func:`readers` has."""
    return readers()[name]

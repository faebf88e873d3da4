"""Encoders by the names that users give them."""

from __future__ import annotations

import re

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.paths import home
from stilts_xtreme.models import shipped
from stilts_xtreme.models.encoder import Source


def source_named(place: str) -> Source:
    """Where an encoder is that a user names: one of the package's own, a folder, or a hub id.

    Raises:
        StiltsError: When it is none of these.
    """
    if place in shipped.names():
        return Source(str(shipped.FOLDER / place))
    if home(place).is_dir():
        return Source(str(home(place)))
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", place):
        return Source(place)
    raise StiltsError(
        f"encoder={place} is neither a folder nor a hub id such as owner/name, nor one of the package's own encoders: "
        f"{', '.join(shipped.names())}."
    )

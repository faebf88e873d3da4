"""A figure of matplotlib as PNG, and one sentence where its font lacks characters."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from stilts_xtreme.core.files import whole

log = logging.getLogger(__name__)


def png(figure: Figure, name: str = "the picture") -> bytes:
    """Draws a figure; where the font has no shape for a character, a box stands for it, and a warning says so once."""
    with io.BytesIO() as file, warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        figure.savefig(file, format="png")
        content = file.getvalue()
    lacking = [entry for entry in found if "missing from font" in str(entry.message)]
    if lacking:
        log.warning("%s shows boxes for characters that its font does not have; the tables have them.", name)
    for entry in found:
        if entry not in lacking:
            warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)
    return content


def write(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG: the whole file or nothing."""
    content = png(figure, path.name)
    with whole(path) as scratch:
        scratch.write_bytes(content)

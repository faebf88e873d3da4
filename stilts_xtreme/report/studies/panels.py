"""The panels of a study's picture: one for each target, three in a row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure  # without pyplot: no display is asked for

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def panels(count: int, synthetic: bool) -> tuple[Figure, list[Axes]]:
    """A picture with a number of panels.

    Args:
        count: How many, at least one.
        synthetic: Whether to say so above them.

    Returns:
        The picture, and its panels; places that are left over in the last row are not seen.
    """
    columns = min(3, count)
    rows = math.ceil(count / columns)
    drawn = Figure(figsize=(4.2 * columns, 3.4 * rows), dpi=130, layout="constrained")
    places = drawn.subplots(rows, columns, squeeze=False).ravel().tolist()
    for place in places[count:]:
        place.set_visible(False)
    if synthetic:
        drawn.suptitle("SYNTHETIC data", fontsize=10)
    return drawn, places[:count]

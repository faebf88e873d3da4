"""Which rows are shots: an order of rows that a number decides, so that fewer rows are part of more."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence


def drawn(ids: Sequence[str], strata: Sequence[Hashable] | None, draw: int, k: int) -> list[int]:
    """The positions of ``k`` rows.

    Rows are in the order of a digest of the draw and their ids. So a draw with more rows has all of one with fewer, and
    where ids name the same items in several languages, the same items are drawn in all of them. With classes the first
    row of each class comes before the second of any: no class has two rows more than another, as long as it has rows.

    Args:
        ids: The rows' ids.
        strata: The class of each row; None: there are none.
        draw: The number of the draw.
        k: How many; all where there are fewer.
    """

    def digest(text: object) -> str:
        return hashlib.sha256(f"{draw} {text}".encode("utf-8", "surrogatepass")).hexdigest()

    by_digest = sorted(range(len(ids)), key=lambda at: (digest(ids[at]), at))
    if strata is None:
        return by_digest[:k]
    rank: dict[int, int] = {}
    seen: defaultdict[Hashable, int] = defaultdict(int)
    for at in by_digest:
        rank[at] = seen[strata[at]]
        seen[strata[at]] += 1
    place = {at: n for n, at in enumerate(by_digest)}
    return sorted(by_digest, key=lambda at: (rank[at], digest(f"class {strata[at]}"), place[at]))[:k]

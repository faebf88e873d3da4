"""Shares a number of examples out among tasks."""

from __future__ import annotations

from collections.abc import Sequence


def portions(sizes: Sequence[int], volume: float | int | None) -> list[int]:
    """How many examples of each task a volume is.

    Args:
        sizes: Examples of each task.
        volume: A share of each, a number in all, or None for everything; each task that has examples keeps one.

    Returns:
        Examples of each task. A number in all is shared out in proportion to the sizes, as exactly as whole numbers can
        be (largest remainders first).
    """
    if volume is None:
        return list(sizes)
    if isinstance(volume, float):
        return [min(size, max(1, round(size * volume))) for size in sizes]
    total = sum(sizes)
    if volume >= total:
        return list(sizes)
    exact = [size * volume / total for size in sizes]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda at: shares[at] - exact[at])
    for at in by_remainder[: volume - sum(shares)]:
        shares[at] += 1
    return [min(size, max(1, share)) for size, share in zip(sizes, shares, strict=True)]

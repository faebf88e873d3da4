"""Random draws that depend on nothing but the text of their seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

WORLD_VERSION = 3
"""Raised whenever any generated row changes, so that results of different worlds are never mixed."""

_BLOCK = 4096
T = TypeVar("T")


class Draw:
    """A stream of choices seeded by the sha256 of the world version and the given parts.

    Python's ``hash`` differs between processes and numpy's scalar methods are slow, so choices are made from blocks of
    uniform numbers.
    """

    def __init__(self, *parts: object) -> None:
        seed = "\x1f".join(str(part) for part in (WORLD_VERSION, *parts))
        digest = hashlib.sha256(seed.encode()).digest()
        self._generator = np.random.default_rng(int.from_bytes(digest[:16], "big"))
        self._block: list[float] = []

    def unit(self) -> float:
        """Returns a number in [0, 1)."""
        if not self._block:
            self._block = self._generator.random(_BLOCK).tolist()
        return self._block.pop()

    def below(self, limit: int) -> int:
        """Returns a whole number from 0 to ``limit - 1``."""
        return int(self.unit() * limit)

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        return self.unit() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Returns one item, each as likely as the others."""
        return items[int(self.unit() * len(items))]

    def other(self, items: Sequence[T], *taken: object) -> T:
        """Returns one item that is not among ``taken``."""
        return self.pick([item for item in items if item not in taken])

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Returns ``count`` different items in random order."""
        pool = list(items)
        for position in range(count):
            chosen = position + self.below(len(pool) - position)
            pool[position], pool[chosen] = pool[chosen], pool[position]
        return pool[:count]


def bucket(text: str) -> int:
    """Returns a number from 0 to 99 that depends on the text alone; it decides which split a row may be in."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") % 100

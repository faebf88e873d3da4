"""The facts and the habits of a world, and a stream of choices that knows both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic.draws import Draw


@dataclass(frozen=True)
class Knowledge:
    """What is true in a world, and what is usual in it.

    Attributes:
        place: Kind -> where it is found.
        quality: Kind -> what it is like.
        use: Kind -> what a person does with it.
        scale: Quality -> kind -> rank by that quality, no two alike.
        ranked: Class of words -> its words, the most frequent first.
        habits: What goes with what: relation -> concept -> what is usual for it, the most usual first.
    """

    place: Mapping[str, str]
    quality: Mapping[str, str]
    use: Mapping[str, str]
    scale: Mapping[str, Mapping[str, int]]
    ranked: Mapping[str, tuple[str, ...]]
    habits: Mapping[str, Mapping[str, tuple[str, ...]]]


def _habits(draw: Draw, place: Mapping[str, str], quality: Mapping[str, str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Without habits every word would fit everywhere, and no text could tell one noun from another."""
    deeds: dict[str, tuple[str, ...]] = {}
    for group, kinds in v.KINDS.items():
        deeds[group] = tuple(draw.sample(v.GENERAL_VERBS, 10))
        deeds |= {kind: tuple(draw.sample(deeds[group], 5)) for kind in kinds}

    def some(items: Sequence[str], count: int, first: str = "") -> tuple[str, ...]:
        rest = draw.sample([item for item in items if item != first], count - bool(first))
        return (first, *rest) if first else tuple(rest)

    return {
        "deeds": deeds,
        "qualities": {kind: some(v.QUALITIES, 4, quality[kind]) for kind in v.THINGS},
        "places": {kind: some(v.PLACES, 3, place[kind]) for kind in v.THINGS}
        | {verb: some(v.PLACES, 3) for verb in v.VERBS},
        "numbers": {kind: some([str(n) for n in range(2, 30)], 3) for kind in v.THINGS},
        "roles": {verb: some(v.ROLES, 4) for verb in v.VERBS},
        "names": {verb: some(v.GIVEN, 4) for verb in v.VERBS},
        "families": {given: some(v.SHARED_STEMS, 3) for given in v.GIVEN},
        "times": {verb: some(v.TIMES, 3) for verb in v.VERBS},
        "manners": {verb: some(v.MANNERS, 2) for verb in v.VERBS},
    }


@lru_cache(maxsize=16)
def knowledge(seed: int) -> Knowledge:
    """Draws the knowledge of a world from its seed."""
    draw = Draw(seed, "knowledge")
    place = {kind: draw.pick(v.PLACES) for kind in v.THINGS}
    quality = {kind: draw.pick(v.QUALITIES) for kind in v.THINGS}
    use = {kind: draw.pick((*v.OPTIONAL_VERBS, *v.SINGLE_VERBS[:8])) for kind in v.THINGS}
    classes = {
        **{"things": v.THINGS, "roles": v.ROLES, "places": v.PLACES, "times": v.TIMES, "manners": v.MANNERS},
        **{"deeds": v.GENERAL_VERBS, "names": v.GIVEN, "families": v.SHARED_STEMS, "qualities": v.QUALITIES},
    }
    return Knowledge(
        place=MappingProxyType(place),
        quality=MappingProxyType(quality),
        use=MappingProxyType(use),
        scale={
            name: {kind: rank for rank, kind in enumerate(draw.sample(v.THINGS, len(v.THINGS)))} for name in v.SCALES
        },
        ranked={name: tuple(draw.sample(words, len(words))) for name, words in classes.items()},
        habits=_habits(draw, place, quality),
    )


class Teller(Draw):
    """A stream of choices in one world, in which frequent and usual things come up more often.

    Attributes:
        seed: The world's seed.
        known: What is true and usual in it.
        ready: Meanings that were drawn with the last one and come next (of streams of matched sets).
        waiting: Profile -> label -> meanings that wait for others of the same profile.
    """

    def __init__(self, seed: int, *parts: object) -> None:
        super().__init__(seed, *parts)
        self.seed = seed
        self.known = knowledge(seed)
        self.ready: list[Any] = []
        self.waiting: dict[Any, list[list[Any]]] = {}

    def frequent(self, name: str) -> str:
        """Returns a word of a class; its frequency falls with its rank, roughly as in Zipf's law.

        The rank is log-uniform: P(rank = r) = log((r + 2) / (r + 1)) / log(n + 1), counting from 0.
        """
        words = self.known.ranked[name]
        return words[int((len(words) + 1) ** self.unit()) - 1]

    def usual(self, relation: str, concept: str, name: str = "") -> str:
        """Returns what is usual for a concept (the first most of all), now and then any word of a class."""
        habits = self.known.habits[relation].get(concept) or self.known.habits[relation].get(v.SAME.get(concept, ""))
        if not habits or self.chance(0.15):
            return self.frequent(name or relation)
        return habits[int(self.unit() ** 1.5 * len(habits))]

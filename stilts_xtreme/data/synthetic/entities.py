"""Named entities of the synthetic world: what describes each, and sentences that mention one.

Towns and firms share names, so that a sentence, not the name alone, tells which is meant. An entity is the same in
every language, and always described in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from stilts_xtreme.data.synthetic import texts
from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic import world as w
from stilts_xtreme.data.synthetic.draws import bucket
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.world import Clause, Thing

_TOWNS = (*v.SHARED_STEMS, *v.TOWNS)
_FIRMS = (*v.SHARED_STEMS, *v.FIRMS)
ENTITIES: tuple[Thing, ...] = (
    *(Thing("", (given, family), "PER") for given in v.GIVEN for family in v.SHARED_STEMS),
    *(Thing("", (*word, stem), "LOC") for word in ((), *((word,) for word in v.TOWN_WORDS)) for stem in _TOWNS),
    *(Thing("", (stem, *word), "ORG") for word in ((), *((word,) for word in v.ORG_WORDS)) for stem in _FIRMS),
)
"""Those that are mentioned. What comes after them in number is a person of four names whom no sentence mentions."""
_STRANGERS = len(v.GIVEN) ** 3 * len(v.SHARED_STEMS)
_STEP = 7919  # prime to the number of strangers: neighbours in number share no name, and none comes twice


class Mention(NamedTuple):
    """A sentence, the number of the entity that it mentions, and the slot that the entity fills."""

    clause: Clause
    entity: int
    slot: str


def key(number: int) -> str:
    """The id of an entity, in the manner of Wikidata's."""
    return f"Q{number + 1}"


def thing(number: int) -> Thing:
    """The entity of a number; strangers follow on those that are mentioned."""
    if number < len(ENTITIES):
        return ENTITIES[number]
    rest = (number - len(ENTITIES)) * _STEP % _STRANGERS
    names = []
    for part in (v.GIVEN, v.GIVEN, v.GIVEN, v.SHARED_STEMS):
        rest, at = divmod(rest, len(part))
        names.append(part[at])
    return Thing("", tuple(names), "PER")


def description(seed: int, number: int) -> tuple[Clause, ...]:
    """What is said of an entity: two or three sentences, always the same ones."""
    return _described(seed, number) if number < len(ENTITIES) else _describe(seed, number)


def _describe(seed: int, number: int) -> tuple[Clause, ...]:
    draw, subject = Teller(seed, "entity", number), thing(number)
    if subject.ner == "PER":
        role = Clause("isa", "", subject, Thing(draw.frequent("roles"), det="a"))
        deed = w.event(draw, 0.4)._replace(agent=subject)
        return (role, Clause("at", "", subject, place=texts.town(draw)), deed)
    if subject.ner == "LOC":
        return (w.described(subject, draw.pick(v.QUALITIES)), w.event(draw, 0.4, 1.0)._replace(place=subject))
    return (_business(draw, subject), w.single(draw)._replace(agent=subject))


_described = lru_cache(maxsize=4 * len(ENTITIES))(_describe)


def _business(draw: Teller, firm: Thing) -> Clause:
    where = texts.town(draw) if draw.chance(0.6) else None
    return Clause("event", draw.pick(v.ORG_VERBS), firm, w.thing(draw, 0.3, 0.3), place=where)


def mention(draw: Teller) -> Mention:
    """Draws a sentence about an entity; in half of them something is as its description says."""
    number = draw.below(len(ENTITIES))
    subject, told = thing(number), draw.chance(0.5)
    facts = description(draw.seed, number)
    if subject.ner == "LOC":
        clause = w.event(draw, 0.4)
        clause = facts[-1]._replace(time="", agent=clause.agent) if told else clause
        return Mention(clause._replace(place=subject), number, "place")
    if subject.ner == "ORG":
        clause = _business(draw, subject)
        return Mention(clause._replace(patient=facts[0].patient) if told else clause, number, "agent")
    clause = w.event(draw, 0.4)._replace(agent=subject)
    return Mention(clause._replace(place=facts[1].place) if told else clause, number, "agent")


@lru_cache(maxsize=64)
def in_language(language: str, languages: Sequence[str], strangers: int) -> Sequence[int]:
    """The numbers of the entities that are described in a language: each is in one language alone.

    Args:
        language: The language.
        languages: All that there are.
        strangers: How many entities there are beside :data:`ENTITIES`.
    """
    at, count = list(languages).index(language), len(languages)
    named = [n for n in range(len(ENTITIES)) if bucket(f"described {n}") % count == at]
    first = len(ENTITIES) + (at - len(ENTITIES)) % count
    return (*named, *range(first, len(ENTITIES) + strangers, count))

"""What is said, before any language says it: options of a world, its knowledge, and clauses without words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic.draws import Draw
from stilts_xtreme.data.synthetic.languages import INVENTORY
from stilts_xtreme.errors import StiltsError, unknown

_RANGES: Mapping[str, tuple[int, int]] = {
    "seed": (0, 2**31 - 1),
    "languages": (2, len(INVENTORY)),
    "train": (20, 50_000),
    "validation": (20, 5_000),
    "test": (20, 5_000),
    "sentences": (200, 1_000_000),
    "mixed": (0, 100),
}


@dataclass(frozen=True)
class World:
    """Options of a synthetic world.

    Attributes:
        seed: Draws the lexicons, the knowledge and all rows.
        languages: How many of the languages there are, the source language first.
        train: Rows of a usual training split; some data sets have a fixed part of it (see ``size``).
        validation: Rows of a validation split, per language.
        test: Rows of a test split, per language.
        sentences: Unlabelled sentences of the languages with the most text.
        mixed: Percentage of the other languages' documents in which some words are those of the source language.
    """

    seed: int = 0
    languages: int = 12
    train: int = 4000
    validation: int = 200
    test: int = 500
    sentences: int = 20_000
    mixed: int = 10

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise StiltsError(f"data.world.{name}={value} must be a whole number from {low} to {high}.")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> World:
        """Builds a world from options.

        Args:
            mapping: Option name -> value; what is left out has its default.

        Returns:
            The world.

        Raises:
            StiltsError: If an option is not known or outside its range.
        """
        names = [field.name for field in fields(cls)]
        for name in mapping:
            if name not in names:
                raise unknown("data.world", name, names)
        return cls(**mapping)  # type: ignore[arg-type]


class Thing(NamedTuple):
    """A noun phrase.

    ``head`` is a concept, ``names`` the parts of a proper name (then ``head`` is empty), ``ner`` its type.
    """

    head: str
    names: tuple[str, ...] = ()
    ner: str = ""
    adj: str = ""
    number: int = 0
    det: str = ""
    owner: Thing | None = None  # type: ignore[misc]


class Clause(NamedTuple):
    """A statement or question.

    Attributes:
        kind: ``event``, ``be`` (adjective), ``isa`` (noun), ``at`` (place), ``compare`` (more so than another), or
            ``phrase`` (an answer, no sentence).
        pred: The verb, adjective or bare word.
        agent: Who or what the statement is about.
        patient: The object, the noun of ``isa``, or what something is compared with.
        recipient: To whom.
        place: Where.
        company: Adposition and thing, as in "with a knife".
        time: When.
        manner: How.
        negated: Whether it is denied.
        link: Word that joins it to the clause before, or empty.
        front: Slot that stands first for emphasis (``time``, ``place`` or ``patient``), or empty.
        ask: Slot that is asked for, or empty.
    """

    kind: str
    pred: str
    agent: Thing | None = None
    patient: Thing | None = None
    recipient: Thing | None = None
    place: Thing | None = None
    company: tuple[str, Thing] | None = None
    time: str = ""
    manner: str = ""
    negated: bool = False
    link: str = ""
    front: str = ""
    ask: str = ""


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
    """A stream of choices in one world, in which frequent and usual things come up more often."""

    def __init__(self, seed: int, *parts: object) -> None:
        super().__init__(seed, *parts)
        self.known = knowledge(seed)

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


def person(draw: Teller, role: float = 0.3, deed: str = "") -> Thing:
    """Draws a person who might do a deed: a name of one or two parts, or (with probability ``role``) 'the farmer'."""
    if draw.chance(role):
        return Thing(draw.usual("roles", deed), det="the")
    given = draw.usual("names", deed)
    names = (given,) if draw.chance(0.6) else (given, draw.usual("families", given))
    return Thing("", names, "PER")


def quality(draw: Teller, kind: str) -> str:
    """Draws what a thing of a kind may be like; opposites are said of the same things."""
    usual = draw.usual("qualities", kind)
    return exclusive(draw, usual) if draw.chance(0.25) else usual


def thing(draw: Teller, adjective: float = 0.4, number: float = 0.0) -> Thing:
    """Draws an object, with an adjective or a number with the given probabilities."""
    kind = draw.frequent("things")
    count = 0
    if draw.chance(number):
        count = int(draw.pick(draw.known.habits["numbers"][kind])) if draw.chance(0.7) else 2 + draw.below(28)
    return Thing(
        kind,
        adj=quality(draw, kind) if draw.chance(adjective) else "",
        number=count,
        det="" if count else draw.pick(("the", "a")),
    )


def place(draw: Teller, about: str = "") -> Thing:
    """Draws a place, one where a kind of thing is or a deed is done."""
    return Thing(draw.usual("places", about), det="the")


def event(draw: Teller, extras: float = 0.5, role: float = 0.3, number: float = 0.0) -> Clause:
    """Draws what a person did to a thing; place, time and manner appear with probability ``extras`` each."""
    patient = thing(draw, number=number)
    deed = draw.usual("deeds", patient.head)
    return Clause(
        "event",
        deed,
        person(draw, role, deed),
        patient,
        place=place(draw, patient.head) if draw.chance(extras) else None,
        time=draw.usual("times", deed) if draw.chance(extras) else "",
        manner=draw.usual("manners", deed) if draw.chance(extras * 0.3) else "",
    )


def single(draw: Teller, role: float = 0.3, extras: float = 0.5, verbs: Sequence[str] = v.SINGLE_VERBS) -> Clause:
    """Draws what a person did, with nothing that it was done to."""
    deed = draw.pick(verbs)
    return Clause(
        "event",
        deed,
        person(draw, role, deed),
        place=place(draw, deed) if draw.chance(extras) else None,
        time=draw.usual("times", deed) if draw.chance(extras) else "",
    )


def social(draw: Teller, role: float = 0.3, extras: float = 0.5, verbs: Sequence[str] = v.PERSON_VERBS) -> Clause:
    """Draws what a person did to another."""
    clause = single(draw, role, extras, verbs)
    other = person(draw, role, clause.pred)
    while other == clause.agent:
        other = person(draw, role)
    return clause._replace(patient=other)


def compared(draw: Teller) -> Clause:
    """Draws 'the horse is bigger than the dog', said in one of the two ways; it need not be true of their kinds."""
    one, two = draw.frequent("things"), draw.frequent("things")
    while one == two:
        two = draw.frequent("things")
    scale = draw.pick(v.SCALES)
    pole = scale if draw.chance(0.5) else exclusive(draw, scale)
    return Clause("compare", pole, Thing(one, det="the"), Thing(two, det="the"))


def restated(clause: Clause, opposite: bool, swap: bool) -> Clause:
    """Returns a comparison with the opposite quality, with its things changed round, or both: then it says the same."""
    if opposite:
        clause = clause._replace(pred=OPPOSITE[clause.pred])
    return clause._replace(agent=clause.patient, patient=clause.agent) if swap else clause


OPPOSITE: Mapping[str, str] = {a: b for pair in v.ANTONYMS for a, b in (pair, pair[::-1])}


def exclusive(draw: Draw, quality: str) -> str:
    """Returns a quality that cannot hold together with the given one."""
    return OPPOSITE.get(quality) or draw.other(v.COLOURS, quality)


def described(subject: Thing, quality: str, **more: object) -> Clause:
    """Returns 'subject is quality'."""
    return Clause("be", quality, subject, **more)  # type: ignore[arg-type]


def word(concept: str) -> Clause:
    """Returns a bare word, as an answer or a choice."""
    return Clause("phrase", concept)


def phrase(subject: Thing) -> Clause:
    """Returns a bare noun phrase, as an answer."""
    return Clause("phrase", "", subject)

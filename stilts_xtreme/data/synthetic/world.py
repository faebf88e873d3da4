"""What is said, before any language says it: options of a world, its knowledge, and clauses without words."""

from __future__ import annotations

from collections.abc import Mapping
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
    "bilingual": (0, 100),
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
        bilingual: Percentage of the other languages' documents whose sentences are also said in the source language, as
            on some pages of any web corpus.
    """

    seed: int = 0
    languages: int = 8
    train: int = 4000
    validation: int = 200
    test: int = 300
    sentences: int = 20_000
    bilingual: int = 30

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
        kind: ``event``, ``be`` (adjective), ``isa`` (noun), ``at`` (place), or ``phrase`` (an answer, no
            sentence).
        pred: The verb, adjective or bare word.
        agent: Who or what the statement is about.
        patient: The object, or the noun of ``isa``.
        recipient: To whom.
        place: Where.
        company: Adposition and thing, as in "with a knife".
        time: When.
        manner: How.
        negated: Whether it is denied.
        link: Word that joins it to the clause before, or empty.
        front: Slot that stands first for emphasis (``time`` or ``place``), or empty.
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
    """What is true of each kind in a world: where it is found, what it is like, what a person does with it."""

    place: Mapping[str, str]
    quality: Mapping[str, str]
    use: Mapping[str, str]


@lru_cache(maxsize=16)
def knowledge(seed: int) -> Knowledge:
    """Draws the knowledge of a world from its seed."""
    draw = Draw(seed, "knowledge")
    return Knowledge(
        place=MappingProxyType({kind: draw.pick(v.PLACES) for kind in v.THINGS}),
        quality=MappingProxyType({kind: draw.pick(v.QUALITIES) for kind in v.THINGS}),
        use=MappingProxyType({kind: draw.pick((*v.OPTIONAL_VERBS, *v.SINGLE_VERBS[:8])) for kind in v.THINGS}),
    )


def person(draw: Draw, role: float = 0.3) -> Thing:
    """Draws a person: a name of one or two parts, or (with probability ``role``) a role such as 'the farmer'."""
    if draw.chance(role):
        return Thing(draw.pick(v.ROLES), det="the")
    names = (draw.pick(v.GIVEN),) if draw.chance(0.6) else (draw.pick(v.GIVEN), draw.pick(v.SHARED_STEMS))
    return Thing("", names, "PER")


def thing(draw: Draw, quality: float = 0.4, number: float = 0.0) -> Thing:
    """Draws an object, with an adjective or a number with the given probabilities."""
    count = 2 + draw.below(28) if draw.chance(number) else 0
    return Thing(
        draw.pick(v.THINGS),
        adj=draw.pick(v.QUALITIES) if draw.chance(quality) else "",
        number=count,
        det="" if count else draw.pick(("the", "a")),
    )


def place(draw: Draw) -> Thing:
    """Draws a place."""
    return Thing(draw.pick(v.PLACES), det="the")


def event(draw: Draw, extras: float = 0.5, role: float = 0.3) -> Clause:
    """Draws what a person did to a thing; place, time and manner appear with probability ``extras`` each."""
    return Clause(
        "event",
        draw.pick(v.GENERAL_VERBS),
        person(draw, role),
        thing(draw),
        place=place(draw) if draw.chance(extras) else None,
        time=draw.pick(v.TIMES) if draw.chance(extras) else "",
        manner=draw.pick(v.MANNERS) if draw.chance(extras * 0.3) else "",
        front="",
    )


def exclusive(draw: Draw, quality: str) -> str:
    """Returns a quality that cannot hold together with the given one."""
    for first, second in v.ANTONYMS:
        if quality in (first, second):
            return second if quality == first else first
    return draw.other(v.COLOURS, quality)


def described(subject: Thing, quality: str, **more: object) -> Clause:
    """Returns 'subject is quality'."""
    return Clause("be", quality, subject, **more)  # type: ignore[arg-type]


def word(concept: str) -> Clause:
    """Returns a bare word, as an answer or a choice."""
    return Clause("phrase", concept)


def phrase(subject: Thing) -> Clause:
    """Returns a bare noun phrase, as an answer."""
    return Clause("phrase", "", subject)

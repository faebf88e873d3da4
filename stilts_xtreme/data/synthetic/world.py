"""The options of a world, and its clauses: what is said, before any language says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic.draws import Draw
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.languages import INVENTORY

_RANGES: Mapping[str, tuple[int, int]] = {
    "seed": (0, 2**31 - 1),
    "languages": (2, len(INVENTORY)),
    "train": (20, 50_000),
    "validation": (20, 5_000),
    "test": (20, 5_000),
    "sentences": (200, 1_000_000),
    "mixed": (0, 100),
    "candidates": (0, 1_000_000),
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
        candidates: What rankings have to choose from beside what is right somewhere: entities that no sentence
            mentions, sentences that answer no question.
    """

    seed: int = 0
    languages: int = 12
    train: int = 20_000
    validation: int = 200
    test: int = 500
    sentences: int = 20_000
    mixed: int = 20
    candidates: int = 0

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


def person(draw: Teller, role: float = 0.3, deed: str = "") -> Thing:
    """Draws a person who might do a deed: a name of one or two parts, or (with probability ``role``) 'the farmer'."""
    if draw.chance(role):
        return Thing(draw.usual("roles", deed), det="the")
    given = draw.usual("names", deed)
    names = (given,) if draw.chance(0.6) else (given, draw.usual("families", given))
    return Thing("", names, "PER")


def another(than: Thing | None, make: Callable[[], Thing]) -> Thing:
    """Draws persons until one shares no part of a name and no role with a given one, so that they are two."""
    assert than is not None
    while True:
        person = make()
        if not {person.head, *person.names} & {than.head, *than.names} - {""}:
            return person


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
    return clause._replace(patient=another(clause.agent, lambda: person(draw, role, clause.pred)))


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


OPPOSITE: Mapping[str, str] = {
    word: b for pair in v.ANTONYMS for a, b in (pair, pair[::-1]) for word in (a, v.SYNONYMS.get(a, a))
}
"""Quality (or its synonym) -> its opposite; colours have none."""


def exclusive(draw: Draw, quality: str) -> str:
    """Returns a quality that cannot hold together with the given one."""
    return OPPOSITE.get(quality) or draw.other(v.COLOURS, quality)


def emphasised(draw: Teller, clause: Clause, probability: float = 0.5) -> Clause:
    """Moves time, place or object to the front now and then, whatever the usual order of a language is.

    A person stays behind the verb: first, it would be who did the deed.
    """
    if clause.kind != "event" or not draw.chance(probability):
        return clause
    movable = [name for name in ("time", "place") if getattr(clause, name)]
    if clause.patient is not None and clause.patient.head in v.HYPERNYM:
        movable += ["patient", "patient"]
    return clause._replace(front=draw.pick(movable)) if movable else clause


def described(subject: Thing, quality: str, **more: object) -> Clause:
    """Returns 'subject is quality'."""
    return Clause("be", quality, subject, **more)  # type: ignore[arg-type]


def word(concept: str) -> Clause:
    """Returns a bare word, as an answer or a choice."""
    return Clause("phrase", concept)


def phrase(subject: Thing) -> Clause:
    """Returns a bare noun phrase, as an answer."""
    return Clause("phrase", "", subject)

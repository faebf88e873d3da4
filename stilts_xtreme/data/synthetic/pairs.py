"""Meanings of sentence pairs: inference.

A hypothesis is drawn first, without regard to the label, and the premise is made to fit: so a hypothesis alone tells
nothing. Each label comes with no, one or more words that the premise lacks, so that counting shared words tells little.
Conventions that make labels follow: the sentences of a premise tell of one occasion each, and the same deed by the same
person on the same thing happened once; so another time, place or quality of it is a contradiction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic import world as w
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.world import Clause, Thing

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)
Pair = tuple[tuple[Clause, ...], tuple[Clause, ...], int]
_Change = Callable[[Teller, Clause], Clause | None]


def with_patient(clause: Clause, **change: Any) -> Clause:
    """Changes what is said of the patient."""
    assert clause.patient is not None
    return clause._replace(patient=clause.patient._replace(**change))


def _add(draw: Teller, clause: Clause) -> Clause | None:
    """Adds a detail: a quality, a place or a time."""
    assert clause.patient is not None
    options = [
        name
        for name, free in (("adj", not clause.patient.adj), ("place", not clause.place), ("time", not clause.time))
        if free
    ]
    if not options:
        return None
    name = draw.pick(options)
    if name == "adj":
        return with_patient(clause, adj=w.quality(draw, clause.patient.head))
    change: dict[str, Any] = {
        name: w.place(draw, clause.patient.head) if name == "place" else draw.usual("times", clause.pred)
    }
    return clause._replace(**change)


def _add_two(draw: Teller, clause: Clause) -> Clause | None:
    """Adds two details."""
    more = _add(draw, clause)
    return _add(draw, more) if more else None


def _drop(draw: Teller, clause: Clause) -> Clause | None:
    """Takes a detail away."""
    assert clause.patient is not None
    options = [
        name for name, there in (("adj", clause.patient.adj), ("place", clause.place), ("time", clause.time)) if there
    ]
    if not options:
        return None
    name = draw.pick(options)
    if name == "adj":
        return with_patient(clause, adj="")
    change: dict[str, Any] = {name: None if name == "place" else ""}
    return clause._replace(**change)


def _lower(draw: Teller, clause: Clause) -> Clause | None:
    """Animal -> dog."""
    kinds = v.KINDS.get(clause.patient.head if clause.patient else "")
    return with_patient(clause, head=draw.pick(kinds)) if kinds else None


def _raise(draw: Teller, clause: Clause) -> Clause | None:
    """Dog -> animal."""
    group = v.HYPERNYM.get(clause.patient.head if clause.patient else "")
    return with_patient(clause, head=group) if group else None


def _same(draw: Teller, clause: Clause) -> Clause | None:
    """Puts a synonym for one word."""
    sites = synonym_sites(clause)
    return replace_synonyms(clause, [draw.pick(sites)]) if sites else None


def _exclude(draw: Teller, clause: Clause) -> Clause | None:
    """Puts another value for one detail that can have only one."""
    assert clause.patient is not None
    details = (clause.patient.adj, clause.place, clause.time, clause.patient.number)
    options = [name for name, there in zip(("adj", "place", "time", "number"), details, strict=True) if there]
    if not options:
        return None
    # Qualities first: opposites are what a dictionary knows, another time is only another word.
    name = "adj" if "adj" in options and draw.chance(0.6) else draw.pick(options)
    if name == "adj":
        return with_patient(clause, adj=w.exclusive(draw, clause.patient.adj))
    if name == "number":
        other = clause.patient.number
        while other == clause.patient.number:
            other = 2 + draw.below(28)
        return with_patient(clause, number=other)
    if name == "place":
        assert clause.place is not None
        return clause._replace(place=clause.place._replace(head=draw.other(v.PLACES, clause.place.head)))
    return clause._replace(time=draw.other(v.TIMES, clause.time))


def _elsewhere(draw: Teller, clause: Clause) -> Clause | None:
    """Another person, or another deed."""
    if draw.chance(0.5):
        return clause._replace(agent=w.another(clause.agent, lambda: w.person(draw, deed=clause.pred)))
    return clause._replace(pred=draw.other(v.GENERAL_VERBS, clause.pred, v.SAME.get(clause.pred)))


def _keep(draw: Teller, clause: Clause) -> Clause | None:
    return clause


# (weight, change, premise denied). For a denied hypothesis the monotone changes turn round: 'bought no animal' gives
# 'bought no dog', and 'bought no red dog' leaves 'bought no dog' open.
# Additions and omissions weigh most: which of them a label needs depends on both negations, so counting words does not
# tell it.
_RECIPES: dict[tuple[int, bool], tuple[tuple[int, _Change, bool], ...]] = {
    (ENTAILMENT, False): (
        (1, _keep, False),
        (5, _add, False),
        (5, _add_two, False),
        (2, _lower, False),
        (2, _same, False),
    ),
    (CONTRADICTION, False): ((3, _exclude, False), (1, _keep, True), (6, _drop, True), (1, _same, True)),
    (NEUTRAL, False): ((3, _drop, False), (1, _raise, False), (2, _elsewhere, False), (8, _add, True)),
    (ENTAILMENT, True): ((1, _keep, True), (6, _drop, True), (2, _raise, True), (1, _same, True), (1, _exclude, False)),
    (CONTRADICTION, True): (
        (1, _keep, False),
        (4, _add, False),
        (3, _add_two, False),
        (2, _lower, False),
        (2, _same, False),
    ),
    (NEUTRAL, True): (
        (4, _add, True),
        (2, _add_two, True),
        (1, _lower, True),
        (2, _elsewhere, True),
        (4, _drop, False),
    ),
}


def synonym_sites(clause: Clause) -> list[str]:
    """Returns the parts of a clause that have a synonym."""
    sites = ["pred"] if clause.pred in v.SAME else []
    if clause.patient is not None:
        sites += [name for name in ("head", "adj") if getattr(clause.patient, name) in v.SAME]
    return sites


def replace_synonyms(clause: Clause, sites: list[str]) -> Clause:
    """Puts synonyms at the given parts."""
    for site in sites:
        if site == "pred":
            clause = clause._replace(pred=v.SAME[clause.pred])
        else:
            clause = with_patient(clause, **{site: v.SAME[getattr(clause.patient, site)]})
    return clause


def _filler(draw: Teller, hypothesis: Clause, taken: str) -> Clause:
    """An unrelated sentence that repeats words of the hypothesis, whatever the label."""
    filler = w.event(draw)
    # A second ring would leave open which of them 'the ring is red' is about.
    while filler.patient and hypothesis.agent and filler.patient.head == hypothesis.agent.head:
        filler = w.event(draw)
    filler = varied(draw, filler)
    filler = filler._replace(pred=draw.other(v.GENERAL_VERBS, hypothesis.pred, v.SAME.get(hypothesis.pred), taken))
    if hypothesis.time and draw.chance(0.5):
        filler = filler._replace(time=hypothesis.time)
    if hypothesis.place and draw.chance(0.5):
        filler = filler._replace(place=hypothesis.place)
    quality = hypothesis.pred if hypothesis.kind == "be" else hypothesis.patient.adj if hypothesis.patient else ""
    if quality and draw.chance(0.5):
        filler = with_patient(filler, adj=quality)
    if hypothesis.kind == "event" and draw.chance(0.4):
        filler = filler._replace(agent=hypothesis.agent)
    return filler


def _hypothesis(draw: Teller) -> Clause:
    clause = w.event(draw, 0.45, number=0.25)._replace(negated=draw.chance(0.5), manner="")
    if draw.chance(0.3):
        clause = with_patient(clause, head=draw.pick(tuple(v.KINDS)))
    return varied(draw, clause)


def _described(draw: Teller, label: int) -> tuple[Clause, Clause]:
    """A premise sentence and the hypothesis 'the dog is (not) red'."""
    quality, negated = draw.pick(v.QUALITIES), draw.chance(0.5)
    premise = w.event(draw)
    seen = {ENTAILMENT: quality, CONTRADICTION: w.exclusive(draw, quality), NEUTRAL: ""}[label]
    if negated and label != NEUTRAL:
        seen = w.exclusive(draw, quality) if label == ENTAILMENT else quality
    premise = with_patient(premise, adj=seen, det="a")
    assert premise.patient is not None
    return premise, w.described(Thing(premise.patient.head, det="the"), quality, negated=negated)


def _compared(draw: Teller, label: int) -> tuple[Clause, Clause]:
    """'The horse is bigger than the dog' beside what says the same, the reverse, or something else of the two.

    Where there is a synonym it is put, so that the one word that differs can mean each of the three.
    """
    hypothesis = w.compared(draw)
    swap = draw.chance(0.5)
    if label != NEUTRAL:
        premise = w.restated(hypothesis, swap == (label == ENTAILMENT), swap)
        return premise._replace(pred=v.SAME.get(premise.pred, premise.pred)), hypothesis
    scale = draw.other(v.SCALES, hypothesis.pred, w.OPPOSITE[hypothesis.pred])
    other = scale if draw.chance(0.5) else w.OPPOSITE[scale]
    return w.restated(hypothesis._replace(pred=other), False, swap), hypothesis


def inference(draw: Teller, fillers: int, described: float, surface: float = 0.3) -> Pair:
    """Draws a premise, a hypothesis and their label.

    Args:
        draw: Source of choices.
        fillers: Unrelated sentences in the premise.
        described: Share of hypotheses of the form 'the dog is red' or 'the horse is bigger than the dog'.
        surface: Chance that the hypothesis puts its time or place first.

    Returns:
        Clauses of the premise, clauses of the hypothesis, label.
    """
    label = draw.below(3)
    if draw.chance(described):
        premise, hypothesis = (_compared if draw.chance(0.4) else _described)(draw, label)
    else:
        hypothesis = _hypothesis(draw)
        options = [
            (weight, changed._replace(negated=denied))
            for weight, change, denied in _RECIPES[label, hypothesis.negated]
            if (changed := change(draw, hypothesis)) is not None
        ]
        premise = draw.pick([clause for weight, clause in options for _ in range(weight)])
        if draw.chance(0.4) and not premise.negated and not premise.manner:
            premise = premise._replace(manner=draw.usual("manners", premise.pred))
    told = [premise]
    for _ in range(fillers):
        told.insert(draw.below(len(told) + 1), _filler(draw, hypothesis, premise.pred))
    return tuple(told), (fronted(draw, hypothesis, surface),), label


def fronted(draw: Teller, clause: Clause, probability: float) -> Clause:
    """Puts the time or the place first, at times."""
    options = [name for name in ("time", "place") if getattr(clause, name)]
    return clause._replace(front=draw.pick(options)) if options and draw.chance(probability) else clause


def varied(draw: Teller, clause: Clause) -> Clause:
    """Puts synonyms at random, so that both words of a pair are equally common."""
    return replace_synonyms(clause, [site for site in synonym_sites(clause) if draw.chance(0.5)])

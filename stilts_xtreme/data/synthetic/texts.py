"""Meanings of plain sentences: tagging rows, translation pairs, and the unlabelled corpus."""

from __future__ import annotations

from stilts_xtreme.data.synthetic import pairs, stories
from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic import world as w
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.world import Clause, Thing


def family(draw: Teller) -> Thing:
    """Draws a person by a bare family name, which is also the name of a town and a firm."""
    return Thing("", (draw.frequent("families"),), "PER")


def town(draw: Teller) -> Thing:
    """Draws a town; half of the names are also those of persons and firms."""
    stem = draw.pick(v.SHARED_STEMS if draw.chance(0.6) else v.TOWNS)
    return Thing("", (draw.pick(v.TOWN_WORDS), stem) if draw.chance(0.3) else (stem,), "LOC")


def firm(draw: Teller) -> Thing:
    """Draws an organisation; half of the names are also those of persons and towns."""
    stem = draw.pick(v.SHARED_STEMS if draw.chance(0.6) else v.FIRMS)
    return Thing("", (stem, draw.pick(v.ORG_WORDS)) if draw.chance(0.4) else (stem,), "ORG")


def named(draw: Teller, link: str = "") -> Clause:
    """Draws a clause about named persons, towns and firms; verb and adposition tell which is which."""
    someone = family(draw) if draw.chance(0.5) else w.person(draw, 0.15)
    where = town(draw) if draw.chance(0.6) else None
    form = draw.below(5)
    if form == 0:
        return w.single(draw)._replace(agent=someone, place=where, link=link)
    if form == 1:
        hired = Thing(draw.frequent("roles"), det="a")
        goods = hired if draw.chance(0.3) else w.thing(draw, 0.3, 0.3)
        verb = "hire" if goods is hired else draw.other(v.ORG_VERBS, "hire")
        return Clause("event", verb, firm(draw), goods, place=where, link=link)
    if form == 2:
        other = w.another(someone, lambda: family(draw) if draw.chance(0.5) else w.person(draw))
        return w.social(draw)._replace(agent=someone, patient=other, place=where, link=link)
    if form == 3:
        return Clause("at", "", someone, place=town(draw), link=link)
    seller = ("from", firm(draw)) if draw.chance(0.6) else None
    return Clause(
        "event", draw.pick(("buy", "bring", "steal")), someone, w.thing(draw), company=seller, place=where, link=link
    )


def plain(draw: Teller, link: str = "", names: bool = True) -> Clause:
    """Draws a clause with any argument structure."""
    role = 0.5 if names else 1.0
    form = draw.below(9)
    agent = w.person(draw, role)
    if form <= 2:
        clause = w.event(draw, 0.4, role, 0.25 if names else 0.0)
        if draw.chance(0.25) and clause.patient:
            owner = w.another(clause.agent, lambda: w.person(draw, role))
            clause = clause._replace(patient=clause.patient._replace(owner=owner))
    elif form == 3:
        recipient = w.another(agent, lambda: w.person(draw, role))
        clause = Clause("event", draw.pick(v.GIVE_VERBS), agent, w.thing(draw), recipient=recipient)
    elif form == 4:
        clause = w.single(draw, role, 0.0, v.OPTIONAL_VERBS)
        clause = clause._replace(
            patient=w.thing(draw) if draw.chance(0.5) else None, manner=draw.usual("manners", clause.pred)
        )
    elif form == 5:
        clause = w.single(draw, role)
        if draw.chance(0.4):
            other = w.another(clause.agent, lambda: w.person(draw, role))
            clause = clause._replace(company=(draw.pick(("with", "from")), other))
    elif form == 6:
        subject = w.thing(draw, 0.0)._replace(det=draw.pick(("the", "this", "every", "some")))
        clause = w.described(subject, w.quality(draw, subject.head))
    elif form == 7:
        clause = w.compared(draw)
    else:
        clause = draw.pick((w.described(agent, draw.pick(v.FEELINGS)), Clause("at", "", agent, place=w.place(draw))))
    if draw.chance(0.15) and not clause.manner:
        clause = clause._replace(negated=True)
    return w.emphasised(draw, clause)._replace(link=link)


def tagged(draw: Teller, questions: float = 0.12) -> tuple[Clause, ...]:
    """Draws a sentence of one or two clauses, sometimes a question, for tagging."""
    if draw.chance(questions):
        clause = w.event(draw, 0.6)
        asked = draw.pick([name for name in ("agent", "patient", "place", "time") if getattr(clause, name)])
        return (clause._replace(ask=asked),)
    first = plain(draw)
    if draw.chance(0.45):
        second = plain(draw, draw.pick(("and", "but", "because", "so")))
        if draw.chance(0.4) and second.agent and second.kind == "event":
            second = second._replace(agent=Thing("they"))
        return (first, second)
    return (first,)


def named_sentence(draw: Teller) -> tuple[Clause, ...]:
    """Draws a sentence of one or two clauses with names."""
    first = w.emphasised(draw, named(draw))
    return (first, named(draw, draw.pick(("and", "but")))) if draw.chance(0.4) else (first,)


def translated(draw: Teller) -> tuple[Clause, ...]:
    """Draws a sentence without names and digits, so that no word is the same in two languages."""
    first = plain(draw, names=False)
    return (first, plain(draw, draw.pick(("and", "because")), names=False)) if draw.chance(0.5) else (first,)


def _about(draw: Teller) -> tuple[Clause, ...]:
    """What is known of one kind, with the words in which it is asked for."""
    known = draw.known
    kind, other = draw.frequent("things"), draw.frequent("things")
    subject, every = Thing(kind, det="a"), Thing(kind, det="every")
    someone = Thing("person", det="a")
    group = v.HYPERNYM[kind]
    lines = [
        Clause("isa", "", every, Thing(group, det="a")),
        Clause("at", "", subject, place=Thing(known.place[kind], det="the")),
        w.described(every if draw.chance(0.5) else subject, known.quality[kind]),
        Clause("event", known.use[kind], someone, company=("with", subject)),
        w.described(subject, w.exclusive(draw, known.quality[kind]), negated=True),
    ]
    if other != kind:
        scale = draw.pick(v.SCALES)
        more = known.scale[scale][kind] > known.scale[scale][other]
        pole = scale if more else w.OPPOSITE[scale]
        comparison = Clause("compare", pole, every, Thing(other, det="a"))
        lines += [comparison, w.restated(comparison, True, True)]
    questions = stories.fact(draw, 2, kind)
    asked = (questions.question, questions.choices[questions.label]) if draw.chance(0.5) and questions.question else ()
    return (*draw.sample(lines, 3), *asked)


def _told(draw: Teller) -> tuple[Clause, ...]:
    """An event told again in other words: hypernym, synonym, quality, or as question and answer."""
    first = pairs.varied(draw, w.event(draw, 0.5))
    assert first.patient is not None
    assert first.agent is not None
    lines = [w.emphasised(draw, first)]
    again = first._replace(agent=Thing("they") if draw.chance(0.3) else first.agent, place=None, time="", manner="")
    lines.append(pairs.replace_synonyms(again, pairs.synonym_sites(again)))
    the = Thing(first.patient.head, det="the")
    if draw.chance(0.4):
        lines.append(again._replace(patient=Thing(v.HYPERNYM[first.patient.head], det="a")))
    if first.patient.adj:
        lines.append(w.described(the, first.patient.adj))
        lines.append(w.described(the, w.exclusive(draw, first.patient.adj), negated=True))
    if draw.chance(0.5):
        slot = draw.pick([name for name in ("agent", "place", "time") if getattr(first, name)])
        value = getattr(first, slot)
        lines += [first._replace(ask=slot, front=""), w.word(value) if slot == "time" else w.phrase(value)]
    return tuple(lines)


def _because(draw: Teller) -> tuple[Clause, ...]:
    before, after = draw.pick(v.RULES)
    agent, thing = w.person(draw, deed=before[2]), Thing(draw.frequent("things"), det="a")
    if draw.chance(0.5):
        lines = (stories.say(before, agent, thing), stories.say(after, agent, thing, "so"))
    else:
        lines = (stories.say(after, agent, thing), stories.say(before, agent, thing, "because"))
    return (w.emphasised(draw, w.event(draw)._replace(agent=agent)), *lines) if draw.chance(0.4) else lines


def _mutual(draw: Teller) -> tuple[Clause, ...]:
    """Two persons and a deed that is mutual (said again the other way round) or not."""
    if draw.chance(0.5):
        deed = w.social(draw, extras=1.0, verbs=v.MUTUAL_VERBS)._replace(time="")
        return (deed, deed._replace(agent=deed.patient, patient=deed.agent, front="place"))
    deed = w.social(draw)
    assert deed.agent is not None
    again = deed._replace(pred=v.SAME.get(deed.pred, deed.pred), place=None, time="")
    return (deed, again, deed._replace(ask="agent"), w.phrase(deed.agent))


def _between(draw: Teller) -> tuple[Clause, ...]:
    deed = draw.pick(tuple(v.SOCIAL))
    feeling, reaction, character = v.SOCIAL[deed]
    doer = w.person(draw, deed=deed)
    other = w.another(doer, lambda: w.person(draw, deed=deed))
    return (
        w.described(doer, character),
        Clause("event", deed, doer, other, place=w.place(draw, deed)),
        w.described(other, feeling),
        Clause("event", reaction, other, link="so"),
    )


def _steps(draw: Teller) -> tuple[Clause, ...]:
    group = draw.pick(tuple(v.SCRIPTS))
    agent, thing = w.person(draw), Thing(draw.pick(v.KINDS[group]), det="the")
    steps = v.SCRIPTS[group]
    return tuple(Clause("event", step, agent, thing, link="then" if i else "") for i, step in enumerate(steps))


def _news(draw: Teller) -> tuple[Clause, ...]:
    return (*named_sentence(draw), *named_sentence(draw), named(draw))


def _sentences(draw: Teller) -> tuple[Clause, ...]:
    return (*tagged(draw), *tagged(draw), *tagged(draw))


def document(draw: Teller) -> tuple[Clause, ...]:
    """Draws one document of the unlabelled corpus: a few sentences that have to do with each other.

    A fifth of the documents state what is known of a kind of thing.

    Args:
        draw: Source of choices.

    Returns:
        The clauses of the document.
    """
    kind = draw.unit()
    if kind < 0.2:
        return _about(draw)
    if kind < 0.45:
        return _told(draw)
    if kind < 0.55:
        return _because(draw)
    if kind < 0.62:
        return _between(draw)
    if kind < 0.72:
        return _steps(draw)
    if kind < 0.77:
        return _mutual(draw)
    return _news(draw) if kind < 0.88 else _sentences(draw)

"""Meanings of reading, choosing and tagging rows: question answering, multiple choice, tagging, retrieval."""

from __future__ import annotations

from typing import NamedTuple

from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic import world as w
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.world import Clause, Thing


class Reading(NamedTuple):
    """A context, a question and where the answer is: sentence and slot (-1 if there is none)."""

    context: tuple[Clause, ...]
    question: Clause
    sentence: int
    slot: str


class Choice(NamedTuple):
    """A context, a question (or None), the choices, and the position of the right one."""

    context: tuple[Clause, ...]
    question: Clause | None
    choices: tuple[Clause, ...]
    label: int


def _events(draw: Teller, count: int) -> list[Clause]:
    """Draws events that share no participant, so that each has its own agent, deed, thing, place and time.

    Time, place or thing often stand first, as in the unlabelled text: where every answer of a kind stands in one place
    of the sentence, an encoder learns the place, which another word order does not have.
    """
    found: list[Clause] = []
    taken: set[str] = set()
    while len(found) < count:
        clause = w.event(draw, 0.5, 0.35, 0.2)._replace(manner="")
        if draw.chance(0.15):
            other = Thing(draw.frequent("roles"), det="the")
            clause = clause._replace(pred=draw.pick(v.GIVE_VERBS), recipient=other)
        agent, patient = clause.agent, clause.patient
        assert agent is not None
        assert patient is not None
        words = [clause.pred, patient.head, clause.time, str(patient.number or ""), agent.head, *agent.names]
        words += [some.head for some in (clause.place, clause.recipient) if some]
        words = [word for word in words if word]
        if len(set(words)) < len(words) or taken & set(words):
            continue
        taken.update(words)
        found.append(w.emphasised(draw, clause))
    return found


def _askable(clause: Clause) -> list[str]:
    return ["agent", "patient", *(name for name in ("place", "time", "recipient") if getattr(clause, name))]


def _ask(draw: Teller, clause: Clause, slot: str) -> Clause:
    """Makes the question for a slot; it names the other participants, one of which often stands first."""
    asked = w.emphasised(draw, clause._replace(ask=slot, front=""), 0.7)
    if asked.front == slot:
        asked = asked._replace(front="")
    assert asked.patient is not None
    if slot == "patient":
        return asked
    # The question says 'the dogs' where the context says '12 red dogs'.
    return asked._replace(patient=asked.patient._replace(number=0, adj="", det="the"))


def reading(draw: Teller, low: int, high: int, unanswerable: float = 0.0) -> Reading:
    """Draws a context of ``low`` to ``high`` sentences with a question about one of them.

    Another sentence often shares the agent, the verb or the thing with the one that is asked about, and at least one
    other sentence has something in the asked slot, so that type alone does not give the answer.
    """
    while True:
        context = _events(draw, low + draw.below(high - low + 1))
        target = draw.below(len(context))
        slot = draw.pick(_askable(context[target]))
        # Whoever gets something can be mistaken for anyone else, so that slot has rivals in every sentence.
        others = [i for i in range(len(context)) if i != target]
        rivals = [i for i in others if slot == "recipient" or slot in _askable(context[i])]
        if rivals:
            break
    asked = context[target]
    question = _ask(draw, asked, slot)
    for i in rivals:
        # A rival shares only one thing with the target, never what the question needs to tell them apart.
        shared = draw.pick(("", "agent", "pred", "head"))
        if shared == "agent" and slot != "agent":
            context[i] = context[i]._replace(agent=asked.agent)
        elif shared == "pred" and not asked.recipient and not context[i].recipient:
            context[i] = context[i]._replace(pred=asked.pred)
        elif shared == "head" and slot != "patient":
            mine, theirs = context[i].patient, asked.patient
            if mine is not None and theirs is not None:
                context[i] = context[i]._replace(patient=mine._replace(head=theirs.head))
    if draw.chance(unanswerable):
        return Reading(tuple(context), _unanswerable(draw, context, target, question, slot), -1, "")
    return Reading(tuple(context), question, target, slot)


def _unanswerable(draw: Teller, context: list[Clause], target: int, question: Clause, slot: str) -> Clause:
    """Changes a participant of the question so that no sentence tells of it; the word comes from the context."""
    assert question.patient is not None
    # A sentence with the same verb could answer the changed question, so its words are not borrowed.
    others = [clause for i, clause in enumerate(context) if i != target and clause.pred != question.pred]
    agents = [clause.agent for clause in others if clause.agent != question.agent]
    heads = [
        clause.patient.head for clause in others if clause.patient and clause.patient.head != question.patient.head
    ]
    if slot == "patient" or (slot != "agent" and draw.chance(0.5)):
        if not agents:
            taken = {clause.agent.names[0] for clause in context if clause.agent and clause.agent.names}
            agents = [Thing("", (draw.other(v.GIVEN, *taken),), "PER")]
        return question._replace(agent=draw.pick(agents))
    known = {clause.patient.head for clause in context if clause.patient}
    head = draw.pick(heads) if heads and draw.chance(0.7) else draw.other(v.THINGS, *known)
    return question._replace(patient=question.patient._replace(head=head))


def _place_right(draw: Teller, right: Clause, wrong: list[Clause]) -> tuple[tuple[Clause, ...], int]:
    label = draw.below(len(wrong) + 1)
    return (*wrong[:label], right, *wrong[label:]), label


def script(draw: Teller) -> Choice:
    """Steps of doing something with a thing; the choices are what comes next."""
    group = draw.pick(tuple(v.SCRIPTS))
    steps, thing = v.SCRIPTS[group], Thing(draw.pick(v.KINDS[group]), det="the")
    agent = w.person(draw, deed=steps[0])
    told = 2 + draw.below(len(steps) - 2)
    clauses = [Clause("event", step, agent, thing, link="then" if i else "") for i, step in enumerate(steps)]
    where = w.place(draw, thing.head) if draw.chance(0.5) else None
    clauses[0] = clauses[0]._replace(place=where, time=draw.frequent("times"))
    # Two wrong choices are of the same script but out of turn, one is of another script. All are steps that are the
    # right choice elsewhere, so a choice alone tells little.
    wrong = [step for i, step in enumerate(steps) if i >= 2 and i != told]
    others = [step for other in v.SCRIPTS.values() for step in other[2:] if step not in steps]
    wrong.append(draw.pick(tuple(dict.fromkeys(others))))
    choices, label = _place_right(
        draw, clauses[told], [clauses[told]._replace(pred=step) for step in draw.sample(wrong, len(wrong))]
    )
    return Choice(tuple(clauses[:told]), None, choices, label)


def say(side: tuple[str, str, str], agent: Thing, thing: Thing, link: str = "") -> Clause:
    """Turns one side of a rule into a clause."""
    slot, kind, concept = side
    if kind == "be":
        return w.described(agent if slot == "X" else thing._replace(det="the", adj=""), concept, link=link)
    if kind == "act":
        return Clause("event", concept, agent, thing, link=link)
    return Clause("event", concept, agent, link=link)


_DEEDS = {concept for rule in v.RULES for _, _, concept in rule}
"""What has a cause or an effect."""


def cause(draw: Teller, options: int, why: bool = False) -> Choice:
    """A statement, and its cause or effect among ``options`` choices.

    With ``why`` the question is 'why did X do this', 'what does X do next' or 'how is X' instead of naming cause and
    result, and another event comes first.
    """
    position = draw.below(len(v.RULES))
    forward = draw.chance(0.5)
    # Not someone who usually does this: the choices name the person, and would tell the deed by it.
    agent, thing = w.person(draw), Thing(draw.frequent("things"), det="a")
    given, right = v.RULES[position] if forward else v.RULES[position][::-1]
    # Wrong choices are statements of the same kind about the same one, so only the rule tells them from the right one.
    pool = sorted({rule[forward] for rule in v.RULES if rule[forward][:2] == right[:2]} - _fitting(given, forward))
    pool = [side for side in pool if side[2] != given[2]]
    sides = draw.sample(pool, options - 1)
    premise = say(given, agent, thing)
    if draw.chance(0.7) and premise.kind == "event":
        premise = premise._replace(place=w.place(draw, premise.pred))
    if draw.chance(0.5) and premise.kind == "event":
        premise = premise._replace(time=draw.usual("times", premise.pred))
    choices, label = _place_right(draw, say(right, agent, thing), [say(side, agent, thing) for side in sides])
    if not why:
        noun = Thing("result" if forward else "cause", det="the")
        return Choice((premise,), Clause("isa", "", noun, ask="pred"), choices, label)
    if not forward:
        question = premise._replace(ask="why", place=None, time="")
    elif right[1] == "be":
        question = Clause("be", "", choices[label].agent, ask="how")
    else:
        question = Clause("event", "do", agent, manner="next", ask="patient")
    # What comes first must have no effect of its own, or two choices could be right.
    before = w.event(draw)._replace(agent=agent)
    while before.pred in _DEEDS:
        before = w.event(draw)._replace(agent=agent)
    return Choice((before, premise), question, choices, label)


def _fitting(given: tuple[str, str, str], forward: bool) -> set[tuple[str, str, str]]:
    return {rule[forward] for rule in v.RULES if rule[not forward] == given}


def fact(draw: Teller, options: int = 5, kind: str = "") -> Choice:
    """A question about a kind of thing (any, if none is given) that only knowledge of the world answers."""
    kind, known = kind or draw.frequent("things"), draw.known
    subject = Thing(kind, det="a")
    relation = draw.below(4)
    if relation == 0:
        question, right, pool = Clause("isa", "", subject, ask="pred"), v.HYPERNYM[kind], tuple(v.KINDS)
    elif relation == 1:
        question, right, pool = Clause("at", "", subject, ask="place"), known.place[kind], v.PLACES
    elif relation == 2:
        question, right, pool = Clause("be", "", subject, ask="how"), known.quality[kind], v.QUALITIES
    else:
        someone = Thing("person", det="a")
        question = Clause("event", "do", someone, company=("with", subject), ask="patient")
        right, pool = known.use[kind], (*v.OPTIONAL_VERBS, *v.SINGLE_VERBS[:8])
    wrong = draw.sample([concept for concept in pool if concept != right], options - 1)
    choices, label = _place_right(draw, w.word(right), [w.word(concept) for concept in wrong])
    return Choice((), question, choices, label)


def social(draw: Teller) -> Choice:
    """What one person did to another, and how they feel, what follows, or why."""
    deed = draw.pick(tuple(v.SOCIAL))
    feeling, reaction, character = v.SOCIAL[deed]
    # Not two persons who usually do this: the choices name them, and would tell the deed by them.
    doer = w.person(draw)
    other = w.another(doer, lambda: w.person(draw))
    context = w.social(draw, extras=1.0, verbs=(deed,))._replace(agent=doer, patient=other)
    asked = draw.below(3)
    if asked == 0:
        question: Clause = Clause("be", "", other, ask="how")
        right, column = w.described(other, feeling), 0
    elif asked == 1:
        question = Clause("event", "do", other, manner="next", ask="patient")
        right, column = Clause("event", reaction, other), 1
    else:
        question = context._replace(ask="why", place=None, time="")
        right, column = w.described(doer, character), 2
    # Wrong answers are as frequent as the same words are as right ones: drawn by deed, not from the list of words.
    wrong_words: list[str] = []
    while len(wrong_words) < 2:
        concept = v.SOCIAL[draw.pick(tuple(v.SOCIAL))][column]
        if concept not in (v.SOCIAL[deed][column], *wrong_words):
            wrong_words.append(concept)
    wrong = [right._replace(pred=concept) for concept in wrong_words]
    choices, label = _place_right(draw, right, wrong)
    return Choice((context,), question, choices, label)

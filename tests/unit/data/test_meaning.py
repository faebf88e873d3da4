"""The meaning of synthetic rows: each label and each right answer is derived again from the meanings, by other code."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest

from stilts_xtreme.data.synthetic import World, corpus, stories, texts
from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic import world as w
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.languages import lexicon
from stilts_xtreme.data.synthetic.tasks import DATASETS
from stilts_xtreme.data.synthetic.world import Clause, Thing

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)
TURNED = {ENTAILMENT: CONTRADICTION, NEUTRAL: NEUTRAL, CONTRADICTION: ENTAILMENT}
PLAIN = {second: first for first, second in v.SYNONYMS.items()}
AGAINST = {a: b for pair in v.ANTONYMS for a, b in (pair, pair[::-1])}
DETAILS = ("adj", "number", "place", "time")


def plain(word: str) -> str:
    """The first of two synonyms."""
    return PLAIN.get(word, word)


def exclude(one: str, two: str) -> bool:
    one, two = plain(one), plain(two)
    return AGAINST.get(one) == two or (one != two and {one, two} <= set(v.COLOURS))


def under(one: str, two: str) -> bool:
    return one == two or v.HYPERNYM.get(one) == two


def facts(clause: Clause) -> dict[str, Any]:
    assert clause.patient is not None
    return {
        "deed": (plain(clause.pred), clause.agent),
        "head": plain(clause.patient.head),
        "adj": plain(clause.patient.adj),
        "number": clause.patient.number,
        "place": clause.place.head if clause.place else "",
        "time": clause.time,
    }


def implies(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether an event that is like ``one`` is also like ``two``."""
    return under(one["head"], two["head"]) and all(not two[name] or one[name] == two[name] for name in DETAILS)


def excludes(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether the same deed cannot be like both."""
    if not under(one["head"], two["head"]) and not under(two["head"], one["head"]):
        return False
    others = any(one[name] and two[name] and one[name] != two[name] for name in DETAILS[1:])
    return others or exclude(one["adj"], two["adj"])


def ranking(clause: Clause) -> tuple[str, str, str]:
    """Scale, the thing that has more of it, the thing that has less."""
    assert clause.agent is not None
    assert clause.patient is not None
    more, less = clause.agent.head, clause.patient.head
    pole = plain(clause.pred)
    return (pole, more, less) if pole in v.SCALES else (AGAINST[pole], less, more)


def verdict(premise: Clause, hypothesis: Clause) -> int:
    """What one sentence of a premise says of a hypothesis."""
    if "compare" in (premise.kind, hypothesis.kind):
        if premise.kind != hypothesis.kind:
            return NEUTRAL
        (scale, *order), (asked, *wanted) = ranking(premise), ranking(hypothesis)
        if scale != asked or set(order) != set(wanted):
            return NEUTRAL
        return ENTAILMENT if order == wanted else CONTRADICTION
    if hypothesis.kind == "be":
        assert premise.patient is not None
        assert hypothesis.agent is not None
        seen = premise.patient
        if plain(seen.head) != plain(hypothesis.agent.head) or not seen.adj:
            return NEUTRAL
        same, against = plain(seen.adj) == plain(hypothesis.pred), exclude(seen.adj, hypothesis.pred)
        found = ENTAILMENT if same else CONTRADICTION if against else NEUTRAL
        return TURNED[found] if hypothesis.negated else found
    one, two = facts(premise), facts(hypothesis)
    if one["deed"] != two["deed"]:
        return NEUTRAL
    if premise.negated:
        if not implies(two, one):
            return NEUTRAL
        return ENTAILMENT if hypothesis.negated else CONTRADICTION
    found = ENTAILMENT if implies(one, two) else CONTRADICTION if excludes(one, two) else NEUTRAL
    return TURNED[found] if hypothesis.negated else found


@pytest.mark.parametrize("dataset", ["mnli", "snli", "anli"])
def test_labels_of_inference_follow_from_the_meanings(dataset: str) -> None:
    draw, numbers, comparisons = Teller(3, dataset), 0, Counter()
    for _ in range(4000):
        premise, (hypothesis,), label = DATASETS[dataset].draw(draw)
        found = [verdict(clause, hypothesis) for clause in premise]
        assert set(found) - {NEUTRAL} == {label} - {NEUTRAL}, (premise, hypothesis)
        for clause in premise:
            if clause.kind == hypothesis.kind == "compare":
                same_pole = plain(clause.pred) == plain(hypothesis.pred)
                comparisons[label, same_pole, clause.agent == hypothesis.agent] += 1
            elif hypothesis.patient and clause.patient and facts(clause)["deed"] == facts(hypothesis)["deed"]:
                counts = {clause.patient.number, hypothesis.patient.number}
                if len(counts) == 2 and 0 not in counts and not clause.negated:
                    numbers += 1
                    assert label == (ENTAILMENT if hypothesis.negated else CONTRADICTION)
    # Not only the label is right: each way of saying the same, the reverse and something else occurs.
    assert numbers > 20
    for label in (ENTAILMENT, CONTRADICTION):
        ways = [(True, label == ENTAILMENT), (False, label == CONTRADICTION)]
        assert min(comparisons[label, *way] for way in ways) > 10
        assert {tuple(way) for kind, *way in comparisons if kind == label} == set(ways)
    assert comparisons[NEUTRAL, False, True] > 10 < comparisons[NEUTRAL, False, False]


def same_sense(one: Clause, two: Clause) -> bool:
    def sense(clause: Clause) -> Clause:
        patient = clause.patient
        assert patient is not None
        patient = patient._replace(head=plain(patient.head), adj=plain(patient.adj))
        clause = clause._replace(pred=plain(clause.pred), patient=patient, front="")
        if clause.pred in v.MUTUAL_VERBS:
            first, second = sorted((clause.agent, patient), key=str)
            clause = clause._replace(agent=first, patient=second)
        return clause

    return sense(one) == sense(two)


@pytest.mark.parametrize("dataset", ["qqp", "paws_x"])
def test_labels_of_paraphrase_follow_from_the_meanings(dataset: str) -> None:
    draw = Teller(3, dataset)
    for _ in range(3000):
        (one,), (two,), label = DATASETS[dataset].draw(draw)
        assert same_sense(one, two) == bool(label), (one, two)
        assert one.ask == two.ask


def test_questions_differ_in_who_does_what_to_whom_too() -> None:
    draw, swapped = Teller(3, "qqp"), Counter[int]()
    for _ in range(3000):
        (one,), (two,), label = DATASETS["qqp"].draw(draw)
        assert bool(one.ask)
        if {one.pred, v.SAME.get(one.pred)} & set(v.PERSON_VERBS):
            assert (one.agent, one.patient) == ((two.agent, two.patient) if label else (two.patient, two.agent))
            assert one.pred == two.pred not in v.MUTUAL_VERBS
            swapped[label] += 1
    assert swapped[0] == pytest.approx(swapped[1], abs=1)
    assert 400 < swapped.total() < 700


def answers(clause: Clause, question: Clause) -> bool:
    """Whether a sentence tells all that a question takes for granted."""
    asked, told = question.patient, clause.patient
    assert asked is not None
    assert told is not None
    return (
        clause.pred == question.pred
        and (question.ask == "agent" or clause.agent == question.agent)
        and (question.ask == "patient" or told.head == asked.head)
        and (question.ask == "place" or not question.place or clause.place == question.place)
        and (question.ask == "time" or not question.time or clause.time == question.time)
        and (question.ask == "recipient" or not question.recipient or clause.recipient == question.recipient)
    )


def test_a_question_has_one_answer_or_none() -> None:
    draw, empty = Teller(3, "reading"), 0
    for _ in range(3000):
        context, question, sentence, slot = stories.reading(draw, 4, 6, 1 / 3)
        found = [i for i, clause in enumerate(context) if answers(clause, question)]
        assert found == ([] if sentence < 0 else [sentence]), (context, question)
        assert sentence < 0 or slot == question.ask
        empty += sentence < 0
    assert 800 < empty < 1200


def effects(clause: Clause, side: int) -> set[tuple[str, str]]:
    """What follows from a clause by the rules, or (side 1) what it may follow from: whose, and what."""
    return {rule[1 - side][::2] for rule in v.RULES if rule[side][2] == clause.pred}


@pytest.mark.parametrize("dataset", ["cosmos_qa", "copa", "xcopa"])
def test_one_choice_alone_is_cause_or_effect_of_what_is_told(dataset: str) -> None:
    draw = Teller(3, dataset)
    for _ in range(1500):
        context, question, choices, label = DATASETS[dataset].draw(draw)
        assert question is not None
        causes = question.ask == "why" or (question.agent is not None and question.agent.head == "cause")
        # 'Why' is asked of one sentence; what follows may follow from any.
        told = context[-1:] if causes else context
        possible = {concept for clause in told for _, concept in effects(clause, int(causes))}
        assert [choice.pred in possible for choice in choices] == [i == label for i in range(len(choices))]
        if question.ask == "how":
            assert question.agent == choices[label].agent
        elif question.ask == "patient":
            assert choices[label].kind == "event", "'what does X do next' asks for a deed"


def test_one_choice_alone_follows_a_deed_and_the_two_persons_are_two() -> None:
    draw = Teller(3, "siqa")
    for _ in range(1000):
        (deed,), question, choices, label = stories.social(draw)
        assert question is not None
        column = {"how": 0, "patient": 1, "why": 2}[question.ask]
        right = [choice.pred == v.SOCIAL[deed.pred][column] for choice in choices]
        assert right == [i == label for i in range(3)]
        assert not parts(deed.agent) & parts(deed.patient)


def test_one_choice_alone_is_the_next_step_or_the_fact() -> None:
    draw = Teller(3, "choices")
    known = draw.known
    for _ in range(1000):
        steps, _, choices, label = stories.script(draw)
        assert steps[0].patient is not None
        order = v.SCRIPTS[v.HYPERNYM[steps[0].patient.head]]
        assert [choice.pred == order[len(steps)] for choice in choices] == [i == label for i in range(4)]
        _, question, choices, label = stories.fact(draw)
        assert question is not None
        kind = question.company[1].head if question.company else question.agent.head if question.agent else ""
        facts_of = {"pred": v.HYPERNYM, "place": known.place, "how": known.quality, "patient": known.use}
        fact = facts_of[question.ask][kind]
        assert [choice.pred == fact for choice in choices] == [i == label for i in range(5)]


def parts(person: Thing | None) -> set[str]:
    return {person.head, *person.names} - {""} if person else set()


def test_who_does_something_to_another_is_not_the_other() -> None:
    draw = Teller(3, "persons")
    for _ in range(1500):
        told = [texts.translated(draw), texts.named_sentence(draw), texts.tagged(draw), texts.document(draw)]
        for clause in itertools.chain(*told):
            others = [clause.recipient]
            if clause.company and clause.company[1].ner != "ORG":
                others.append(clause.company[1])
            if clause.patient is not None:
                others += [clause.patient, clause.patient.owner]
            assert not any(parts(clause.agent) & parts(other) for other in others), clause


def test_habits_tell_a_kind_from_its_deeds() -> None:
    draw = Teller(3, "habits")
    deeds: dict[str, Counter[str]] = {}
    for _ in range(30_000):
        clause = w.event(draw)
        assert clause.patient is not None
        deeds.setdefault(clause.patient.head, Counter())[clause.pred] += 1
    often = {kind: found for kind, found in deeds.items() if found.total() >= 200}
    assert len(often) > 30
    for kind, found in often.items():
        usual = draw.known.habits["deeds"][kind]
        # By chance 5 of 40 deeds would make an eighth.
        assert sum(found[deed] for deed in usual) / found.total() > 0.75, kind
        assert found[usual[0]] > found[usual[-1]]
    # Another kind of the same hypernym is more alike than one of another: half of the group's deeds are its own.
    habits = {kind: set(draw.known.habits["deeds"][kind]) for kind in v.THINGS}
    shared: dict[bool, list[int]] = {True: [], False: []}
    for i, one in enumerate(v.THINGS):
        for two in v.THINGS[i + 1 :]:
            shared[v.HYPERNYM[one] == v.HYPERNYM[two]].append(len(habits[one] & habits[two]))
    assert np.mean(shared[True]) > 2 * np.mean(shared[False])


@pytest.mark.parametrize("code", ["qaa", "qac"])
def test_habits_show_in_the_text(code: str) -> None:
    words, known = lexicon(0, code).words, Teller(0).known
    told = [set(text.rstrip(".।").split()) for text in corpus(World(), code)]
    alone, together = Counter(), Counter()
    # Objects of qac end in a case; a look-alike of a noun and a verb would count for both.
    case = lexicon(0, code).object_case
    alike = {words[verb] for verb in v.GENERAL_VERBS} & {words[thing] for thing in v.THINGS}
    kinds = [kind for kind in known.ranked["things"] if words[kind] not in alike][:20]
    forms = {kind: {words[kind], words[kind] + case} for kind in kinds}
    verbs = [v.SYNONYMS[verb] for verb in v.GENERAL_VERBS if verb in v.SYNONYMS]  # the synonyms look like no noun
    for text in told:
        here = [kind for kind in kinds if forms[kind] & text]
        done = [verb for verb in verbs if words[verb] in text]
        alone.update([*here, *done])
        together.update((kind, verb) for kind in here for verb in done)
    lift: dict[bool, list[float]] = {True: [], False: []}
    for kind in kinds:
        for verb in verbs:
            expected = (alone[kind] * alone[verb] or 1) / len(told)
            lift[v.SAME[verb] in known.habits["deeds"][kind]].append(together[kind, verb] / expected)
    assert np.mean(lift[True]) > 4 * np.mean(lift[False])


@pytest.mark.parametrize("name", ["things", "roles", "deeds"])
def test_frequencies_fall_as_stated(name: str) -> None:
    draw, n = Teller(3, "frequent", name), 20_000
    ranked = draw.known.ranked[name]
    found = Counter(draw.frequent(name) for _ in range(n))
    assert set(found) <= set(ranked)
    rank = np.arange(len(ranked))
    expected = n * np.log((rank + 2) / (rank + 1)) / np.log(len(ranked) + 1)
    assert expected.sum() == pytest.approx(n)
    chi_square = sum((found[word] - mean) ** 2 / mean for word, mean in zip(ranked, expected, strict=True))
    freedom = len(ranked) - 1
    # Six standard deviations of the chi-square distribution, for a draw that never changes.
    assert chi_square < freedom + 6 * np.sqrt(2 * freedom)


def test_there_are_five_hundred_words_and_each_is_one_thing() -> None:
    assert len(v.WORDS) == len(set(v.WORDS)) >= 500
    assert not set(v.WORDS) & set(v.NAMES)
    assert set(v.UPOS) >= {*v.WORDS, *v.NAMES}
    assert len(v.SAME) == 2 * len(v.SYNONYMS), "no word has two synonyms"


def test_opposites_of_synonyms_are_opposites() -> None:
    draw = Teller(3, "opposites")
    for pair in v.ANTONYMS:
        for one, two in (pair, pair[::-1]):
            assert {w.exclusive(draw, word) for word in (one, v.SYNONYMS.get(one, one))} == {two}
    assert all(exclude(colour, w.exclusive(draw, colour)) for colour in v.COLOURS)

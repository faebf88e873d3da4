"""From clauses to words and text: word order, affixes, tags, and where each word starts in the text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from stilts_xtreme.data.synthetic.draws import Draw
from stilts_xtreme.data.synthetic.languages import BY_CODE, INVENTORY, Language, Lexicon, lexicon
from stilts_xtreme.data.synthetic.vocabulary import UPOS
from stilts_xtreme.data.synthetic.world import Clause, Thing

# Slots from left to right; R, M, X, P, T: to whom, how, with what, where, when. The object slot holds complements too.
_ORDERS = {"SVO": "SNVORMXPT", "SOV": "STPXROMVN", "VSO": "NVSORMXPT"}
_SLOT = {"agent": "S", "patient": "O", "recipient": "R", "place": "P", "time": "T", "pred": "O", "manner": "M"}
_WH = {"place": "where", "time": "when", "agent": "who", "patient": "what", "recipient": "who", "pred": "what"}

_ADVERB, _FRONTED = r"(S\NP)\(S\NP)", "S/S"
SUPERTAGS = (
    *(".", "N", "N/N", "NP", "NP/N", "NP/NP", r"S[adj]\NP", r"(S\NP)/(S[adj]\NP)", r"(S\NP)/NP", r"(S\NP)/PP"),
    *(r"(S\NP)/(S\NP)", r"S\NP", r"((S\NP)/PP)/NP", _ADVERB, _FRONTED, r"((S\NP)\(S\NP))/NP", "(S/S)/NP"),
    *(r"(NP\NP)/NP", "PP/NP", "conj", r"(S\S)/S", r"(S[adj]\NP)/PP"),
)
"""The supertags of the source language, in the style of categorial grammar."""


class Token(NamedTuple):
    """One word: form, part of speech, name tag (IOB2), supertag, and the slot it fills."""

    form: str
    upos: str
    ner: str = "O"
    supertag: str = ""
    slot: str = ""

    @property
    def relation(self) -> str:
        """Part of speech and what stands for a dependency relation: the slot, where the word fills one."""
        return f"{self.upos}:{self.slot or 'dep'}"


class Grammar:
    """Says clauses in one language of one world."""

    def __init__(self, language: Language, words: Lexicon) -> None:
        self.language = language
        self._lexicon = words
        self._words = words.words

    def _word(self, concept: str, supertag: str = "", slot: str = "") -> Token:
        return Token(self._words[concept], UPOS[concept], "O", supertag, slot)

    def _noun(self, head: str, plural: bool, case: str) -> str:
        form = self._words[head]
        if plural and self.language.plural == "prefix":
            form = self._lexicon.plural + form
        elif plural and self.language.plural:
            form += self._lexicon.plural
        return form + case

    def noun_phrase(self, thing: Thing, slot: str = "", is_object: bool = False) -> list[Token]:
        """Returns the words of a noun phrase; objects carry the case suffix of languages that have one."""
        language, case = self.language, self._lexicon.object_case if is_object else ""
        if thing.names:
            return self._name(thing, slot, case)
        if thing.head == "they":
            return [Token(self._words["they"] + case, "PRON", "O", "NP", slot)]
        noun_tag = "N"
        before: list[Token] = []
        if thing.number:
            tag = "NP/N" if not thing.det else "N/N"
            before.append(Token(str(thing.number), "NUM", "O", tag, "number"))
        elif thing.det and (language.articles or thing.det not in ("the", "a")):
            before.append(self._word(thing.det, "NP/N"))  # no part of an answer: a determiner is shared by many
        elif not thing.adj:
            noun_tag = "NP"
        noun = Token(self._noun(thing.head, thing.number > 1, case), "NOUN", "O", noun_tag, slot)
        middle = [noun]
        if thing.adj:
            adjective = self._word(thing.adj, "N/N", slot)
            middle = [adjective, noun] if language.adjective_first else [noun, adjective]
        if thing.owner is None:
            return before + middle
        owner = self.noun_phrase(thing.owner, slot)
        of = self._word("of", r"(NP\NP)/NP", slot)
        return [*owner, of, *before, *middle] if language.postpositions else [*before, *middle, of, *owner]

    def _name(self, thing: Thing, slot: str, case: str) -> list[Token]:
        last = len(thing.names) - 1
        return [
            Token(
                self._words[part] + (case if position == last else ""),
                "PROPN",
                ("I-" if position else "B-") + thing.ner,
                "NP" if position == last else "NP/NP",
                slot,
            )
            for position, part in enumerate(thing.names)
        ]

    def _adposition(self, concept: str, thing: Thing, slot: str, supertag: str) -> list[Token]:
        phrase, marker = self.noun_phrase(thing, slot), self._word(concept, supertag)
        return [*phrase, marker] if self.language.postpositions else [marker, *phrase]

    def _slots(self, clause: Clause) -> dict[str, list[Token]]:
        slots: dict[str, list[Token]] = {}
        fronted = clause.front
        if clause.agent is not None:
            slots["S"] = self.noun_phrase(clause.agent, "agent")
        if clause.kind == "event":
            if clause.patient is not None:
                slots["O"] = self.noun_phrase(clause.patient, "patient", is_object=True)
            tag = r"((S\NP)/PP)/NP" if clause.recipient else r"(S\NP)/NP" if clause.patient else r"S\NP"
            slots["V"] = [self._word(clause.pred, tag, "verb")]
            if clause.place is not None:
                tag = "(S/S)/NP" if fronted == "place" else r"((S\NP)\(S\NP))/NP"
                slots["P"] = self._adposition("in", clause.place, "place", tag)
        else:
            adjectival = r"(S\NP)/(S[adj]\NP)"
            tag = {"be": adjectival, "compare": adjectival, "isa": r"(S\NP)/NP", "at": r"(S\NP)/PP"}[clause.kind]
            if self.language.copula:
                slots["V"] = [self._word("be", tag, "verb")]
            if clause.kind == "be" and clause.pred:
                slots["O"] = [self._word(clause.pred, r"S[adj]\NP", "pred")]
            elif clause.kind == "compare" and clause.patient is not None:
                quality = self._word(clause.pred, r"(S[adj]\NP)/PP", "pred")
                standard = self._adposition("than", clause.patient, "patient", "PP/NP")
                slots["O"] = [*standard, quality] if self.language.postpositions else [quality, *standard]
            elif clause.kind == "isa" and clause.patient is not None:
                slots["O"] = self.noun_phrase(clause.patient, "pred")
            elif clause.kind == "at" and clause.place is not None:
                slots["O"] = self._adposition("in", clause.place, "place", "PP/NP")
        if clause.recipient is not None:
            slots["R"] = self._adposition("to", clause.recipient, "recipient", "PP/NP")
        if clause.company is not None:
            slots["X"] = self._adposition(*clause.company, "company", r"((S\NP)\(S\NP))/NP")
        if clause.time:
            slots["T"] = [self._word(clause.time, _FRONTED if fronted == "time" else _ADVERB, "time")]
        if clause.manner:
            slots["M"] = [self._word(clause.manner, _ADVERB, "manner")]
        if clause.negated:
            slots["N"] = [self._word("not", r"(S\NP)/(S\NP)")]
        return slots

    def _question(self, clause: Clause, slots: dict[str, list[Token]]) -> str:
        """Puts the question word into its slot; returns the slot that moves to the front, or nothing."""
        ask = clause.ask
        if ask in ("why", "how"):
            slot = "M" if ask == "why" else "O"
            slots[slot] = [self._word(ask)]
        else:
            slot = "O" if clause.kind == "at" and ask == "place" else _SLOT[ask]
            # Who or what: an agent is always a person here, what is asked of 'isa' and of objects is not.
            slots[slot] = [self._word("who" if ask == "person" else _WH[ask])]
            if ask == "recipient":
                marker = self._word("to")
                slots[slot] = [*slots[slot], marker] if self.language.postpositions else [marker, *slots[slot]]
        return slot if self.language.question_first else ""

    def words(self, clause: Clause) -> list[Token]:
        """Returns the words of one clause, without what ends a sentence."""
        if clause.kind == "phrase":
            return self.noun_phrase(clause.agent) if clause.agent is not None else [self._word(clause.pred)]
        slots = self._slots(clause)
        first = {"time": "T", "place": "P", "patient": "O"}.get(clause.front, "")
        if clause.ask:
            first += self._question(clause, slots)  # 'in the park, when did ...'
        order = first + "".join(slot for slot in _ORDERS[self.language.order] if slot not in first)
        tokens: list[Token] = []
        if clause.link:
            tag = {"because": r"(S\S)/S", "so": r"(S\S)/S", "then": _FRONTED}.get(clause.link, "conj")
            tokens.append(self._word(clause.link, tag))
        for slot in order:
            tokens += slots.get(slot, ())
        if clause.ask and self.language.question_particle:
            tokens.append(self._word("q"))
        return tokens

    def sentences(self, clauses: Sequence[Clause]) -> list[list[Token]]:
        """Returns one list of words per sentence; a clause whose link is not 'then' goes on with the one before."""
        found: list[list[Token]] = []
        endings: list[str] = []
        for clause in clauses:
            joined = found and clause.link and clause.link != "then"
            if joined:
                found[-1] += self.words(clause)
            else:
                found.append(self.words(clause))
                ending = "" if clause.kind == "phrase" else self.language.mark if clause.ask else self.language.stop
                endings.append(ending)
        for sentence, ending in zip(found, endings, strict=True):
            if ending:
                sentence.append(Token(ending, "PUNCT", "O", "."))
        return found

    def layout(self, sentences: Sequence[Sequence[Token]]) -> tuple[str, list[list[int]]]:
        """Writes sentences as text.

        Args:
            sentences: Words of each sentence.

        Returns:
            The text, and for each sentence the character where each word starts.
        """
        text = ""
        starts: list[list[int]] = []
        for sentence in sentences:
            starts.append([])
            # Without a full stop (as in Thai) a space is the only thing that parts sentences.
            gap = " " if text and (self.language.spaces or not self.language.stop) else ""
            for token in sentence:
                if token.upos != "PUNCT":
                    text += gap
                starts[-1].append(len(text))
                text += token.form
                gap = " " if self.language.spaces else ""
        return text, starts

    def text(self, clauses: Sequence[Clause]) -> str:
        """Returns clauses as text."""
        return self.layout(self.sentences(clauses))[0]


@lru_cache(maxsize=64)
def grammar(seed: int, code: str) -> Grammar:
    """Returns the grammar of a language in the world of a seed."""
    return Grammar(BY_CODE[code], lexicon(seed, code))


@lru_cache(maxsize=512)
def mixed(seed: int, code: str, speaker: int) -> Grammar:
    """Returns a grammar of a language with four in ten words of the source language, other ones for each speaker."""
    own, source = lexicon(seed, code), lexicon(seed, INVENTORY[0].code)
    draw = Draw(seed, "mixed", code, speaker)
    words = {concept: source.words[concept] if draw.chance(0.4) else form for concept, form in own.words.items()}
    return Grammar(BY_CODE[code], Lexicon(words, own.plural, own.object_case))

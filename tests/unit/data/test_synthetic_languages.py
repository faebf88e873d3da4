"""The synthetic languages: scripts, shared names, and what their unlabelled text holds."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter

import numpy as np
import pytest
from support.synthetic import MULTILINGUAL, SMALL

from stilts_xtreme.data.synthetic import LANGUAGES, World, corpus, labels, rows, size, splits
from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic.grammar import grammar
from stilts_xtreme.data.synthetic.knowledge import knowledge
from stilts_xtreme.data.synthetic.languages import INVENTORY, Language, conversions, lexicon
from stilts_xtreme.data.synthetic.tasks import _meanings as meanings
from stilts_xtreme.data.synthetic.world import Clause, Thing


def test_words_of_two_kinds_are_the_same_in_every_language() -> None:
    world = World(languages=len(LANGUAGES), train=20, validation=20, test=600)
    noun, verb = labels("udpos").index("NOUN"), labels("udpos").index("VERB")
    for code in LANGUAGES:
        seen: dict[str, set[int]] = {}
        columns = rows(world, "udpos", "test", code)
        for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
            for token, tag in zip(tokens, tags, strict=True):
                seen.setdefault(token, set()).add(tag)
        assert sum({noun, verb} <= tags for tags in seen.values()) >= 15, code
        words = lexicon(0, code).words
        assert all(words[one] == words[other] for one, other in conversions(0))
    assert len(conversions(0)) > 100


SCRIPTS = "LATIN CYRILLIC DEVANAGARI THAI ARABIC LATIN CJK CYRILLIC LATIN HANGUL GREEK GEORGIAN"


def test_scripts_really_occur() -> None:
    text = {code: " ".join(rows(SMALL, "tatoeba", "test", code)["text_a"]) for code in LANGUAGES[1:]}
    text["qaa"] = " ".join(rows(SMALL, "tatoeba", "test", "qab")["text_b"])
    for code, script in zip(LANGUAGES, SCRIPTS.split(), strict=True):
        letters = [char for char in text[code] if unicodedata.category(char)[0] in "LM"]
        assert {unicodedata.name(char).split()[0] for char in letters} == {script}, code
    assert any(unicodedata.bidirectional(char) in ("R", "AL") for char in text["qae"])
    assert any(unicodedata.category(char) == "Mc" for char in text["qac"])
    assert "\u094d" in text["qac"]
    assert any(unicodedata.category(char) == "Mn" for char in text["qad"])
    assert " " not in "".join(rows(SMALL, "xnli", "test", "qag")["text_a"])
    # No spaces inside a sentence: the hypothesis is one sentence of several words.
    assert " " not in "".join(rows(SMALL, "xnli", "test", "qad")["text_b"])
    assert all(value == unicodedata.normalize("NFC", value) for value in text.values())


def test_resource_shares_show_in_the_corpus() -> None:
    world, most = World(), 0
    for language in INVENTORY:
        meant = world.sentences * language.share
        ends = language.stop + language.mark
        found = sum(char in ends for text in corpus(world, language.code) for char in text)
        most = max(most, found)
        # Bare answers end in nothing, and the last document may be longer than what was left.
        assert 0.85 * meant <= found <= meant + 10, language.code
    assert most > 17_000
    shares = Counter(language.share for language in INVENTORY)
    assert shares == {1.0: 4, 0.1: 5, 0.01: 2, 0.0: 1}


def test_some_documents_mix_in_words_of_the_source_language() -> None:
    names = {lexicon(0, "qaa").words[name] for name in v.NAMES}
    source = set(lexicon(0, "qaa").words.values()) - names
    share = {}
    for mixed in (0, 10, 100):
        texts = corpus(World(sentences=6000, mixed=mixed), "qab")
        share[mixed] = np.mean([any(word.strip(".?") in source for word in text.split()) for text in texts])
    assert share[0] == 0
    assert 0.05 < share[10] < 0.12
    assert share[100] > 0.85
    assert corpus(World(sentences=600, mixed=100), "qaa") == corpus(World(sentences=600, mixed=0), "qaa")


def test_a_language_without_text_has_all_its_rows() -> None:
    (unseen,) = [language.code for language in INVENTORY if not language.share]
    assert corpus(World(), unseen) == []
    for name in MULTILINGUAL:
        for split in set(splits(name)) - {"train"}:
            assert len(rows(SMALL, name, split, unseen)["id"]) == size(SMALL, name, split)
    # Its letters are those of a language with text: what pretraining has not seen is words, not characters.
    letters = {code: set("".join(rows(SMALL, "xnli", "test", code)["text_a"])) for code in (unseen, "qab", "qaa")}
    assert letters[unseen] <= letters["qab"] | letters["qaa"]


def forms(seed: int, language: Language) -> set[str]:
    """Every word of a language that its grammar can write, affixes and all."""
    known = lexicon(seed, language.code)
    nouns = {known.words[noun] for noun in v.NOUNS}
    if language.plural:
        nouns |= {known.plural + noun if language.plural == "prefix" else noun + known.plural for noun in nouns}
    objects = nouns | {known.words[name] for name in (*v.NAMES, "they")}
    cases = {word + known.object_case for word in objects}
    return {*known.words.values(), *nouns, *cases}


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_no_two_languages_have_a_word_in_common_but_the_shared_names(seed: int) -> None:
    names = {lexicon(seed, "qaa").words[name] for name in v.NAMES}
    for one, two in itertools.combinations(INVENTORY, 2):
        common = forms(seed, one) & forms(seed, two)
        assert common <= names
        # The same fifth of the names everywhere.
        assert len(common) == len(v.NAMES) // 5, (one.code, two.code)
        same = [n for n in v.NAMES if lexicon(seed, one.code).words[n] == lexicon(seed, two.code).words[n]]
        assert len(same) == len(common)


@pytest.mark.parametrize("dataset", ["udpos", "panx"])
def test_tokens_in_common_are_digits_punctuation_and_shared_names(dataset: str) -> None:
    tokens = {code: set(itertools.chain(*rows(SMALL, dataset, "test", code)["tokens"])) for code in LANGUAGES}
    names = {lexicon(0, "qaa").words[name] for name in v.NAMES}
    for one, two in itertools.combinations(LANGUAGES, 2):
        words = {token for token in tokens[one] & tokens[two] if not token.isdigit() and token not in ".?"}
        assert words <= names
        # Names are the anchors that the test means to allow: there are some.
        assert words or dataset != "panx"


def test_translations_share_no_word_with_the_source() -> None:
    for code in splits("tatoeba")["test"]:
        columns = rows(SMALL, "tatoeba", "test", code)
        assert columns["text_b"] == rows(SMALL, "tatoeba", "test", "qab")["text_b"]
        for other, source in zip(columns["text_a"], columns["text_b"], strict=True):
            assert not set(other.rstrip(".").split()) & set(source.rstrip(".").split())
            assert all(unicodedata.category(char)[0] in "LMPZ" for char in other + source)
            assert not any(map(str.isdigit, other))
        assert len(set(columns["text_b"])) == len(columns["text_b"])


def test_knowledge_that_questions_need_is_in_the_corpus() -> None:
    text, say, known = "\n".join(corpus(World(), "qaa")), grammar(0, "qaa"), knowledge(0)
    found = []
    for row in meanings(World(), "commonsense_qa", "validation"):
        kind = row.question.company[1].head if row.question.company else row.question.agent.head
        one, every = Thing(kind, det="a"), Thing(kind, det="every")
        statements = {
            "pred": [Clause("isa", "", every, Thing(v.HYPERNYM[kind], det="a"))],
            "place": [Clause("at", "", one, place=Thing(known.place[kind], det="the"))],
            "how": [Clause("be", known.quality[kind], subject) for subject in (one, every)],
            "patient": [Clause("event", known.use[kind], Thing("person", det="a"), company=("with", one))],
        }[row.question.ask]
        told = [(statement,) for statement in statements] + [(row.question, row.choices[row.label])]
        found.append(any(say.text(clauses) in text for clauses in told))
    assert np.mean(found) > 0.9

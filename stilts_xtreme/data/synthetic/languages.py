"""The languages: script, sounds, word order and morphology of each, and the lexicons drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from stilts_xtreme.data.synthetic.draws import Draw
from stilts_xtreme.data.synthetic.knowledge import knowledge
from stilts_xtreme.data.synthetic.vocabulary import FUNCTION_WORDS, NAMES, SINGLE_VERBS, WORDS

_HAN = (
    "天地人山水火木金土日月星云雨雪风花草石田河江海湖川林竹米豆果马牛羊鱼鸟虫龙虎狗"
    "手足口目耳心头身衣食住行车船门户刀弓琴书画字文言语声色红白黑青黄大小多少长高低远近"
    "东西南北上中下左右前后春夏秋冬早晚朝夕明光夜来去出入起坐立走飞见听说问答知学教思想"
    "爱喜怒悲乐安平和合分开关买卖取送给借用作工力气新旧老幼父母子女兄弟姐妹王民国家城市村里"
)
_DEVANAGARI = "कखगघचजटडतथदधनपबभमयरलवशसह"
_THAI = "กขคจชดตทนบปพมยรลวสหอ"
_ARABIC = "بتجحخدرزسشصطعغفقكلمنه"


def _alphabet(onsets: tuple[str, ...], vowels: tuple[str, ...], codas: tuple[str, ...]) -> Callable[[Draw], str]:
    """Returns a maker of syllables: onset, vowel, and a coda one time in four."""

    def syllable(draw: Draw) -> str:
        coda = draw.pick(codas) if codas and draw.chance(0.25) else ""
        return draw.pick(onsets) + draw.pick(vowels) + coda

    return syllable


def _devanagari(draw: Draw) -> str:
    # A third of the syllables begin with a cluster: consonant, virama, consonant.
    onset = draw.pick(_DEVANAGARI)
    if draw.chance(0.3):
        onset += "\u094d" + draw.pick("यरलव")
    return onset + draw.pick(("", "\u093e", "\u093f", "\u0940", "\u0941", "\u0942", "\u0947", "\u094b"))


def _thai(draw: Draw) -> str:
    onset, coda = draw.pick(_THAI), draw.pick(("", "", "น", "ง", "ม", "ก"))
    tone = draw.pick(("", "", "\u0e48", "\u0e49"))
    if draw.chance(0.3):
        return draw.pick("เแโ") + onset + tone + coda
    vowel = draw.pick(("\u0e32", "\u0e34", "\u0e35", "\u0e38", "\u0e39"))
    # The tone mark is typed after a vowel sign on the same consonant, but before the spacing vowel aa.
    return onset + (tone + vowel if vowel == "\u0e32" else vowel + tone) + coda


def _arabic(draw: Draw) -> str:
    return draw.pick(_ARABIC) + draw.pick(("", "", "ا", "و", "ي"))


def _han(draw: Draw) -> str:
    return draw.pick(_HAN)


def _hangul(draw: Draw) -> str:
    lead, vowel = draw.pick((0, 2, 3, 5, 6, 7, 9, 11, 12, 14, 16, 18)), draw.pick((0, 4, 6, 8, 13, 18, 20))
    return chr(0xAC00 + (lead * 21 + vowel) * 28 + draw.pick((0, 0, 4, 8, 16, 21)))


@dataclass(frozen=True)
class Language:
    """How a language is written and built.

    Attributes:
        code: Private-use code.
        script: Name of the script, as it begins the Unicode names of its letters.
        order: ``SVO``, ``SOV`` or ``VSO``.
        share: Amount of text relative to the languages with the most; 0 for one that pretraining never sees.
        syllable: Makes one syllable.
        spaces: Whether words are separated.
        adjective_first: Whether an adjective stands before its noun.
        postpositions: Whether ``in`` and the like follow their noun.
        articles: Whether ``the`` and ``a`` are written.
        copula: Whether ``be`` is written.
        question_first: Whether a question word moves to the front.
        question_particle: Whether a question ends in a particle.
        plural: ``suffix``, ``prefix`` or empty.
        object_case: Whether objects carry a case suffix.
        stop: What ends a statement (may be empty).
        mark: What ends a question (may be empty).
        direction: ``left-to-right`` or ``right-to-left``.
    """

    code: str
    script: str
    order: str
    share: float
    syllable: Callable[[Draw], str]
    spaces: bool = True
    adjective_first: bool = True
    postpositions: bool = False
    articles: bool = True
    copula: bool = True
    question_first: bool = True
    question_particle: bool = False
    plural: str = "suffix"
    object_case: bool = False
    stop: str = "."
    mark: str = "?"
    direction: str = "left-to-right"


_PLAIN = _alphabet(tuple("bdfgklmnprstvz"), tuple("aeiou"), tuple("nrs"))
_MARKED = _alphabet((*"čšžhjkmntrlv", "ck"), tuple("äöüõėåy"), tuple("nlj"))
_CLUSTERED = _alphabet(("tl", "kw", "qh", "x", "w", "y", "ch", "ll", "m", "n", "p", "t"), tuple("aio"), ("q", "h", "m"))
_CYRILLIC = _alphabet(tuple("бвгджзклмнпрстхш"), tuple("аеиоуыя"), tuple("нрст"))
# Letters of the other Cyrillic language alone: pretraining never sees this one, and what it never sees has no piece.
_STEPPE = _alphabet(tuple("бвгджзкмнпсх"), tuple("аеиоуыя"), tuple("лмк"))
_GEORGIAN = _alphabet(tuple("ბგდვზთკლმნპრსტფქღშჩხ"), tuple("აეიოუ"), tuple("ნრს"))
_GREEK = _alphabet(tuple("βγδζθκλμνπρστφχ"), tuple("αεηιουωάό"), tuple("νρ"))

INVENTORY: tuple[Language, ...] = (
    Language("qaa", "LATIN", "SVO", 1.0, _PLAIN),
    Language("qab", "CYRILLIC", "SVO", 1.0, _CYRILLIC),
    Language("qac", "DEVANAGARI", "SOV", 1.0, _devanagari, postpositions=True, object_case=True, stop="।"),
    Language("qad", "THAI", "SVO", 0.1, _thai, spaces=False, adjective_first=False, plural="", stop="ฯ"),
    Language("qae", "ARABIC", "SOV", 0.1, _arabic, adjective_first=False, mark="؟", direction="right-to-left"),
    Language("qaf", "LATIN", "SVO", 0.01, _MARKED, adjective_first=False, plural="prefix"),
    Language(
        *("qag", "CJK", "SOV", 0.01, _han),
        spaces=False,
        postpositions=True,
        articles=False,
        question_first=False,
        question_particle=True,
        plural="",
        stop="。",
        mark="？",
    ),
    Language("qah", "CYRILLIC", "SVO", 0.0, _STEPPE),
    Language("qai", "LATIN", "SOV", 1.0, _CLUSTERED, postpositions=True, question_first=False),
    Language("qaj", "HANGUL", "VSO", 0.1, _hangul, adjective_first=False, articles=False, plural="prefix"),
    Language("qak", "GREEK", "SVO", 0.1, _GREEK, copula=False, mark=";"),
    Language("qal", "GEORGIAN", "SOV", 0.1, _GEORGIAN, postpositions=True, object_case=True),
)
"""Features differ in few ways at a time: with two or three more differences, masked language modelling of this size no
longer finds what two languages have in common."""
BY_CODE: Mapping[str, Language] = MappingProxyType({language.code: language for language in INVENTORY})


def describe(language: Language) -> str:
    """Returns one line: script, word order, resource share, segmentation."""
    script = "Han" if language.script == "CJK" else language.script.capitalize()
    words = "spaces between words" if language.spaces else "no spaces between words"
    return f"{script} script ({language.direction}), {language.order}, resource share {language.share:g}, {words}"


@dataclass(frozen=True)
class Lexicon:
    """The words of one language: concept or name part -> form; and its affixes."""

    words: Mapping[str, str]
    plural: str
    object_case: str


def _new_form(draw: Draw, language: Language, syllables: int, taken: set[str]) -> str:
    # Growing after failures keeps the loop finite however small the inventory is.
    for attempt in range(1000):
        form = "".join(language.syllable(draw) for _ in range(syllables + attempt // 50))
        if form not in taken:
            taken.add(form)
            return form
    raise AssertionError(f"{language.code} has too few syllables")


@lru_cache(maxsize=16)
def conversions(seed: int) -> tuple[tuple[str, str], ...]:
    """Pairs of a noun and a verb or adjective that look alike, the same in every language (as 'to hammer' in English).

    Words of one rank are paired, so that neither reading is rare. Synonyms of these words have forms of their own.
    """
    ranked = knowledge(seed).ranked
    alike = (
        (ranked["things"], ranked["deeds"]),
        (ranked["roles"], ranked["qualities"]),
        (ranked["places"], SINGLE_VERBS),
        (ranked["times"], ranked["manners"]),
    )
    return tuple(pair for nouns, others in alike for pair in zip(nouns, others, strict=False))


@lru_cache(maxsize=64)
def lexicon(seed: int, code: str) -> Lexicon:
    """Draws the words of a language.

    Args:
        seed: The world's seed.
        code: A code of :data:`INVENTORY`.

    Returns:
        Forms without repetition, except for the pairs that look alike (:func:`conversions`), the same everywhere.
        A fifth of the names are written as in the source language everywhere; no other word is in two languages.
    """
    language = BY_CODE[code]
    draw = Draw(seed, "lexicon", code)
    taken: set[str] = set()
    for candidate in INVENTORY:
        if candidate is language:
            break
        if candidate.script == language.script:
            taken |= set(lexicon(seed, candidate.code).words.values())
    words: dict[str, str] = {}
    for concept in WORDS:
        longer = 0 if concept in FUNCTION_WORDS else 1 + draw.chance(0.3)
        words[concept] = _new_form(draw, language, 1 + longer, taken)
    source = INVENTORY[0]
    shared = set(Draw(seed, "shared names").sample(NAMES, len(NAMES) // 5)) if language is not source else set()
    for name in NAMES:
        words[name] = lexicon(seed, source.code).words[name] if name in shared else _new_form(draw, language, 2, taken)
    for noun, other in conversions(seed):
        words[other] = words[noun]
    affixes = [_new_form(draw, language, 1, taken) for _ in range(2)]
    return Lexicon(
        words=MappingProxyType(words),
        plural=affixes[0] if language.plural else "",
        object_case=affixes[1] if language.object_case else "",
    )

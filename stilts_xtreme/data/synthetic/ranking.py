"""Rows of ranking data sets: which sentence answers a question, which description belongs to a mention."""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.readers.mewsli_x import marked
from stilts_xtreme.data.synthetic import entities, stories
from stilts_xtreme.data.synthetic.entities import Mention
from stilts_xtreme.data.synthetic.grammar import Grammar
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.stories import Reading
from stilts_xtreme.data.synthetic.world import Clause
from stilts_xtreme.tasks import row_format_of

SENTENCES = 3
"""Sentences of every passage of SQuAD and XQuAD in this world."""


def _empty(format: str) -> Columns:
    return row_format_of(format).empty_columns()


def _append(columns: Columns, *values: object) -> None:
    for name, value in zip(columns, values, strict=True):
        columns[name].append(value)


def _passage(say: Grammar, context: Sequence[Clause]) -> tuple[str, list[str]]:
    """A passage, and its sentences as pieces of it."""
    words = say.sentences(context)
    text, starts = say.layout(words)
    return text, [text[at[0] : at[-1] + len(own[-1].form)] for at, own in zip(starts, words, strict=True)]


def _place(language: str, passage: int, sentence: int) -> str:
    """The id of a sentence, as in XTREME-R's code: language, passage counted from 1, sentence counted from 0."""
    return f"{language}_{passage + 1}_{sentence}"


def questions(drawn: Sequence[Reading], say: Grammar, name: str, languages: Sequence[str], told: bool) -> Columns:
    """Questions, each with the sentences that answer it, one in each language.

    Args:
        drawn: Passages with a question.
        say: The language of the questions.
        name: Begins every id.
        languages: Languages of the answers.
        told: Whether the answer is given in the language of the question, as in training rows.
    """
    columns = _empty("ranking")
    for n, meaning in enumerate(drawn):
        text, context = "", ""
        if told:
            context, sentences = _passage(say, meaning.context)
            text = sentences[meaning.sentence]
        gold = [_place(language, n, meaning.sentence) for language in languages]
        _append(columns, f"{name}-{n}", say.text((meaning.question,)), text, context, gold)
    return columns


def sentences(drawn: Sequence[Reading], say: Grammar, seed: int, extra: Sequence[int]) -> Columns:
    """All sentences of all passages in a language.

    Args:
        drawn: Passages that questions are about.
        say: The language.
        seed: The world's.
        extra: Numbers of passages that nothing is asked about, said in this language alone.
    """
    columns, language = _empty("candidates"), say.language.code
    more = ((n, stories.reading(Teller(seed, "passage", n), SENTENCES, SENTENCES)) for n in extra)
    for passages, start in ((enumerate(drawn), 0), (more, len(drawn))):
        for n, meaning in passages:
            context, found = _passage(say, meaning.context)
            for at, text in enumerate(found):
                _append(columns, _place(language, start + n, at), text, context)
    return columns


def mentioned(say: Grammar, meaning: Mention) -> str:
    """A sentence with its mention marked, as XTREME-R's code gives it to the encoder."""
    words = say.sentences((meaning.clause,))
    text, starts = say.layout(words)
    inside = [at for at, token in enumerate(words[0]) if token.slot == meaning.slot]
    begin, last = starts[0][inside[0]], inside[-1]
    return marked(text, begin, starts[0][last] + len(words[0][last].form))


def mentions(drawn: Sequence[Mention], say: Grammar, seed: int, name: str, told: bool) -> Columns:
    """Mentions, each with the id of its entity; ``told`` describes it in the language of the mention."""
    columns = _empty("ranking")
    for n, meaning in enumerate(drawn):
        text = say.text(entities.description(seed, meaning.entity)) if told else ""
        _append(columns, f"{name}-{n}", mentioned(say, meaning), text, "", [entities.key(meaning.entity)])
    return columns


def described(numbers: Sequence[int], say: Grammar, seed: int) -> Columns:
    """The descriptions of entities in a language."""
    texts = [say.text(entities.description(seed, number)) for number in numbers]
    return {"id": [entities.key(number) for number in numbers], "text": texts, "context": [""] * len(texts)}

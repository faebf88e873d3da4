"""The data sets: which meanings each has, and how a meaning becomes a row of canonical columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.synthetic import bitext, entities, pairs, paraphrases, ranking, stories, texts
from stilts_xtreme.data.synthetic.draws import bucket
from stilts_xtreme.data.synthetic.entities import Mention
from stilts_xtreme.data.synthetic.grammar import SUPERTAGS, Grammar, grammar
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.languages import INVENTORY
from stilts_xtreme.data.synthetic.matching import Matched, ambiguous
from stilts_xtreme.data.synthetic.stories import Choice, Reading
from stilts_xtreme.data.synthetic.world import World
from stilts_xtreme.tasks import row_format_of

SOURCE = "qaa"
_NLI = ("entailment", "neutral", "contradiction")
_UPOS = (
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
)
_SLOTS = ("agent", "company", "dep", "manner", "number", "patient", "place", "pred", "recipient", "time", "verb")
_NER = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
_BUCKETS = {"train": (0, 50), "validation": (50, 75), "test": (75, 100)}

Meaning = Any
"""What a draw function returns and the reader of the same format understands."""


@dataclass(frozen=True)
class Spec:
    """One data set.

    Attributes:
        format: A key of the canonical formats.
        draw: Draws the meaning of one row.
        labels: Label names.
        multilingual: Whether validation and test exist in every language (questions: in every one with spaces).
        splits: The splits that exist.
        train: Rows of the training split relative to the world's.
        tags: For tagging: which field of a word is the tag.
        shots: Rows of the training splits of the other languages, as the real data set has them too; 0 for none.
        of: The data set whose meanings these are, told in another way; empty for meanings of its own.
        version: Raised when its rows change and no other data set's, nor the unlabelled text.
    """

    format: str
    draw: Callable[[Teller], Meaning]
    labels: tuple[str, ...] = ()
    multilingual: bool = False
    splits: tuple[str, ...] = ("train", "validation")
    train: float = 1.0
    tags: str = ""
    shots: int = 0
    of: str = ""
    version: int = 1


_ALL = ("train", "validation", "test")
_EVALUATION = ("validation", "test")

DATASETS: Mapping[str, Spec] = {
    "mnli": Spec("classification", Matched(lambda d: pairs.inference(d, 0, 0.3), 3), _NLI),
    "snli": Spec("classification", Matched(lambda d: pairs.inference(d, 0, 0.4, 0.1), 3), _NLI),
    "anli": Spec("classification", Matched(lambda d: pairs.inference(d, 1, 0.15, 0.5), 3), _NLI, train=0.5),
    "xnli": Spec("classification", Matched(lambda d: pairs.inference(d, 0, 0.3), 3), _NLI, True, _ALL),
    "qqp": Spec(
        "classification",
        Matched(lambda d: paraphrases.paraphrase(d, True), 2),
        ("not_duplicate", "duplicate"),
        version=2,
    ),
    # few rows: of many, an encoder with random weights learns nearly as much as a pretrained one
    "paws_x": Spec(
        "classification",
        Matched(lambda d: paraphrases.paraphrase(d, False), 2),
        ("0", "1"),
        True,
        _ALL,
        train=0.1,
        version=2,
    ),
    "squad_v1": Spec("qa", lambda d: stories.reading(d, 3, 3), version=2),
    "squad_v2": Spec("qa", lambda d: stories.reading(d, 3, 3, 1 / 3), version=2),
    "xquad": Spec("qa", lambda d: stories.reading(d, 3, 3), (), True, _EVALUATION, version=2),
    "mlqa": Spec("qa", lambda d: stories.reading(d, 3, 4), (), True, _EVALUATION, version=2),
    "tydiqa_goldp": Spec("qa", lambda d: stories.reading(d, 3, 4), (), True, _ALL, shots=500, version=2),
    "hellaswag": Spec("choice", lambda d: stories.script(d), tuple("0123"), train=0.5),
    "cosmos_qa": Spec("choice", lambda d: stories.cause(d, 4, why=True), tuple("0123"), train=0.5),
    "commonsense_qa": Spec("choice", lambda d: stories.fact(d), tuple("ABCDE"), train=0.5),
    "copa": Spec("choice", lambda d: stories.cause(d, 2), ("choice1", "choice2"), train=0.1),
    "xcopa": Spec("choice", lambda d: stories.cause(d, 2), ("0", "1"), True, _EVALUATION),
    "siqa": Spec("choice", lambda d: stories.social(d), tuple("123"), train=0.5),
    "ccg": Spec("tagging", lambda d: texts.tagged(d, 0.0), SUPERTAGS, tags="supertag"),
    "ud_tags": Spec(
        "tagging", lambda d: texts.tagged(d), tuple(f"{u}:{s}" for u in _UPOS for s in _SLOTS), tags="relation"
    ),
    "udpos": Spec("tagging", ambiguous(texts.tagged, 0.4), _UPOS, True, _ALL, tags="upos", shots=500, version=2),
    "panx": Spec("tagging", lambda d: texts.named_sentence(d), _NER, True, _ALL, tags="ner", shots=500),
    "tatoeba": Spec("retrieval", lambda d: texts.translated(d), (), True, ("test",)),
    "bucc2018": Spec("bitext", lambda d: texts.translated(d), (), True, _EVALUATION),
    "squad_sentences": Spec("ranking", lambda d: stories.reading(d, 3, 3), of="squad_v1"),
    "lareqa": Spec("ranking", lambda d: stories.reading(d, 3, 3), (), True, ("test",), of="xquad"),
    "lareqa_candidates": Spec("candidates", lambda d: stories.reading(d, 3, 3), (), True, ("test",), of="xquad"),
    "mewsli_x_pairs": Spec("ranking", lambda d: entities.mention(d), train=0.5),
    "mewsli_x": Spec("ranking", lambda d: entities.mention(d), (), True, _EVALUATION),
    "mewsli_x_candidates": Spec("candidates", lambda d: entities.mention(d), (), True, ("test",)),
}
"""Catalogue name -> data set."""


def row_count(world: World, dataset: str, split: str, language: str = SOURCE) -> int:
    """Returns the rows of a split in a language."""
    if dataset == "lareqa_candidates":
        return ranking.SENTENCES * (world.test + len(_unasked(world, language)))
    if dataset == "mewsli_x_candidates":
        return len(entities.in_language(language, _languages(world), world.candidates))
    if split == "train":
        most = max(1, round(world.train * DATASETS[dataset].train))
        return most if language == SOURCE else min(most, DATASETS[dataset].shots)
    return world.validation if split == "validation" else world.test


def _languages(world: World) -> tuple[str, ...]:
    return tuple(language.code for language in INVENTORY[: world.languages])


def _unasked(world: World, language: str) -> range:
    """Numbers of the passages in a language that nothing is asked about."""
    return range(_languages(world).index(language), world.candidates // ranking.SENTENCES, world.languages)


def _classification(say: Grammar, meaning: pairs.Pair, spec: Spec) -> dict[str, object]:
    return {"text_a": say.text(meaning[0]), "text_b": say.text(meaning[1]), "label": meaning[2]}


def _qa(say: Grammar, meaning: Reading, spec: Spec) -> dict[str, object]:
    sentences = say.sentences(meaning.context)
    context, starts = say.layout(sentences)
    row: dict[str, object] = {"context": context, "question": say.text((meaning.question,))}
    row["answer_texts"], row["answer_starts"] = [], []
    if meaning.sentence >= 0:
        words = sentences[meaning.sentence]
        inside = [i for i, token in enumerate(words) if token.slot == meaning.slot]
        if not inside:  # only a rival sentence may lack what is asked for
            return row
        begin = starts[meaning.sentence][inside[0]]
        end = starts[meaning.sentence][inside[-1]] + len(words[inside[-1]].form)
        row["answer_texts"], row["answer_starts"] = [context[begin:end]], [begin]
    return row


def _choice(say: Grammar, meaning: Choice, spec: Spec) -> dict[str, object]:
    return {
        "context": say.text(meaning.context),
        "question": say.text((meaning.question,)) if meaning.question else "",
        "choices": [say.text((choice,)) for choice in meaning.choices],
        "label": meaning.label,
    }


def _tagging(say: Grammar, meaning: Meaning, spec: Spec) -> dict[str, object]:
    tokens = [token for sentence in say.sentences(meaning) for token in sentence]
    return {
        "tokens": [token.form for token in tokens],
        "tags": [spec.labels.index(getattr(token, spec.tags)) for token in tokens],
    }


def _retrieval(say: Grammar, meaning: Meaning, spec: Spec) -> dict[str, object]:
    return {"text_a": say.text(meaning)}


def _ranking(say: Grammar, meaning: Mention, spec: Spec) -> dict[str, object]:
    return {"query": ranking.mentioned(say, meaning), "gold": entities.key(meaning.entity)}


_READERS: Mapping[str, Callable[[Grammar, Meaning, Spec], dict[str, object]]] = {
    "classification": _classification,
    "qa": _qa,
    "choice": _choice,
    "tagging": _tagging,
    "retrieval": _retrieval,
    "bitext": _retrieval,
    "ranking": _ranking,
}


def _source_text(row: dict[str, object], format: str) -> str:
    """Returns the text that no two rows and no two splits share."""
    if format == "tagging":
        return " ".join(row["tokens"])  # type: ignore[arg-type]
    if format == "choice":
        # The context if there is one: choices alone must not make two rows of one story.
        return str(row["context"] or row["question"])
    if format == "ranking":  # the entity: no mention of it is in two splits
        return str(row["gold"])
    return str(row["context"] if format == "qa" else row["text_a"])


@lru_cache(maxsize=32)
def _meanings(world: World, dataset: str, split: str, language: str = SOURCE) -> tuple[Meaning, ...]:
    """Draws the meanings of a split; its texts in the source language belong to this split alone.

    Training rows of other languages are drawn for each by itself, all others are the same in every language.

    The split of a text is a function of the text, so that splits are disjoint across data sets too (the training rows
    of mnli and the test rows of xnli have no premise in common).
    """
    spec, say = DATASETS[dataset], grammar(world.seed, SOURCE)
    if spec.of:
        return _meanings(world, spec.of, split, language)
    own = () if language == SOURCE else (language,)
    draw = Teller(world.seed, dataset, split, *own)
    low, high = _BUCKETS[split]
    wanted = row_count(world, dataset, split, language)
    found: list[Meaning] = []
    seen: set[str] = set()
    for _ in range(wanted * 100 + 10_000):
        if len(found) == wanted:
            return tuple(found)
        meaning = spec.draw(draw)
        row = _READERS[spec.format](say, meaning, spec)
        text = _source_text(row, spec.format)
        more = (*row.get("choices", ()), *filter(None, [row.get("query")]))  # type: ignore[misc]
        key = text + "\x1f" + "\x1f".join(more)
        if low <= bucket(text) < high and key not in seen:
            seen.add(key)
            found.append(meaning)
    raise StiltsError(
        f"data.world.{split}={getattr(world, split)} is more rows than {dataset} has different texts for."
    )


def generate(world: World, dataset: str, split: str, language: str, drawn_for: str | None = None) -> Columns:
    """Generates the rows of an existing split in a language that has it, or a translation of those of ``drawn_for``."""
    make = _kept if split == "train" else _generate  # a warm worker trains on the same rows again and again
    return {name: list(values) for name, values in make(world, dataset, split, language, drawn_for).items()}


def _generate(world: World, dataset: str, split: str, language: str, drawn_for: str | None) -> Columns:
    spec = DATASETS[dataset]
    say = grammar(world.seed, language)
    if spec.format == "bitext":
        source = grammar(world.seed, SOURCE)
        return bitext.rows(_meanings(world, dataset, split), say.text, source.text, f"{dataset}-{split}")
    if dataset == "mewsli_x_candidates":
        return ranking.described(entities.in_language(language, _languages(world), world.candidates), say, world.seed)
    columns = row_format_of(spec.format).empty_columns()
    drawn = _meanings(world, dataset, split, drawn_for or (language if split == "train" else SOURCE))
    if spec.format == "candidates":
        return ranking.sentences(drawn, say, world.seed, _unasked(world, language))
    if spec.format == "ranking":
        name, told = f"{spec.of or dataset}-{split}", not spec.multilingual
        if not spec.of:
            return ranking.mentions(drawn, say, world.seed, name, told)
        return ranking.questions(drawn, say, name, (SOURCE,) if told else _languages(world), told)
    for number, meaning in enumerate(drawn):
        row = _READERS[spec.format](say, meaning, spec)
        row["id"] = f"{dataset}-{split}-{number}"
        if spec.format == "retrieval":
            row["text_b"] = grammar(world.seed, SOURCE).text(meaning)
        for name, values in columns.items():
            values.append(row[name])
    return columns


_kept = lru_cache(maxsize=8)(_generate)


def rivals(world: World, dataset: str, language: str) -> list[list[str]]:
    """Returns what each test context says of the asked type, the answer among it, in a language."""
    say = grammar(world.seed, language)
    persons = ("agent", "recipient")
    found = []
    for meaning in _meanings(world, dataset, "test"):
        slots = persons if meaning.slot in persons else (meaning.slot,)
        read = [meaning._replace(sentence=i, slot=slot) for i in range(len(meaning.context)) for slot in slots]
        answers = [_qa(say, one, DATASETS[dataset])["answer_texts"] for one in read]
        found.append([texts[0] for texts in answers if texts])  # type: ignore[index]
    return found

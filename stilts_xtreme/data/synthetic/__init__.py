"""A generated multilingual benchmark: languages, an unlabelled corpus, and rows of every task format.

The meaning of a row is drawn once, without words, and then said in each language, so the rows of all languages are
parallel. ``qaa`` is the source language and plays the part of English. Everything follows from :data:`WORLD_VERSION`,
the options of :class:`World`, the data set and the split.
"""

from __future__ import annotations

from collections.abc import Mapping

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.data.synthetic import tasks
from stilts_xtreme.data.synthetic.draws import WORLD_VERSION
from stilts_xtreme.data.synthetic.grammar import grammar, mixed
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.languages import BY_CODE, INVENTORY, describe
from stilts_xtreme.data.synthetic.tasks import DATASETS, SOURCE, Spec, generate, row_count
from stilts_xtreme.data.synthetic.texts import document
from stilts_xtreme.data.synthetic.world import World

__all__ = [
    "DATASETS",
    "DESCRIPTIONS",
    "LANGUAGES",
    "SHARES",
    "WORLD_VERSION",
    "World",
    "corpus",
    "labels",
    "rivals",
    "rows",
    "rows_version",
    "size",
    "splits",
    "translated",
]

LANGUAGES: tuple[str, ...] = tuple(language.code for language in INVENTORY)
"""Private-use codes, the source language first; a world of n languages has the first n."""

DESCRIPTIONS: Mapping[str, str] = {language.code: describe(language) for language in INVENTORY}
"""Language -> script, word order, resource share, segmentation."""

SHARES: Mapping[str, float] = {language.code: language.share for language in INVENTORY}
"""Language -> amount of unlabelled text relative to the languages with the most."""


def labels(dataset: str) -> tuple[str, ...]:
    """Returns the label names of a data set, in the order of the real one.

    Args:
        dataset: A name such as ``xnli``.

    Returns:
        Label names; empty for question answering and retrieval.

    Raises:
        StiltsError: If the data set is not known.
    """
    return _dataset(dataset).labels


def rows_version(dataset: str) -> int:
    """Returns a data set's own version: 1, or more where its rows have changed and not all others' (see :class:`Spec`).

    What tells another data set's meanings changes with it.

    Args:
        dataset: A name such as ``xnli``.

    Raises:
        StiltsError: If the data set is not known.
    """
    spec = _dataset(dataset)
    return spec.version + (rows_version(spec.of) - 1 if spec.of else 0)


def splits(dataset: str) -> Mapping[str, tuple[str, ...]]:
    """Returns split -> languages that have it (in a world of all languages).

    Args:
        dataset: A name such as ``xnli``.

    Returns:
        The splits that exist; training splits have the source language alone, unless the data set has few-shot rows.

    Raises:
        StiltsError: If the data set is not known.
    """
    spec = _dataset(dataset)
    # Of a passage without spaces a tokenizer makes pieces that go on into the next word, and many an answer cannot be
    # cut out of them; TyDiQA-GoldP, too, leaves out what has no spaces, Japanese and Thai.
    everywhere = tuple(
        code
        for code in LANGUAGES
        if (code != SOURCE or spec.format not in ("retrieval", "bitext"))
        and (BY_CODE[code].spaces or spec.format != "qa")
    )
    return {
        split: everywhere if spec.multilingual and (split != "train" or spec.shots) else (SOURCE,)
        for split in spec.splits
    }


def size(world: World, dataset: str, split: str, language: str = SOURCE) -> int:
    """Returns the rows of a split in a language.

    Args:
        world: Options of the world.
        dataset: A name such as ``xnli``.
        split: ``train``, ``validation`` or ``test``.
        language: A code of :data:`LANGUAGES`; only training splits differ.

    Returns:
        The number of rows that :func:`rows` gives.

    Raises:
        StiltsError: If the data set or the split does not exist.
    """
    _split(dataset, split)
    return row_count(world, dataset, split, language)


def rows(world: World, dataset: str, split: str, language: str) -> Columns:
    """Generates the rows of one split in one language.

    Args:
        world: Options of the world.
        dataset: A name such as ``xnli``.
        split: ``train``, ``validation`` or ``test``.
        language: A code of :data:`LANGUAGES`.

    Returns:
        The canonical columns of the data set's format; row i of validation and test has the same id and meaning in
        every language. Training rows of languages other than the source are few, and each language's own.

    Raises:
        StiltsError: If the data set, the split or the language does not exist, or the split lacks the language.
    """
    _has(world, dataset, split, language)
    return generate(world, dataset, split, language)


def translated(world: World, dataset: str, language: str) -> Columns:
    """Generates the training rows of the source language in another language.

    Args:
        world: Options of the world.
        dataset: A name such as ``mnli``, with training rows.
        language: A code of :data:`LANGUAGES`.

    Returns:
        The canonical columns; row i has the id, the meaning and the label of row i in the source language.
    """
    _split(dataset, "train")
    _language(world, language)
    return generate(world, dataset, "train", language, SOURCE)


def rivals(world: World, dataset: str, language: str) -> list[list[str]]:
    """Returns for each test row of a question answering data set what its context has of the asked type.

    Args:
        world: Options of the world.
        dataset: A question answering data set with test rows.
        language: A code of :data:`LANGUAGES`.

    Returns:
        The texts of each row, the answer among them.
    """
    if _dataset(dataset).format != "qa":
        raise StiltsError(f"{dataset} asks no questions about a context.")
    _has(world, dataset, "test", language)
    return tasks.rivals(world, dataset, language)


def corpus(world: World, language: str) -> list[str]:
    """Generates the unlabelled text of a language.

    Args:
        world: Options of the world.
        language: A code of :data:`LANGUAGES`.

    Returns:
        About ``world.sentences`` times the language's share of sentences. Half of the documents, and those with a
        question, are whole, a few connected sentences each; the others are given a sentence a text, since copying from
        a neighbour would otherwise be all there is to learn. The documents of two languages are drawn independently. In
        ``world.mixed`` percent of the documents some words are those of the source language, as often on the web.

    Raises:
        StiltsError: If the world does not have the language.
    """
    _language(world, language)
    say, draw = grammar(world.seed, language), Teller(world.seed, "corpus", language)
    mixtures = [mixed(world.seed, language, speaker) for speaker in range(16)] if language != SOURCE else []
    wanted = round(world.sentences * BY_CODE[language].share)
    documents, written = [], 0
    while written < wanted:
        meaning = document(draw)
        voice = draw.pick(mixtures) if mixtures and draw.chance(world.mixed / 100) else say
        sentences = voice.sentences(meaning)
        written += len(sentences)
        if draw.chance(0.5) and not any(clause.ask for clause in meaning):
            documents += [voice.layout([sentence])[0] for sentence in sentences]
        else:
            documents.append(voice.layout(sentences)[0])
    return documents


def _dataset(name: str) -> Spec:
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


def _split(dataset: str, split: str) -> tuple[str, ...]:
    have = splits(dataset)
    if split not in have:
        raise unknown(f"split of {dataset}", split, have)
    return have[split]


def _has(world: World, dataset: str, split: str, language: str) -> None:
    have = _split(dataset, split)
    _language(world, language)
    if language not in have:
        raise StiltsError(
            f"language={language} has no split '{split}' of {dataset}; choose one of: "
            f"{', '.join(code for code in have if code in LANGUAGES[: world.languages])}."
        )


def _language(world: World, language: str) -> None:
    if language not in LANGUAGES[: world.languages]:
        raise unknown("language", language, LANGUAGES[: world.languages])

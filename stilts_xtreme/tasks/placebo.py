"""Rows whose answers belong to other rows: a placebo, of which nothing can be learnt but what answers look like.

The texts stay, and so does the distribution of the answers. A gain that such rows give too is none of the task (Chang
and Lu 2021, arXiv 2108.11696).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from stilts_xtreme.core.schema import Columns

SPACED = 20
"""A text with more characters than this for each of its words is taken to be written without spaces."""


def others(seed: int, name: str, size: int) -> list[int]:
    """For each row another one: a cycle through all of them, drawn at random. One row alone has only itself.

    Args:
        seed: Of the training.
        name: Of the rows; two sets of rows with one name and size get the same.
        size: How many rows there are.
    """
    import numpy as np  # formats are known to commands that have to start at once

    generator = np.random.default_rng(np.random.SeedSequence([seed, *f"placebo {name}".encode()]))
    order = generator.permutation(size)
    found = np.empty(size, np.int64)
    found[order] = np.roll(order, 1)
    return found.tolist()


def exchanged(columns: Columns, names: Sequence[str], seed: int, name: str) -> Columns:
    """The rows with the values of some columns, all together, from another row each."""
    given = others(seed, name, len(columns["id"]))
    return {**columns, **{column: [columns[column][at] for at in given] for column in names}}


def exchanged_tags(columns: Columns, seed: int, name: str) -> Columns:
    """Sentences with the tags of another one of the same length.

    So each tag sequence stays one that there is. The tags of a sentence that is alone in its length change places
    within it.
    """
    tags: list[Sequence[int]] = list(columns["tags"])
    alike = defaultdict(list)
    for at, sequence in enumerate(tags):
        alike[len(sequence)].append(at)
    found = list(tags)
    for length, members in alike.items():
        if len(members) > 1:
            for at, other in zip(members, others(seed, f"{name} {length}", len(members)), strict=True):
                found[at] = tags[members[other]]
        else:
            (at,) = members
            found[at] = [tags[at][place] for place in others(seed, f"{name} {length} alone", length)]
    return {**columns, "tags": found}


def exchanged_spans(columns: Columns, seed: int, name: str) -> Columns:
    """Questions with the answers of another one, as places: the same share of the context before it, as many words.

    The answer is then the text that stands there, so that every answer is a span of its own context. A question gets no
    answer from one that has none. Words are those between spaces; in a text without spaces they are characters.
    """
    given = others(seed, name, len(columns["id"]))
    words = [_words(context) for context in columns["context"]]
    places = [
        [_place(own, start, text) for start, text in zip(starts, texts, strict=True) if start >= 0]
        for own, starts, texts in zip(words, columns["answer_starts"], columns["answer_texts"], strict=True)
    ]
    texts, starts = [], []
    for at, other in enumerate(given):
        spans = list(_spans(words[at], places[other]))
        starts.append([start for start, _ in spans])
        texts.append([columns["context"][at][start:end] for start, end in spans])
    return {**columns, "answer_texts": texts, "answer_starts": starts}


def _words(context: str) -> list[tuple[int, int]]:
    """Where the words of a text start and end."""
    found = [match.span() for match in re.finditer(r"\S+", context)]
    if len(found) * SPACED < len(context):
        found = [match.span() for match in re.finditer(r"\S", context)]
    return found


def _place(words: Sequence[tuple[int, int]], start: int, text: str) -> tuple[float, int]:
    """Where an answer is: which share of all places for so many words lies before it, and how many words it has."""
    touched = [at for at, (first, last) in enumerate(words) if last > start and first < start + len(text)]
    length = max(1, len(touched))
    free = len(words) - length
    return (touched[0] / free if touched and free else 0.0), length


def _spans(words: Sequence[tuple[int, int]], places: Sequence[tuple[float, int]]) -> Iterator[tuple[int, int]]:
    """Spans of a text at places of other texts; what is too long for it is as long as it can be."""
    for share, length in places:
        if not words:
            continue
        size = min(length, len(words))
        first = min(round(share * (len(words) - size)), len(words) - size)
        yield words[first][0], words[first + size - 1][1]

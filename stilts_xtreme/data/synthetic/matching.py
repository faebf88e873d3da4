"""Meanings chosen by what a reader of forms sees, so that forms alone do not tell the answer.

Pairs of texts come in matched sets: one pair of each label with the same overlap, so that overlap tells no label.
Sentences to be tagged come with many words that look like words of another class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from functools import lru_cache
from itertools import pairwise

from stilts_xtreme.data.synthetic.grammar import grammar
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.languages import INVENTORY, conversions, lexicon
from stilts_xtreme.data.synthetic.pairs import Pair
from stilts_xtreme.data.synthetic.world import Clause

_HELD = 50
"""Pairs of one label and profile that wait for partners; what comes beyond is thrown away."""


def profile(seed: int, pair: Pair) -> Hashable:
    """Returns what counting sees in a pair in the source language.

    Returns:
        Words of the first text, words that each text has alone, and neighbours that the second has alone.
    """
    say = grammar(seed, INVENTORY[0].code)
    first, second = ([token.form for sentence in say.sentences(text) for token in sentence] for text in pair[:2])
    a, b = Counter(first), Counter(second)
    p, q = Counter(pairwise(first)), Counter(pairwise(second))
    return len(first), (a - b).total(), (b - a).total(), (q - p).total()


class Matched:
    """Draws pairs in sets: one of each label, all with the same profile."""

    def __init__(self, make: Callable[[Teller], Pair], labels: int) -> None:
        self._make, self._labels = make, labels

    def __call__(self, draw: Teller) -> Pair:
        """Returns the next pair of the stream ``draw``, which remembers the pairs that wait for partners."""
        while not draw.ready:
            pair = self._make(draw)
            waiting = draw.waiting.setdefault(profile(draw.seed, pair), [[] for _ in range(self._labels)])
            if len(waiting[pair[2]]) < _HELD:
                waiting[pair[2]].append(pair)
            if all(waiting):
                draw.ready = draw.sample([same.pop() for same in waiting], self._labels)
        return draw.ready.pop()


@lru_cache(maxsize=16)
def _lookalikes(seed: int) -> frozenset[str]:
    """Forms of the source language that are two words of different classes."""
    words = lexicon(seed, INVENTORY[0].code).words
    return frozenset(words[noun] for noun, _ in conversions(seed))


def ambiguous(make: Callable[[Teller], tuple[Clause, ...]], share: float) -> Callable[[Teller], tuple[Clause, ...]]:
    """Keeps of the sentences that ``make`` draws those with many words that look like words of another class.

    Args:
        make: Draws a sentence.
        share: The least part of the words, punctuation left out, that look so in the source language.

    Returns:
        What draws such sentences.
    """

    def draw(teller: Teller) -> tuple[Clause, ...]:
        say, lookalikes = grammar(teller.seed, INVENTORY[0].code), _lookalikes(teller.seed)
        while True:
            clauses = make(teller)
            forms = [token.form for words in say.sentences(clauses) for token in words if token.upos != "PUNCT"]
            if sum(form in lookalikes for form in forms) >= share * len(forms):
                return clauses

    return draw

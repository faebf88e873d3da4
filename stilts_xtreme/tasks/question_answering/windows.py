"""Windows of question and passage, for which every passage is tokenised once, however often it is asked about.

They are the windows that Hugging Face's fast tokenizers make of a pair with ``truncation="only_second"``, a ``stride``
and ``return_overflowing_tokens``, cut from arrays instead of being encoded again for every question.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stilts_xtreme.models.batch import expand, spans
from stilts_xtreme.tasks.head import flat

TEXTS = 512
"""Texts given to the tokenizer at a time, so that the offsets of a large data set are never all lists at once."""

SOLID = np.array([not chr(code).isspace() for code in range(0x3002)])
"""Whether a character is not white space, by its code; the last one stands for all beyond, none of which is."""


@dataclass(frozen=True)
class Frame:
    """What a tokenizer puts around a pair of texts.

    Attributes:
        ids: Special tokens before the first text, between the two, and after the second.
        types: Segment ids: of the same three, then of the first text and of the second.
    """

    ids: tuple[list[int], list[int], list[int]]
    types: tuple[list[int], list[int], list[int], int, int]

    @classmethod
    def of(cls, tokenizer: Any) -> Frame:
        """Read off an encoded pair."""
        encoded = tokenizer("a", "a", return_token_type_ids=True, return_attention_mask=False)
        parts, ids, types = encoded.sequence_ids(0), encoded["input_ids"], encoded["token_type_ids"]
        first, second = parts.index(0), parts.index(1)
        between = slice(first + parts.count(0), second)
        after = slice(second + parts.count(1), None)
        return cls(
            (ids[:first], ids[between], ids[after]),
            (types[:first], types[between], types[after], types[first], types[second]),
        )

    @property
    def size(self) -> int:
        """Number of special tokens."""
        return sum(map(len, self.ids))


@dataclass(frozen=True)
class Passages:
    """Tokens of texts, end to end.

    Attributes:
        ids: Token ids [T], without special tokens.
        first: The character that each token begins with [T]; -1 for a token of white space alone.
        last: The character that each token ends before [T]; -1 likewise.
        offsets: Where each text's tokens begin, and the last one's end [P + 1].
    """

    ids: np.ndarray
    first: np.ndarray
    last: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Any) -> Passages:
        """Encodes texts."""
        ids, first, last = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        lengths: list[int] = []
        for at in range(0, len(texts), TEXTS):
            encoded = tokenizer(
                list(texts[at : at + TEXTS]),
                add_special_tokens=False,
                return_offsets_mapping=True,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            ids.append(flat(encoded["input_ids"])[0])
            for text, pairs in zip(texts[at : at + TEXTS], encoded["offset_mapping"], strict=True):
                starts, ends = _Characters(text).tighten(np.asarray(pairs, np.int64).reshape(-1, 2))
                first.append(starts.astype(np.int32))
                last.append(ends.astype(np.int32))
                lengths.append(len(pairs))
        whole = spans(np.asarray(lengths, np.int64))
        return cls(np.concatenate(ids), np.concatenate(first), np.concatenate(last), whole)


class _Characters:
    """A text's characters, and what of them tokens stand for."""

    def __init__(self, text: str):
        size = len(text)
        self.text = text
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        self.solid = SOLID[np.minimum(codes, len(SOLID) - 1)]
        here = np.arange(size + 1)
        following = np.where(np.append(self.solid, True), here, size)
        self.following = np.minimum.accumulate(following[::-1])[::-1]
        """For every position the next character that is not white space."""
        self.before = np.maximum.accumulate(np.where(np.append(True, self.solid), here, 0))
        """For every position the end of the last character before it that is not white space."""

    def _reach(self, offsets: np.ndarray) -> np.ndarray:
        """For every position, where a token that ends there ends in truth.

        A normaliser composes an accent or a Hangul vowel with the character before it, and the token's span then ends
        between the two; an answer must not lose it.
        """
        size = len(self.text) + 1
        depth = np.bincount(offsets[:, 0], minlength=size) - np.bincount(offsets[:, 1], minlength=size)
        reach = np.arange(size)
        for position in np.flatnonzero((np.cumsum(depth)[:-1] == 0) & self.solid)[::-1]:
            if unicodedata.category(self.text[position])[0] != "C":  # format and control characters are dropped
                reach[position] = reach[position + 1]
        return reach

    def tighten(self, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Starts and ends of tokens [N, 2] without the white space around them; -1 for one of white space alone."""
        starts = np.minimum(self.following[offsets[:, 0]], offsets[:, 1])
        ends = np.maximum(self.before[offsets[:, 1]], starts)
        solid = ends > starts  # white space belongs to no answer, and some tokenizers count it to the token behind it
        return np.where(solid, starts, -1), np.where(solid, self._reach(offsets)[ends], -1)


class Windows:
    """Windows of passages, each behind its question.

    Args:
        questions: Token ids of each row's question.
        passages: The passages.
        which: The passage of each row [R].
        frame: Special tokens.
        max_length: Tokens of a window at most; at least one of them is left for the passage.
        stride: Tokens that two windows of a row have in common.

    Attributes:
        rows: The row of each window [W].
        begin: First token of the passage in each window [W], counted in its passage.
        end: The token behind the last one [W], likewise.
        lengths: Tokens of each window [W].
        shift: What to add to a passage's token to have its place in the window [W].
    """

    def __init__(
        self,
        questions: Sequence[Sequence[int]],
        passages: Passages,
        which: np.ndarray,
        frame: Frame,
        max_length: int,
        stride: int,
    ):
        self.passages, self.which, self.frame = passages, which, frame
        self.questions, self._asked = flat(questions)
        room = max_length - frame.size - self._asked
        size = np.diff(passages.offsets)[which]
        # as the Rust library's Encoding::truncate goes on: by room - stride, until a window holds the end
        count = 1 + np.maximum(0, -((room - size) // (room - stride)))
        self.rows = np.repeat(np.arange(len(which)), count)
        turn = np.arange(len(self.rows)) - np.repeat(spans(count)[:-1], count)
        self.begin = turn * (room - stride)[self.rows]
        self.end = np.minimum(self.begin + room[self.rows], size[self.rows])
        lead = len(frame.ids[0]) + self._asked[self.rows] + len(frame.ids[1])
        self.lengths = lead + self.end - self.begin + len(frame.ids[2])
        self.shift = lead - self.begin
        self._starts = spans(self.lengths)[:-1]
        self._inside = expand(self._starts + lead, self.end - self.begin)
        self._tokens = expand(passages.offsets[which[self.rows]] + self.begin, self.end - self.begin)

    def _fill(self, array: np.ndarray, parts: Sequence[Sequence[int]]) -> np.ndarray:
        """Puts what belongs to the special tokens in its places."""
        places = (self._starts, self._starts + len(parts[0]) + self._asked[self.rows], spans(self.lengths)[1:])
        for place, part in zip(places, parts, strict=True):
            back = len(part) if place is places[2] else 0
            for at, value in enumerate(part):
                array[place - back + at] = value
        return array

    def ids(self) -> np.ndarray:
        """Token ids of all windows, end to end [T]."""
        asked = self._asked[self.rows]
        ids = np.zeros(int(self.lengths.sum()), np.int32)
        questions = expand(spans(self._asked)[:-1][self.rows], asked)
        ids[expand(self._starts + len(self.frame.ids[0]), asked)] = self.questions[questions]
        ids[self._inside] = self.passages.ids[self._tokens]
        return self._fill(ids, self.frame.ids)

    def types(self) -> np.ndarray:
        """Segment ids [T]."""
        *special, first, second = self.frame.types
        types = np.full(int(self.lengths.sum()), first, np.int8)
        types[self._inside] = second
        return self._fill(types, special)

    def characters(self) -> tuple[np.ndarray, np.ndarray]:
        """First character of each token in its passage, and the one it ends before [T]; -1 outside of the passage."""
        first, last = np.full((2, int(self.lengths.sum())), -1, np.int32)
        first[self._inside], last[self._inside] = self.passages.first[self._tokens], self.passages.last[self._tokens]
        return first, last

    def gold(self, texts: Sequence[Sequence[str]], starts: Sequence[Sequence[int]]) -> np.ndarray:
        """Positions [W, 2] in the window of each row's first answer, (0, 0) where it is not wholly inside.

        White space at the answer's ends, and characters there that the tokenizer swallows, are in no token and cannot
        be asked of one.

        Args:
            texts: Answers of each row.
            starts: Where each begins in the passage, in characters.
        """
        gold = np.zeros((len(self.rows), 2), np.int64)
        count = len(self.which)
        begin = np.fromiter((own[0] if own else 0 for own in starts), np.int64, count)
        end = begin + np.fromiter((len(own[0]) if own else 0 for own in texts), np.int64, count)
        asked = np.fromiter((bool(own) for own in texts), bool, count)
        first, last = self.passages.first.astype(np.int64), self.passages.last.astype(np.int64)
        size = len(first)
        if not size or not asked.any():
            return gold
        here = np.arange(size)
        following = np.minimum.accumulate(np.where(first >= 0, here, size - 1)[::-1])[::-1]
        before = np.maximum.accumulate(np.where(first >= 0, here, 0))
        # tokens are in the order of their characters: with those of all passages in one row, all answers are sought at
        # once, from the first token that ends behind an answer's beginning to the last that begins before its end
        row = 1 + max(int(last.max()), int(end.max()))
        owner = np.repeat(np.arange(len(self.passages.offsets) - 1), np.diff(self.passages.offsets))
        ends = np.maximum.accumulate(np.where(last >= 0, owner * row + last, 0))
        begins = np.minimum.accumulate(np.where(first >= 0, owner * row + first, (owner[-1] + 1) * row)[::-1])[::-1]
        low = np.searchsorted(ends, self.which * row + begin, "right")
        high = np.searchsorted(begins, self.which * row + end, "left")
        asked &= low < high
        begin = np.maximum(begin, first[following[np.minimum(low, size - 1)]])
        end = np.minimum(end, last[before[np.maximum(high - 1, 0)]])
        start = self.passages.offsets[self.which[self.rows]]
        a = np.maximum(low[self.rows], start + self.begin)
        b = np.minimum(high[self.rows], start + self.end)
        one, other = following[np.minimum(a, size - 1)], before[np.maximum(b - 1, 0)]
        inside = asked[self.rows] & (a <= one) & (one <= other) & (other < b)
        inside &= (first[one] <= begin[self.rows]) & (last[other] >= end[self.rows])
        gold[inside] = (np.stack([one, other], 1) + (self.shift - start)[:, None])[inside]
        return gold

"""Span question answering: windows over long contexts, and answers that are slices of the context's own characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from stilts_xtreme.batch import Batch, Features, spans
from stilts_xtreme.data.schema import Columns
from stilts_xtreme.heads.base import HeadModule, flat, grouped_cross_entropy, segment_ids

ROWS = 512
"""Rows given to the tokenizer at a time, so that the offsets of a large data set are never all lists at once."""


class QAModule(HeadModule):
    """Start and end of the answer among a window's tokens; position 0 stands for "not in this window".

    The loss is the mean over windows of the mean of the two cross-entropies, over real tokens only. Hugging Face's QA
    models also count padding, so their loss is larger by what they give to padding; the weights learn the same
    positions.
    """

    format = "qa"
    over = "token"

    def windows(self, questions: list[str], tokenizer: Any) -> tuple[list[str], int]:
        """Questions cut to what a window has room for, and the stride that fits every window.

        A fast tokenizer fails outright when a question leaves less room than the stride, so both are bounded
        beforehand.
        """
        special = tokenizer.num_special_tokens_to_add(pair=True)
        room = self.options.max_length - special
        longest = max(1, min(self.options.max_query_length, room // 2))
        cut, pending = list(questions), list(range(len(questions)))
        while pending:  # a cut question can need more tokens than before when it is encoded again
            encoded = tokenizer(
                [cut[at] for at in pending],
                add_special_tokens=False,
                return_offsets_mapping=True,
                return_attention_mask=False,
            )
            too_long = [
                (at, offsets)
                for at, offsets in zip(pending, encoded["offset_mapping"], strict=True)
                if len(offsets) > longest
            ]
            for at, offsets in too_long:
                cut[at] = cut[at][: min(offsets[longest - 1][1], len(cut[at]) - 1)]
            pending = [at for at, _ in too_long if cut[at]]
        return cut, max(0, min(self.options.stride, (room - longest) // 2))

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per window. ``extra`` holds each token's characters in its context, -1 outside the context."""
        with_types = segment_ids(tokenizer, self.encoder.config)
        ids, types, first, last, owners = [], [], [], [], []
        for at in range(0, len(rows["context"]), ROWS):
            contexts = rows["context"][at : at + ROWS]
            questions, stride = self.windows([q.strip() for q in rows["question"][at : at + ROWS]], tokenizer)
            encoded = tokenizer(
                questions,
                contexts,
                truncation="only_second",
                max_length=self.options.max_length,
                stride=stride,
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
                return_attention_mask=False,
                return_token_type_ids=with_types,
            )
            offsets = [np.asarray(pairs, np.int64).reshape(-1, 2) for pairs in encoded["offset_mapping"]]
            texts = [_Context(context) for context in contexts]
            inside = []
            for window, local in enumerate(encoded["overflow_to_sample_mapping"]):
                mask = np.fromiter((part == 1 for part in encoded.sequence_ids(window)), bool, len(offsets[window]))
                inside.append(mask)
                texts[local].cover(offsets[window][mask])
            for window, local in enumerate(encoded["overflow_to_sample_mapping"]):
                starts, ends = np.full((2, len(offsets[window])), -1, np.int32)
                starts[inside[window]], ends[inside[window]] = texts[local].tighten(offsets[window][inside[window]])
                ids.append(encoded["input_ids"][window])
                if with_types:
                    types.append(encoded["token_type_ids"][window])
                first.append(starts)
                last.append(ends)
                owners.append(at + local)
        joined, lengths = flat(ids)
        gold = _gold(rows, owners, first, last)
        return Features(
            ids=joined,
            lengths=lengths,
            units=np.ones(len(lengths), np.int64),
            types=flat(types, np.int8)[0] if with_types else None,
            labels={"start": ("unit", gold[:, 0]), "end": ("unit", gold[:, 1])},
            rows=np.asarray(owners, np.int64),
            extra={
                "first": np.concatenate(first) if first else np.zeros(0, np.int32),
                "last": np.concatenate(last) if last else np.zeros(0, np.int32),
            },
        )

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Start and end logits [T] of every token."""
        output = self.head(self.encoder(batch)[None])  # type: ignore[misc]
        return output.start_logits[0], output.end_logits[0]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed over windows: the mean of the start's and the end's cross-entropy."""
        starts, ends = self.outputs(batch)
        return 0.5 * (
            grouped_cross_entropy(starts, batch.lengths, batch.labels["start"])
            + grouped_cross_entropy(ends, batch.lengths, batch.labels["end"])
        )

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> dict[str, str]:
        """The best span of every row as a slice of its context, by id; empty where an answer is rightly withheld.

        As in the SQuAD scripts: the ``n_best`` starts and ends of each window are combined, spans of more than
        ``max_answer_length`` tokens left out, the highest sum of logits over all windows wins. With ``null_threshold``
        set, no answer is given when the least null score of the windows exceeds the best span by more than it.
        """
        start_logits, end_logits = outputs
        options = self.options
        best = dict.fromkeys(range(len(rows["id"])), (-np.inf, ""))
        null = dict.fromkeys(best, np.inf)
        ends_of = spans(features.lengths)
        first, last = np.asarray(features.extra["first"]), np.asarray(features.extra["last"])
        for unit, row in enumerate(features.rows.tolist()):
            window = slice(ends_of[unit], ends_of[unit + 1])
            starts, ends = start_logits[window], end_logits[window]
            null[row] = min(null[row], float(starts[0] + ends[0]))
            inside = np.flatnonzero(first[window] >= 0)
            if not len(inside):
                continue
            tops = inside[np.argsort(-starts[inside], kind="stable")[: options.n_best]]
            bottoms = inside[np.argsort(-ends[inside], kind="stable")[: options.n_best]]
            width = bottoms[None, :] - tops[:, None] + 1
            scores = starts[tops][:, None] + ends[bottoms][None, :]
            scores = np.where((width >= 1) & (width <= options.max_answer_length), scores, -np.inf)
            a, b = np.unravel_index(int(scores.argmax()), scores.shape)
            if scores[a, b] > best[row][0]:
                text = rows["context"][row][first[window][tops[a]] : last[window][bottoms[b]]]
                best[row] = (float(scores[a, b]), text)
        found = {}
        for row, (score, text) in best.items():
            withheld = options.null_threshold is not None and null[row] - score > options.null_threshold
            found[rows["id"][row]] = "" if withheld else text
        return found


class _Context:
    """A context's characters, and which of them some token of its windows covers."""

    def __init__(self, text: str):
        size = len(text)
        self.text = text
        self.solid = np.fromiter((not character.isspace() for character in text), bool, size)
        here = np.arange(size + 1)
        following = np.where(np.append(self.solid, True), here, size)
        self.following = np.minimum.accumulate(following[::-1])[::-1]
        """For every position the next character that is not white space."""
        self.before = np.maximum.accumulate(np.where(np.append(True, self.solid), here, 0))
        """For every position the end of the last character before it that is not white space."""
        self.depth = np.zeros(size + 1, np.int64)

    def cover(self, offsets: np.ndarray) -> None:
        """Takes note of a window's tokens, given as character spans [N, 2]."""
        size = len(self.depth)
        self.depth += np.bincount(offsets[:, 0], minlength=size) - np.bincount(offsets[:, 1], minlength=size)

    @cached_property
    def reach(self) -> np.ndarray:
        """For every position, where a token that ends there ends in truth.

        A normaliser composes an accent or a Hangul vowel with the character before it, and the token's span then ends
        between the two; an answer must not lose it.
        """
        reach = np.arange(len(self.text) + 1)
        for position in np.flatnonzero((np.cumsum(self.depth)[:-1] == 0) & self.solid)[::-1]:
            if (
                unicodedata.category(self.text[position])[0] != "C"
            ):  # format and control characters are dropped for good
                reach[position] = reach[position + 1]
        return reach

    def tighten(self, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Starts and ends of tokens without the white space around them; -1 for a token of white space alone."""
        starts = np.minimum(self.following[offsets[:, 0]], offsets[:, 1])
        ends = np.maximum(self.before[offsets[:, 1]], starts)
        solid = ends > starts  # white space belongs to no answer, and some tokenizers count it to the token behind it
        return np.where(solid, starts, -1), np.where(solid, self.reach[ends], -1)


def _gold(rows: Columns, owners: list[int], first: list[np.ndarray], last: list[np.ndarray]) -> np.ndarray:
    """Token positions [U, 2] of each window's first reference answer, (0, 0) where it is not wholly inside.

    White space at the answer's ends, and characters there that the tokenizer swallows, are in no token of any window
    and cannot be asked of one.
    """
    gold = np.zeros((len(owners), 2), np.int64)
    if "answer_texts" not in rows:
        return gold
    bounds = np.flatnonzero(np.diff(owners, prepend=-1, append=-1))
    for a, b in pairwise(bounds):  # the windows of one row
        row = owners[a]
        if not rows["answer_texts"][row]:
            continue
        begin = rows["answer_starts"][row][0]
        finish = begin + len(rows["answer_texts"][row][0])
        found = []
        for unit in range(a, b):
            touching = np.flatnonzero((first[unit] >= 0) & (last[unit] > begin) & (first[unit] < finish))
            if len(touching):
                starts, ends = first[unit][touching], last[unit][touching]
                found.append((unit, touching, starts.min(), ends.max()))
        begin = max([begin, min((start for _, _, start, _ in found), default=begin)])
        finish = min([finish, max((end for _, _, _, end in found), default=finish)])
        for unit, touching, start, end in found:
            if start <= begin and end >= finish:
                gold[unit] = touching[0], touching[-1]
    return gold

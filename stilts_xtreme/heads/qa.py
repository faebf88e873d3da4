"""Span question answering: windows over long contexts, and answers that are slices of the context's own characters."""

from __future__ import annotations

from collections.abc import Sequence
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

    The loss is the mean over windows of the mean of the two cross-entropies, over real tokens only. Hugging Face's QA models
    also count padding, so their loss is larger by what they give to padding; the weights learn the same positions.
    """

    format = "qa"
    over = "token"

    def windows(self, questions: list[str], tokenizer: Any) -> tuple[list[str], int]:
        """Questions cut to what a window has room for, and the stride that fits every window.

        A fast tokenizer fails outright when a question leaves less room than the stride, so both are bounded beforehand.
        """
        special = tokenizer.num_special_tokens_to_add(pair=True)
        room = self.options.max_length - special
        longest = max(1, min(self.options.max_query_length, room // 2))
        encoded = tokenizer(
            questions, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False
        )
        cut = [
            question[: offsets[longest - 1][1]] if len(offsets) > longest else question
            for question, offsets in zip(questions, encoded["offset_mapping"], strict=True)
        ]
        # a cut question can need a token or two more when it is encoded again
        return cut, max(0, min(self.options.stride, (room - longest - 4) // 2))

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per window. ``extra`` holds each token's characters in its context, -1 outside the context."""
        with_types = segment_ids(tokenizer, self.encoder.config)
        ids, types, first, last, owners, golds = [], [], [], [], [], []
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
            for window, local in enumerate(encoded["overflow_to_sample_mapping"]):
                row = at + local
                offsets = np.asarray(encoded["offset_mapping"][window], np.int32).reshape(-1, 2)
                inside = np.fromiter((part == 1 for part in encoded.sequence_ids(window)), bool, len(offsets))
                # white space belongs to no answer, and some tokenizers count it to the token behind it
                starts, ends = _tighten(contexts[local], offsets)
                inside &= ends > starts
                starts, ends = np.where(inside, starts, -1), np.where(inside, ends, -1)
                ids.append(encoded["input_ids"][window])
                if with_types:
                    types.append(encoded["token_type_ids"][window])
                first.append(starts)
                last.append(ends)
                owners.append(row)
                golds.append(self._gold(rows, row, starts, ends))
        joined, lengths = flat(ids)
        gold = np.asarray(golds, np.int64).reshape(-1, 2)
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

    @staticmethod
    def _gold(rows: Columns, row: int, starts: np.ndarray, ends: np.ndarray) -> tuple[int, int]:
        """Token positions of the first reference answer, or (0, 0) when it is not wholly inside the window."""
        texts = rows.get("answer_texts", [[]] * (row + 1))[row]
        if not texts:
            return 0, 0
        begin = rows["answer_starts"][row][0]
        finish = begin + len(texts[0])
        covered = np.flatnonzero((starts >= 0) & (ends > begin) & (starts < finish))
        if not len(covered) or starts[covered[0]] > begin or ends[covered[-1]] < finish:
            return 0, 0
        return int(covered[0]), int(covered[-1])

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
        ``max_answer_length`` tokens left out, the highest sum of logits over all windows wins. With ``null_threshold`` set,
        no answer is given when the least null score of the windows exceeds the best span by more than the threshold.
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


def _tighten(context: str, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Character spans without the white space at their ends; a span of white space alone becomes empty."""
    starts, ends = offsets[:, 0].copy(), offsets[:, 1].copy()
    for position in range(len(starts)):
        while starts[position] < ends[position] and context[starts[position] : starts[position] + 1].isspace():
            starts[position] += 1
        while ends[position] > starts[position] and context[ends[position] - 1 : ends[position]].isspace():
            ends[position] -= 1
    return starts, ends

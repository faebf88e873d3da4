"""Span question answering: windows over long contexts, and answers that are slices of the context's own characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features, spans
from stilts_xtreme.tasks.head import HeadModule, grouped_cross_entropy, segment_ids
from stilts_xtreme.tasks.question_answering.windows import TEXTS, Frame, Passages, Windows


class QuestionAnsweringModule(HeadModule):
    """Start and end of the answer among a window's tokens; position 0 stands for "not in this window".

    The loss is the mean over windows of the mean of the two cross-entropies, over real tokens only. Hugging Face's QA
    models also count padding, so their loss is larger by what they give to padding; the weights learn the same
    positions.
    """

    format = "qa"
    metric = "squad"
    over = "token"

    def ask(self, questions: list[str], tokenizer: Any) -> tuple[list[list[int]], int]:
        """Token ids of questions, cut to what a window has room for, and the stride that fits every window.

        A window has room for more of the passage than the stride, however long the question, since there would be no
        next one otherwise; so both are bounded.
        """
        room = self.options.max_length - tokenizer.num_special_tokens_to_add(pair=True)
        longest = max(1, min(self.options.max_query_length, room // 2))
        texts, pending = list(questions), list(range(len(questions)))
        ids: list[list[int]] = [[] for _ in questions]
        while pending:  # a cut question can need more tokens than before when it is encoded again
            encoded = tokenizer(
                [texts[at] for at in pending],
                add_special_tokens=False,
                return_offsets_mapping=True,
                return_attention_mask=False,
            )
            too_long = []
            for at, own, offsets in zip(pending, encoded["input_ids"], encoded["offset_mapping"], strict=True):
                if len(own) > longest:
                    texts[at] = texts[at][: min(offsets[longest - 1][1], len(texts[at]) - 1)]
                    too_long.append(at)
                else:
                    ids[at] = own
            pending = [at for at in too_long if texts[at]]
        return ids, max(0, min(self.options.stride, (room - longest) // 2))

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per window. ``extra`` holds each token's characters in its context, -1 outside the context."""
        which = {context: at for at, context in enumerate(dict.fromkeys(rows["context"]))}
        questions: list[list[int]] = []
        stride = 0
        for at in range(0, len(rows["question"]), TEXTS):
            own, stride = self.ask([text.strip() for text in rows["question"][at : at + TEXTS]], tokenizer)
            questions += own
        windows = Windows(
            questions,
            Passages.of(list(which), tokenizer),
            np.fromiter((which[context] for context in rows["context"]), np.int64, len(rows["context"])),
            Frame.of(tokenizer),
            self.options.max_length,
            stride,
        )
        if "answer_texts" in rows:
            gold = windows.gold(rows["answer_texts"], rows["answer_starts"])
        else:
            gold = np.zeros((len(windows.rows), 2), np.int64)
        first, last = windows.characters()
        return Features(
            ids=windows.ids(),
            lengths=windows.lengths,
            units=np.ones(len(windows.lengths), np.int64),
            types=windows.types() if segment_ids(tokenizer, self.encoder.config) else None,
            labels={"start": ("unit", gold[:, 0]), "end": ("unit", gold[:, 1])},
            rows=windows.rows,
            extra={"first": first, "last": last},
        )

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Start and end logits [T] of every token."""
        found = self.token_outputs(batch)
        return found["start_logits"], found["end_logits"]

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

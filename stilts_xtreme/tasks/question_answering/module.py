"""Span question answering: windows over long contexts, and answers that are slices of the context's own characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features, spans
from stilts_xtreme.tasks.head import HeadModule, grouped_cross_entropy, segment_ids
from stilts_xtreme.tasks.question_answering.windows import TEXTS, Frame, Passages, Windows


class Span(NamedTuple):
    """An answer: the sum of its logits, its text, and where that begins in its context; no text where there is none."""

    score: float
    text: str
    start: int


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
        best = self._best(rows, features, outputs)
        return {key: found.text for key, found in zip(rows["id"], best, strict=True)}

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """With the answer's place in the characters of its context, and the sum of its two logits."""
        return [
            {
                "id": key,
                "prediction": found.text,
                "start": found.start if found.text else None,
                "end": found.start + len(found.text) if found.text else None,
                "score": found.score if np.isfinite(found.score) else None,
            }
            for key, found in zip(rows["id"], self._best(rows, features, outputs), strict=True)
        ]

    def _best(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[Span]:
        """The answer of every row."""
        start_logits, end_logits = outputs
        options = self.options
        best = [Span(-np.inf, "", 0)] * len(rows["id"])
        null = [np.inf] * len(best)
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
            if scores[a, b] > best[row].score:
                begin = int(first[window][tops[a]])
                text = rows["context"][row][begin : last[window][bottoms[b]]]
                best[row] = Span(float(scores[a, b]), text, begin)
        for row, found in enumerate(best):
            if options.null_threshold is not None and null[row] - found.score > options.null_threshold:
                best[row] = Span(null[row], "", 0)
        return best

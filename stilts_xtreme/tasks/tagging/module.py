"""Tagging of words: the tag sits on one sub-token of each word, and no word is ever lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features, spans
from stilts_xtreme.models.tokenizer import lone_mark
from stilts_xtreme.tasks.head import HeadModule, flat, segment_ids
from stilts_xtreme.tasks.module import Step

ROWS = 1024
"""Sentences given to the tokenizer at a time."""


class TaggingModule(HeadModule):
    """One tag per word; the loss is the mean cross-entropy over the words of the step.

    A sentence longer than a window is split between words into several windows, each word in exactly one. A word that
    the tokenizer swallows whole becomes the unknown token, a word longer than a window is cut. XLM-R puts a lone '▁'
    before many Chinese, Japanese and Thai words: ``first_token='any'`` tags it, as XTREME's code does, ``'content'``
    tags what follows.
    """

    format = "tagging"
    metric = "chunk_f1"
    needs_labels = True
    over = "token"

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per window.

        ``extra['word']`` [T] is a word's position in its sentence on its tagged token, else -1.
        """
        prefix, suffix = special_tokens(tokenizer)
        room = self.options.max_length - len(prefix) - len(suffix)
        mark = word_mark(tokenizer)
        lone = lone_mark(tokenizer) if self.options.first_token == "content" else None
        unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.mask_token_id
        ids, words, owners = [], [], []
        for at in range(0, len(rows["tokens"]), ROWS):
            sentences = rows["tokens"][at : at + ROWS]
            pieces = tokenizer(
                [[mark + word if word and place else word for place, word in enumerate(words)] for words in sentences],
                is_split_into_words=True,
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
            for local, sentence in enumerate(sentences):
                by_word: list[list[int]] = [[] for _ in sentence]
                for token, word in zip(pieces["input_ids"][local], pieces.word_ids(local), strict=True):
                    if word is not None:
                        by_word[word].append(token)
                for window in _windows(by_word, room, lone, unknown):
                    ids.append(prefix + [token for token, _ in window] + suffix)
                    words.append([-1] * len(prefix) + [word for _, word in window] + [-1] * len(suffix))
                    owners.append(at + local)
        joined, lengths = flat(ids)
        word = flat(words)[0]
        labels = {}
        if "tags" in rows:
            sentence_of = np.repeat(np.asarray(owners, np.int64), lengths)
            gold = np.full(len(word), -100, np.int64)
            for position in np.flatnonzero(word >= 0):
                gold[position] = rows["tags"][sentence_of[position]][word[position]]
            labels["tag"] = ("token", gold)
        return Features(
            ids=joined,
            lengths=lengths,
            units=np.ones(len(lengths), np.int64),
            types=np.zeros(len(joined), np.int8) if segment_ids(tokenizer, self.encoder.config) else None,
            labels=labels,
            rows=np.asarray(owners, np.int64),
            extra={"word": word},
        )

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """The position of the best tag for every token [T]; where it is :attr:`scored` its probability [T], too."""
        logits = self._logits(batch)
        best = logits.argmax(-1).to(torch.int16)
        return (best, logits.float().softmax(-1).amax(-1)) if self.scored else (best,)

    def _logits(self, batch: Batch, wanted: torch.Tensor | None = None) -> torch.Tensor:
        return self.token_outputs(batch, wanted)["logits"]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy over words; a tag of -1 (none known) counts like an unlabelled token."""
        gold = batch.labels["tag"]
        if gold.is_cuda:  # which tokens are tagged is not known on the host, and asking would stop the step
            return cross_entropy(self._logits(batch).float(), gold.where(gold >= 0, -100), reduction="sum")
        tagged = (gold >= 0).nonzero()[:, 0]
        return cross_entropy(self._logits(batch, tagged).float(), gold[tagged], reduction="sum")

    def terms(self, step: Step) -> float:
        """Labelled words of the step."""
        chosen = step.features.take(step.units).labels["tag"]
        return float((chosen >= 0).sum())

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[list[str]]:
        """One tag name per word of every row."""
        tags = self._by_word(rows, features, outputs[0], "")
        return [[self.labels[tag] for tag in sentence] for sentence in tags]

    def _by_word(self, rows: Columns, features: Features, found: np.ndarray, empty: Any) -> list[list[Any]]:
        """What the tagged tokens [T] of each row's words have been found to be."""
        values: list[list[Any]] = [[empty] * len(sentence) for sentence in rows["tokens"]]
        ends = spans(features.lengths)
        word = np.asarray(features.extra["word"])
        for unit, row in enumerate(features.rows.tolist()):
            window = slice(ends[unit], ends[unit + 1])
            for position in np.flatnonzero(word[window] >= 0):
                values[row][word[window][position]] = found[window][position].item()
        return values

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """With the words, and the probability of each word's tag."""
        found = super().records(rows, features, outputs)
        sure = self._by_word(rows, features, outputs[1], 0.0) if self.scored else [None] * len(found)
        for record, tokens, row in zip(found, rows["tokens"], sure, strict=True):
            record |= {"tokens": tokens} if row is None else {"tokens": tokens, "probabilities": row}
        return found


def _windows(by_word: list[list[int]], room: int, lone: int | None, unknown: int) -> list[list[tuple[int, int]]]:
    """Splits a sentence's words into windows of (token, word or -1), each of at most ``room`` tokens.

    Args:
        by_word: The tokens of each word.
        room: Tokens that a window holds beside the special ones.
        lone: The token that is passed over for the one behind it in the same word, or None.
        unknown: Stands for a word that has no tokens.
    """
    windows: list[list[tuple[int, int]]] = []
    for word, tokens in enumerate(by_word):
        tokens = tokens[:room] or [unknown]
        tagged = 1 if lone is not None and tokens[0] == lone and len(tokens) > 1 else 0
        if not windows or len(windows[-1]) + len(tokens) > room:
            windows.append([])
        windows[-1] += [(token, word if position == tagged else -1) for position, token in enumerate(tokens)]
    return windows


def word_mark(tokenizer: Any) -> str:
    """What a pre-split word needs before it to be read as in running text: nothing, or a space.

    Tokenizers like ModernBERT's take a word without a space before it for the continuation of another.
    """
    running = tokenizer("a a", add_special_tokens=False)["input_ids"]
    for mark in ("", " "):
        if tokenizer(["a", f"{mark}a"], is_split_into_words=True, add_special_tokens=False)["input_ids"] == running:
            return mark
    return ""


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and after a single text."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    before = next(at for at in range(len(full) + 1) if full[at : at + len(plain)] == plain)
    return full[:before], full[before + len(plain) :]

"""Sentence retrieval: nothing is trained; sentences are pooled hidden states, neighbours are found by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.search import top_k
from stilts_xtreme.tasks.evaluation import Sample
from stilts_xtreme.tasks.head import encode
from stilts_xtreme.tasks.pooling import PoolingModule


class RetrievalModule(PoolingModule):
    """Each English sentence (``text_b``) finds its translation among the other language's sentences (``text_a``)."""

    format = "retrieval"
    metric = "retrieval_accuracy"

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per sentence: all of ``text_a``, then all of ``text_b``, without surrounding white space."""
        texts = [text.strip() for text in (*rows["text_a"], *rows["text_b"])]
        parts = encode(tokenizer, self.encoder.config, texts, None, self.options.max_length)
        count = len(rows["text_a"])
        return Features(**parts, units=np.ones(2 * count, np.int64), rows=np.tile(np.arange(count), 2))

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[str]:
        """For each English sentence the position of the nearest other sentence, as text."""
        count = len(rows["text_a"])
        candidates, queries = outputs[0][:count], outputs[0][count:]
        return [str(position) for position in top_k(queries, candidates, 1, str(self.device))[1].ravel()]

    def comparable(self, answers: list[str], sample: Sample, stage: str) -> tuple[list[int], list[int]]:
        """Positions as numbers."""
        return [int(position) for position in answers], list(range(len(answers)))

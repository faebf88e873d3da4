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
        owners = [np.arange(len(rows[side])) for side in ("text_a", "text_b")]
        return Features(**parts, units=np.ones(len(texts), np.int64), rows=np.concatenate(owners))

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[str]:
        """For each English sentence the position of the nearest other sentence, as text."""
        return [str(position) for position in self._nearest(rows, outputs)[1]]

    def _nearest(self, rows: Columns, outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and position of the nearest other sentence of each English one, both [Q]."""
        count = len(rows["text_a"])
        candidates, queries = outputs[0][:count], outputs[0][count:]
        near, positions = top_k(queries, candidates, 1, str(self.device))
        return near.ravel(), positions.ravel()

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """With the text of the nearest sentence and the cosine; by its id where it has one, else by its position."""
        ids = rows.get("other") or list(range(len(rows["text_a"])))
        return [
            {"id": key, "prediction": ids[at], "text": rows["text_a"][at], "score": near}
            for key, near, at in zip(
                rows["id"], *(found.tolist() for found in self._nearest(rows, outputs)), strict=True
            )
        ]

    def comparable(self, answers: list[str], sample: Sample, stage: str) -> tuple[list[int], list[int]]:
        """Positions as numbers."""
        return [int(position) for position in answers], list(range(len(answers)))

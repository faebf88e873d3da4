"""Ranking: a dual encoder. A query finds what answers it among many candidates by the cosine of their vectors.

As in XTREME-R's code (google-research/xtreme, ``third_party/run_retrieval_qa.py``, ``run_retrieval_el.py`` and
``bert.py``; read): one encoder for both sides, the first token of the last layer at unit length, cross-entropy over the
candidates of the batch, similarities times 100. Other than there

- the vectors do not pass through BERT's pooler, which encoders such as XLM-R come without (so in the code of Zhang et
  al. 2024, mGTE);
- the factor stays 100; there it is a parameter that begins at 100 and, at the rates of the recipes, hardly moves;
- the candidates of a batch are those of the whole step, not of the part that fits a device at a time;
- an equal candidate of another query of the batch is no negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Batch, Features, expand, spans
from stilts_xtreme.models.encoder import Encoder, Source
from stilts_xtreme.models.positions import position_limit
from stilts_xtreme.models.search import ranks, top_k
from stilts_xtreme.tasks.evaluation import Sample, outputs_of
from stilts_xtreme.tasks.head import HeadModule, encode
from stilts_xtreme.tasks.metrics.ranking import TOP, whole_average_precision
from stilts_xtreme.tasks.module import Optimisation, Step
from stilts_xtreme.tasks.options import HeadOptions

SCALE = 100.0
"""What similarities are multiplied by before the softmax."""

WHOLE = 100_000
"""Candidates up to which the mean average precision over the whole ranking is given beside that of its beginning."""


@dataclass(frozen=True)
class Pool:
    """What is ranked: ids of the candidates and their unit vectors [C, H]."""

    ids: Sequence[str]
    vectors: np.ndarray


def contrastive(queries: torch.Tensor, candidates: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """Sum of the cross-entropies of each query's own candidate among those of all.

    Args:
        queries: Unit vectors [U, H].
        candidates: Unit vectors [U, H], each the right one of its query.
        gold: What each candidate is [U]: one that is the same as a query's own is not compared with it.
    """
    with torch.autocast(queries.device.type, enabled=False):  # times 100, half precision would be too coarse
        logits = SCALE * queries.float() @ candidates.float().T
    same = gold[:, None] == gold[None, :]
    own = torch.eye(len(gold), dtype=torch.bool, device=gold.device)
    logits = logits.masked_fill(same & ~own, float("-inf"))
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(gold), device=gold.device), reduction="sum")


class RankingModule(HeadModule):
    """Which of many candidates is right for a query?

    Attributes:
        pool: What queries choose from; None: the right candidates of the rows at hand, as with dev rows.
    """

    format = "ranking"
    metric = "map_at_20"
    over = "sequence"

    def __init__(
        self,
        encoder: Encoder | str,
        labels: Sequence[str] = (),
        options: HeadOptions | None = None,
        continues: Source | None = None,
        *,
        optimisation: Optimisation | None = None,
        tokenizer: Any = None,
    ):
        super().__init__(encoder, labels, options, continues, optimisation=optimisation, tokenizer=tokenizer)
        limit = position_limit(self.encoder)
        if limit is not None and self.options.max_query_length > limit:
            raise StiltsError(
                f"max_query_length={self.options.max_query_length} is more than the {limit} tokens that "
                f"{self.encoder.config.model_type} takes."
            )
        self.pool: Pool | None = None

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per row: its query and, where the rows tell it, the right candidate."""
        queries = encode(tokenizer, self.encoder.config, rows["query"], None, self.options.max_query_length)
        count = len(rows["query"])
        numbers: dict[str, int] = {}
        gold = np.fromiter((numbers.setdefault(ids[0], len(numbers)) for ids in rows["gold"]), np.int64, count)
        labels = {"gold": ("unit", gold)}
        if not any(rows["text"]):
            return Features(**queries, units=np.ones(count, np.int64), labels=labels, rows=np.arange(count))
        parts = [queries, self._encoded(rows, tokenizer)]
        lengths = np.concatenate([part["lengths"] for part in parts])
        turns = np.arange(2 * count).reshape(2, count).T.ravel()  # a query, its candidate, the next query
        tokens = expand(spans(lengths)[:-1][turns], lengths[turns])
        types = None
        if queries["types"] is not None:
            types = np.concatenate([part["types"] for part in parts])[tokens]
        return Features(
            ids=np.concatenate([part["ids"] for part in parts])[tokens],
            types=types,
            lengths=lengths[turns],
            units=np.full(count, 2, np.int64),
            labels=labels,
            rows=np.arange(count),
        )

    def candidates(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per candidate: its text, with its context where it has one."""
        count = len(rows["text"])
        return Features(**self._encoded(rows, tokenizer), units=np.ones(count, np.int64), rows=np.arange(count))

    def take_candidates(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Ranks these from now on."""
        self.pool = Pool(ids, vectors)

    def more_scores(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> dict[str, float]:
        """``map``: the mean average precision over the whole ranking, where there are at most :data:`WHOLE`."""
        if self.pool is None or len(self.pool.ids) > WHOLE:
            return {}
        return {"map": 100 * whole_average_precision(self.ranks(rows, features, outputs), rows["gold"])}

    def _encoded(self, rows: Columns, tokenizer: Any) -> dict[str, Any]:
        return encode(tokenizer, self.encoder.config, rows["text"], rows["context"], self.options.max_length)

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Unit vectors of all sequences [S, H]."""
        return torch.nn.functional.normalize(self.first_tokens(batch)[:, 0].float(), dim=-1)

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Unit vectors of all sequences."""
        return (self.vectors(batch),)

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch whose candidates are all that there are."""
        found = self.vectors(batch)
        return contrastive(found[0::2], found[1::2], batch.labels["gold"])

    def _accumulate(self, step: Step) -> torch.Tensor:
        """The loss of a step over all of its candidates, whatever of them fits the device at a time.

        With more than one micro-batch their vectors are computed first, without what backpropagation needs; the
        gradients of the loss in the vectors then enter each micro-batch in turn (Gao et al. 2021, arXiv 2101.06983).
        """
        batches = list(self.micro_batches(step))
        if len(batches) == 1:
            return super()._accumulate(step)
        seed = self.setting().seed * 1_000_003 + step.index

        def found(at: int) -> torch.Tensor:
            torch.manual_seed(seed * 1009 + at + 1)  # the same dropout both times
            return self.vectors(batches[at].to(self.device))

        with torch.no_grad():
            ahead = [found(at) for at in range(len(batches))]
        torch.clear_autocast_cache()  # weights cast without gradients must not be taken for those with
        leaf = torch.cat(ahead).requires_grad_()
        gold = torch.cat([batch.labels["gold"] for batch in batches]).to(self.device)
        loss = contrastive(leaf[0::2], leaf[1::2], gold) / max(self.terms(step), 1)
        (slopes,) = torch.autograd.grad(loss, leaf)
        for at, slope in enumerate(slopes.split([len(part) for part in ahead])):
            self.manual_backward((found(at) * slope).sum())
        return loss.detach()

    def begin(self, sample: Sample, budget: int) -> None:
        """Encodes what the queries choose from, anew each time, as the weights may have changed."""
        self.pool = None
        if sample.candidates is not None:
            features = sample.candidates.features
            self.pool = Pool(sample.candidates.ids, outputs_of(self, features, budget)[0])

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> dict[str, list[str]]:
        """Query id -> the ids of the nearest candidates, the nearest first, as many as are scored."""
        return {record["id"]: record["prediction"] for record in self.records(rows, features, outputs)}

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """With the cosines of the candidates."""
        queries, pool = self._sides(rows, features, outputs[0])
        near, positions = top_k(queries, pool.vectors, TOP, str(self.device))
        return [
            {"id": key, "prediction": [pool.ids[at] for at in row], "scores": cosines}
            for key, row, cosines in zip(rows["id"], positions.tolist(), near.tolist(), strict=True)
        ]

    def ranks(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[list[int]]:
        """The ranks of the right candidates of every query among all; one that is not there has none."""
        queries, pool = self._sides(rows, features, outputs[0])
        places = {key: at for at, key in enumerate(pool.ids)}
        wanted = [[places[key] for key in ids if key in places] for ids in rows["gold"]]
        return ranks(queries, pool.vectors, wanted, str(self.device))

    def _sides(self, rows: Columns, features: Features, found: np.ndarray) -> tuple[np.ndarray, Pool]:
        if self.pool is not None:
            return found[:: int(features.units[0])], self.pool
        ids = [key for key, *_ in rows["gold"]]
        first = {key: at for at, key in reversed(list(enumerate(ids)))}
        return found[0::2], Pool(list(first), found[1::2][list(first.values())])

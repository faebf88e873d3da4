"""Sentence vectors: hidden states of a layer, pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.batch import Batch, send
from stilts_xtreme.models.encoder import Encoder, Source
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.tasks.module import Optimisation
from stilts_xtreme.tasks.options import HeadOptions


class PoolingModule(HeadModule):
    """Sentences as vectors; what is found with them is the matter of the heads that extend it."""

    every_layer = True

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
        config = self.encoder.config
        self.layer = retrieval_layer(config, self.options.layer)
        if not 0 <= self.layer <= config.num_hidden_layers:
            raise StiltsError(
                f"retrieval.layer={self.layer} is not there: the encoder has hidden_states[0] to "
                f"hidden_states[{config.num_hidden_layers}]."
            )

    def setup(self, stage: str) -> None:
        """Refuses to be trained."""
        if stage == "fit":
            raise StiltsError(f"{type(self).__name__} is not trained; use trainer.validate, trainer.test or predict.")

    @property
    def layered(self) -> bool:
        """With ``sweep`` there is an output for every layer."""
        return self.options.sweep

    def facts(self) -> dict[str, Any]:
        """Where the vectors come from."""
        return {"retrieval": {"layer": self.layer, "pooling": self.options.pooling}}

    def outputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Unit-length sentence vectors [U, H] of the layer, with ``sweep`` of every layer of ``hidden_states``."""
        if self.options.sweep:
            return tuple(self._pooled(hidden, batch) for hidden in self.encoder.layers(batch))
        return (self._pooled(self.encoder(batch, layer=self.layer), batch),)

    def _pooled(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean over all tokens, or the first token, at unit length."""
        hidden = hidden.float()
        if self.options.pooling == "cls":
            pooled = hidden[batch.firsts()]
        else:
            lengths = batch.lengths
            owner = send(torch.repeat_interleave(torch.arange(len(lengths)), lengths), hidden.device)
            pooled = torch.zeros(len(lengths), hidden.shape[-1], device=hidden.device)
            pooled = pooled.index_add(0, owner, hidden) / send(lengths, hidden.device)[:, None]
        return torch.nn.functional.normalize(pooled, dim=-1)


def retrieval_layer(config: Any, chosen: int | None) -> int:
    """The position in ``hidden_states`` to pool: the chosen one, else 14/24 of the depth, rounded.

    Source: the study's code takes ``hidden_states[14]`` of XLM-R large's 24 layers (nyu-mll/jiant), and so do XTREME's
    and XTREME-R's scripts: their layer 13 is counted without the embeddings.
    """
    return chosen if chosen is not None else round(14 * config.num_hidden_layers / 24)

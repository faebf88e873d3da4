"""Parts of an encoder that a training leaves as they are.

Fine-tuning moves the pieces of the source language and none of the others', which takes apart what pretraining has put
side by side; with the embedding, or lower layers too, left alone more of it is kept (Wu and Dredze 2019, arXiv
1904.09077, of multilingual BERT). And what is frozen needs no gradient and no memory of an optimiser.
"""

from __future__ import annotations

from stilts_xtreme.core.checks import freezable, shared
from stilts_xtreme.models.depth import layers_of
from stilts_xtreme.models.encoder import Encoder


def freeze(encoder: Encoder, part: str | int | None, option: str) -> None:
    """Takes a part of an encoder out of the training that follows.

    Args:
        encoder: The encoder.
        part: None for nothing, ``embeddings``, or how many layers are frozen with them, the lowest first.
        option: What the user calls the value.

    Raises:
        StiltsError: When it has fewer layers than that, or as many, so that nothing of it would be trained; when its
            layers share their weights, as ALBERT's do.
    """
    if part is None:
        return
    frozen = [getattr(encoder.base, "embeddings", None) or encoder.base.get_input_embeddings()]
    if part != "embeddings":
        layers = layers_of(encoder.base)
        if not layers:
            raise shared(option, part, encoder.base.config.model_type, "embeddings")
        freezable(option, part, len(layers[0]))
        frozen += [module for parts in layers for module in parts[: int(part)]]
    for module in frozen:
        module.requires_grad_(False)

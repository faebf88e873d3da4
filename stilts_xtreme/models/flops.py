"""Size and compute of an encoder and its trainings: parameters, tokens and floating-point operations.

Free of torch, as planning is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.core.manifest import removed_encoder

ENCODER_FILES = "models/*/model-00001-of-*.safetensors"
"""In a stage that trained: the encoder without its heads, the same file in every task's folder."""


def layer_weights(architecture: Mapping[str, Any]) -> int:
    """Weights of the matrices between the embedding and the head: 4 of h x h for attention, 2 of h x i for the MLP.

    What Kaplan et al. 2020 (arXiv 2001.08361, section 2.1) call N; biases and layer norms are left out there too. What
    an architecture does not say is as in transformers' XLM-R.
    """
    hidden = int(architecture.get("hidden_size", 768))
    inner = int(architecture.get("intermediate_size", 3072))
    return int(architecture.get("num_hidden_layers", 12)) * (4 * hidden**2 + 2 * hidden * inner)


def head_weights(architecture: Mapping[str, Any]) -> int:
    """Weights of the masked-language-model head's matrices: h x h, and vocabulary x h, tied to the embedding."""
    hidden = int(architecture.get("hidden_size", 768))
    return hidden**2 + int(architecture.get("vocab_size", 0)) * hidden


def flops_per_token(architecture: Mapping[str, Any], mask_probability: float) -> float:
    """Floating-point operations of pretraining for each token.

    6 for every weight that a token is multiplied with, 2 forward and 4 backward (Kaplan et al. 2020, arXiv 2001.08361,
    section 2.1). The head is computed for masked tokens alone. Attention's part, which grows with the square of the
    length, is left out, as there; the embedding is looked up, not multiplied. Special tokens are never masked, so that
    the head's share is somewhat less than counted.

    Args:
        architecture: The encoder's, as in ``model.architecture``.
        mask_probability: Share of the tokens that the head is computed for.
    """
    return 6.0 * (layer_weights(architecture) + mask_probability * head_weights(architecture))


def step_flops(architecture: Mapping[str, Any], pretraining: Mapping[str, Any]) -> float:
    """Operations of a step of pretraining at the most: padding fills what sentences leave of ``batch_tokens``."""
    return flops_per_token(architecture, pretraining["mask_probability"]) * int(pretraining["batch_tokens"])


def steps_within(flops: float, architecture: Mapping[str, Any], pretraining: Mapping[str, Any]) -> int:
    """Whole steps of pretraining that a budget of operations pays for; 0 where it pays for none."""
    return math.floor(flops / step_flops(architecture, pretraining) * (1 + 1e-12))  # n steps' own price buys n steps


def size_of(weights: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The size of an encoder.

    Args:
        weights: Name and number of parameters of each of its tensors, without heads and pooler.

    Returns:
        ``parameters``, all of them, and ``body``, those outside of the embedding.
    """
    found = {"parameters": 0, "body": 0}
    for name, count in weights:
        found["parameters"] += count
        found["body"] += 0 if ".embeddings." in f".{name}" else count
    return found


def encoder_size(stage: Path) -> dict[str, int] | None:
    """The size of a stage's encoder, as :func:`size_of` tells it; None where the stage holds no weights."""
    from safetensors import safe_open

    files = sorted(stage.glob(ENCODER_FILES))
    if not files:
        return removed_encoder(stage)
    with safe_open(files[0], framework="numpy") as weights:
        names = list(weights.keys())
        return size_of((name, math.prod(weights.get_slice(name).get_shape())) for name in names)

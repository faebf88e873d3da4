"""Encoders of several sizes with random weights, as checkpoints that this project and Hugging Face's Trainer load."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaTokenizer
from transformers.utils import logging as transformers_logging

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

SIZES = {
    "mini": (3, 96, 4, 10_000),
    "minilm": (6, 384, 6, 250_002),
    "base": (12, 768, 12, 250_002),
    "large": (24, 1024, 16, 250_002),
}
"""Layers, width, heads, vocabulary; all but ``mini`` have XLM-R's own, ``base`` and ``large`` also its shape."""
SPECIALS = 5
"""Token ids below this one are special."""


def config_of(size: str, **more: Any) -> XLMRobertaConfig:
    """The configuration of an encoder, without dropout, so that every way of training it takes the same steps."""
    layers, width, heads, vocabulary = SIZES[size]
    return XLMRobertaConfig(
        vocab_size=vocabulary,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=514,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        **more,
    )


def checkpoint(folder: Path, size: str, kind: type[PreTrainedModel], labels: tuple[str, ...]) -> None:
    """Saves a model of a kind, with random weights."""
    names = labels or ("start", "end")
    label2id = {label: at for at, label in enumerate(names)}
    config = config_of(size, id2label=dict(enumerate(names)), label2id=label2id)
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)


def padder() -> PreTrainedTokenizerFast:
    """A tokenizer that only pads."""
    tokenizer = XLMRobertaTokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def operations(layers: int, width: int, lengths: np.ndarray) -> float:
    """Floating-point operations of training on sequences of the given lengths, without embedding and head.

    Forward, a layer takes 24 H^2 for a token (its weights are 12 H^2) and 4 L H within a sequence of L; backward, twice
    as many.
    """
    tokens = np.asarray(lengths, np.float64)
    return float(3 * layers * (24 * width**2 * tokens + 4 * width * tokens**2).sum())


def matrix_rate(device: str, kind: torch.dtype, width: int = 8192, times: int = 30) -> float:
    """Operations per second of a large matrix product on a CUDA device: what training is measured by."""
    one, other = (torch.randn(width, width, device=device, dtype=kind) for _ in range(2))
    for _ in range(3):
        one @ other
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        one @ other
    torch.cuda.synchronize()
    return 2 * width**3 * times / (time.perf_counter() - began)

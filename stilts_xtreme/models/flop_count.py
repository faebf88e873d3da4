"""Floating-point operations of a computation, counted while it runs: a multiplication with an addition is two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

ON_PROCESSOR = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
"""The attention of processors, which torch's counter does not know."""


def counted(run: Callable[[], object]) -> int:
    """Operations of matrix products and of attention; norms, activations and sums are next to nothing beside them.

    The computation must be in single precision on a GPU: torch's flash attention for sequences of varying length is
    not counted.

    Args:
        run: The computation.
    """
    counter = FlopCounterMode(display=False, custom_mapping={ON_PROCESSOR: _attention})
    with counter:
        run()
    return int(counter.get_total_flops())


def _attention(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """From shapes [B, heads, L, D]."""
    return int(sdpa_flop_count(query, key, value))

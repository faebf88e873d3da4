"""What queries choose from: read, encoded and handed to the module before it is evaluated."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import numpy as np

from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.specs import Cell, Target
from stilts_xtreme.core.terminal import say
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.training.parents import load_candidates
from stilts_xtreme.training.predict import predict

PART = 50_000
"""Candidates that are read into features at a time."""

POOL_BYTES = 2 * 2**30
"""Memory of candidates' vectors beyond which they are kept in half precision."""


def read_candidates(cell: Cell, target: Target, head: HeadModule, tokenizer: Any) -> dict[str, Any]:
    """Reads and encodes what queries choose from, a part at a time, and says how long that took.

    Beside the texts the vectors stay in memory, in half precision where they would otherwise take more than
    :data:`POOL_BYTES`; they are compared in single precision.
    """
    began = time.monotonic()
    rows = load_candidates(cell, target)
    count, width = len(rows["id"]), int(head.encoder.config.hidden_size)
    kind = np.dtype(np.float32 if 4 * count * width <= POOL_BYTES else np.float16)
    vectors = np.zeros((count, width), kind)
    read = time.monotonic()
    with phase(f"encoding {count:,} candidates", count, cell.trainer.progress) as bar:
        for at in range(0, count, PART):
            part = {name: values[at : at + PART] for name, values in rows.items()}
            (found,) = predict(head, head.candidates(part, tokenizer), cell.trainer, bar)
            vectors[at : at + PART] = found
    head.take_candidates(rows["id"], vectors)
    done = time.monotonic()
    facts = {"count": count, "precision": kind.name, "bytes": vectors.nbytes}
    say(
        f"  {count:,} candidates: read in {read - began:.0f} s, encoded in {done - read:.0f} s; vectors of {width} "
        f"numbers in {kind.name}, {vectors.nbytes / 2**30:.2f} GiB; {peak_memory()}"
    )
    return facts


def peak_memory() -> str:
    """The most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 2**10
    return f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.2f} GiB of memory until now"
